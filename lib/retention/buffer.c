/* How large the buffer is: see buffer.h. */
#include "retention/buffer.h"

#include "db/query.h"

static const char *const names[MR_BUFFER_AGES] = { [MR_BUFFER_OPEN] = "open",
	[MR_BUFFER_DAY] = "day", [MR_BUFFER_OLDER] = "older", [MR_BUFFER_DEFAULT] = "default" };

/*
 * A row for each age, in their order. A partition that has grown since it was analyzed has
 * more rows in proportion; one that never was has as many for its bytes as the others, and
 * where there are no others, 400 bytes are taken for one.
 */
static const char sizes_sql[] =
    "WITH t AS (SELECT p.partition AS oid, CASE WHEN p.high > now() THEN 0 WHEN p.high > now() - "
    "interval '1 day' THEN 1 ELSE 2 END AS age, k.rows AS counted FROM events_partitions p "
    "LEFT JOIN events_counted k ON k.partition = p.name UNION ALL "
    "SELECT 'events_default'::regclass, 3, NULL), "
    "z AS MATERIALIZED (SELECT t.age, pg_total_relation_size(t.oid) AS bytes, CASE WHEN "
    "counted IS NOT NULL THEN counted WHEN pg_relation_size(t.oid) = 0 THEN 0 "
    "WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages * "
    "(pg_relation_size(t.oid) / current_setting('block_size')::integer) END AS events "
    "FROM t JOIN pg_class c USING (oid)) "
    "SELECT count(z.age), coalesce(sum(z.bytes), 0)::bigint, "
    "coalesce(sum(coalesce(z.events, z.bytes * d.density)), 0)::bigint "
    "FROM generate_series(0, 3) a LEFT JOIN z ON z.age = a, "
    "(SELECT coalesce(sum(events) / nullif(sum(bytes), 0), 1 / 400.0) AS density FROM z "
    "WHERE events > 0) d GROUP BY a ORDER BY a";

const char *
mr_buffer_age_name(enum mr_buffer_age age)
{
	return names[age];
}

enum mr_err
mr_buffer_load(struct mr_db *db, const struct mr_conf *conf, struct mr_buffer_state *state,
    struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e;

	*state = (struct mr_buffer_state){ .holders = { .items = NULL } };
	if ((e = mr_db_ask(db, sizes_sql, NULL, &rows, err)) != MR_OK)
		return e;
	for (int i = 0; i < MR_BUFFER_AGES; i++)
		state->classes[i] = (struct mr_buffer_class){ .partitions = mr_db_int(rows, i, 0),
			.bytes = mr_db_int(rows, i, 1), .events = mr_db_int(rows, i, 2) };
	mr_db_rows_free(rows);
	return mr_holders_load(db, conf, &state->holders, err);
}

void
mr_buffer_free(struct mr_buffer_state *state)
{
	mr_holders_free(&state->holders);
}
