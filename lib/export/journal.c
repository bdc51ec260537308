/* What a run says: see journal.h. */
#include "export/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "db/query.h"

void
mr_journal_init(struct mr_journal *j, const char *log, bool bar)
{
	*j = (struct mr_journal){ .logs = strcmp(log, "stderr") != 0, .progress = { .wanted = bar },
		.first_failure = MR_ERROR_INIT };
}

void
mr_journal_complain(struct mr_journal *j, const struct mr_error *err)
{
	mr_progress_clear(&j->progress);
	if (j->first_failure.code == MR_OK)
		j->first_failure = *err;
	fprintf(stderr, "millrace-export: %s\n", err->text);
	if (j->logs)
		mr_log_error("%s", err->text);
}

enum mr_err
mr_journal_audit(struct mr_db *db, const struct mr_run *run, const struct mr_audit_entry *a,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	if (a->why == NULL)
		mr_log_info("exported batch %s of client %s to %s: %" PRId64 " events in %" PRId64
		    " objects, %" PRId64 " bytes, manifest sha256 %s, run %s asked for by %s", a->batch,
		    a->client, a->url, a->rows, a->objects, a->bytes, a->sha256, run->id,
		    run->asked_by);
	mr_db_arg_text(&args, run->id);
	mr_db_arg_text(&args, run->asked_by);
	mr_db_arg_text(&args, a->client);
	mr_db_arg_text(&args, a->destination);
	mr_db_arg_text(&args, a->url);
	mr_db_arg_text(&args, a->batch);
	mr_db_arg_int(&args, a->objects);
	mr_db_arg_int(&args, a->rows);
	mr_db_arg_int(&args, a->bytes);
	mr_db_arg_text(&args, a->sha256);
	mr_db_arg_text(&args, a->why != NULL ? a->why->text : NULL);
	return mr_db_tell(db, "INSERT INTO export_audit (run_id, asked_by, client, destination, url, "
	    "batch, objects, events, bytes, sha256, error) VALUES ($1::uuid, $2, $3, $4, $5, $6, "
	    "$7::bigint, $8::bigint, $9::bigint, $10, $11)", &args, err);
}
