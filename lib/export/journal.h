/*
 * What a run says: complaints, to standard error and to the log, of which the first is
 * remembered; the progress bar that they must not be written into; and the audit trail, a
 * line in the log and a row in export_audit for each batch and destination.
 */
#ifndef MR_EXPORT_JOURNAL_H
#define MR_EXPORT_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"
#include "export/progress.h"
#include "export/runs.h"

/* Belongs to one run. */
struct mr_journal {
	bool logs;                     /* the log is not standard error: it has complaints, too */
	struct mr_progress progress;
	struct mr_error first_failure; /* code MR_OK: none so far */
};

/* log: where the log goes, as configured; bar: whether progress is shown. */
void mr_journal_init(struct mr_journal *journal, const char *log, bool bar);

/* One line, which is *err's text. */
void mr_journal_complain(struct mr_journal *journal, const struct mr_error *err);

/* One batch at one destination. Texts need to live during the call only. */
struct mr_audit_entry {
	const char *client;
	const char *destination;
	const char *url;
	const char *batch;
	int64_t objects, rows, bytes;
	const char *sha256;         /* of the manifest; NULL when it failed */
	const struct mr_error *why; /* NULL: it succeeded */
};

/* Errors: as mr_db_tell(). */
enum mr_err mr_journal_audit(struct mr_db *db, const struct mr_run *run,
    const struct mr_audit_entry *entry, struct mr_error *err);

#endif
