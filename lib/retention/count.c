/* Counting: see count.h. */
#include "retention/count.h"

#include <stdio.h>

#include "db/query.h"
#include "retention/claims.h"

#define SQL_MAX 4096

/*
 * Bounds stand in the statement as they are, and not as parameters, so that no other partition
 * is even opened. Name and bounds are PostgreSQL's own texts, without quotes in them.
 */
#define COUNT "WITH p AS (SELECT site_id, count(*) AS rows, min(ingest_xid) AS min_xid, " \
	"max(ingest_xid) AS max_xid FROM events WHERE created_at >= '%.*s' AND created_at < '%.*s' " \
	"GROUP BY site_id), " \
	"k AS (INSERT INTO events_counted (partition, system_identifier, rows, max_xid, " \
	"snapshot) " \
	"SELECT $1, system_identifier, (SELECT coalesce(sum(rows), 0) FROM p), " \
	"(SELECT coalesce(max(max_xid), 0) FROM p), pg_current_snapshot() FROM pg_control_system()) " \
	"INSERT INTO events_counted_sites (partition, site_id, rows, min_xid, max_xid) " \
	"SELECT $1, CASE WHEN few.are OR site_id IN (SELECT jsonb_array_elements_text(c -> 'sites') " \
	"FROM jsonb_array_elements($2::jsonb) c WHERE c ? 'sites') THEN site_id END, sum(rows), " \
	"min(min_xid), max(max_xid) FROM p, (SELECT count(*) <= 1000 AS are FROM p) AS few GROUP BY 2"

static enum mr_err
count(struct mr_db *db, const struct mr_span *span, const char *clients, struct mr_error *err)
{
	char sql[SQL_MAX], name[64];
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e;

	(void)snprintf(name, sizeof name, "%.*s", (int)span->name.n, span->name.p);
	(void)snprintf(sql, sizeof sql, COUNT, (int)span->low.n, span->low.p, (int)span->high.n,
	    span->high.p);
	mr_db_arg_text(&args, name);
	/* Whoever is killed in between leaves it uncounted. */
	if ((e = mr_db_tell(db, "DELETE FROM events_counted WHERE partition = $1", &args, err)) != MR_OK)
		return e;
	mr_db_arg_text(&args, clients);
	return mr_db_tell(db, sql, &args, err);
}

enum mr_err
mr_count_span(struct mr_db *db, const struct mr_conf *conf, const struct mr_span *span,
    struct mr_error *err)
{
	struct mr_buf clients;
	enum mr_err e;

	mr_buf_init(&clients, MR_CLAIMS_MAX_BYTES);
	e = mr_claims_put_clients(&clients, conf) ? count(db, span, clients.p, err) :
	    mr_fail(err, MR_ENOMEM, "no memory");
	mr_buf_free(&clients);
	return e;
}

enum mr_err
mr_count_forget(struct mr_db *db, struct mr_error *err)
{
	return mr_db_tell(db, "DELETE FROM events_counted k WHERE NOT EXISTS (SELECT FROM "
	    "events_partitions p WHERE p.name = k.partition)", NULL, err);
}
