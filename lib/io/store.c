/* Batches into tables: see store.h. */
#include "io/store.h"

#include <limits.h>
#include <stdlib.h>

#include "io/pgarray.h"

/* What is kept of a column's memory between groups. */
#define KEEP_BYTES ((size_t)1024 * 1024)

/* Columns of events, then of dedup_keys, then of rejected_events. */
enum column {
	RECEIVED, EVENT_TIME, SITE, TYPE, SESSION, VISITOR, IP, AGENT, PAYLOAD,
	N_PLAIN,
	KEY_NO = N_PLAIN, KEY_SITE, KEY_BATCH,
	R_RECEIVED, R_SITE, R_IP, R_INDEX, R_SQLSTATE, R_REASON, R_PAYLOAD, R_KEY_NO,
	N_COLUMNS
};

static const enum mr_pg_type types[N_COLUMNS] = {
	[RECEIVED] = MR_PG_TIMESTAMPTZ, [EVENT_TIME] = MR_PG_TIMESTAMPTZ, [SITE] = MR_PG_TEXT,
	[TYPE] = MR_PG_TEXT, [SESSION] = MR_PG_TEXT, [VISITOR] = MR_PG_TEXT, [IP] = MR_PG_INET,
	[AGENT] = MR_PG_TEXT, [PAYLOAD] = MR_PG_TEXT, [KEY_NO] = MR_PG_INT4,
	[KEY_SITE] = MR_PG_TEXT, [KEY_BATCH] = MR_PG_TEXT, [R_RECEIVED] = MR_PG_TIMESTAMPTZ,
	[R_SITE] = MR_PG_TEXT, [R_IP] = MR_PG_INET, [R_INDEX] = MR_PG_INT8,
	[R_SQLSTATE] = MR_PG_TEXT, [R_REASON] = MR_PG_TEXT, [R_PAYLOAD] = MR_PG_BYTEA, [R_KEY_NO] = MR_PG_INT4,
};

#define EVENT_COLUMNS "received_at, event_time, site_id, event_type, session_id, visitor_id, " \
	"client_ip, user_agent, payload"
#define REJECT_COLUMNS \
	"received_at, site_id, client_ip, event_index, sqlstate, reason, payload"

/* Asked for once in a statement; the column's default would ask for each row. */
#define XID "(SELECT pg_current_xact_id()::text::bigint)"

/*
 * JSON comes as text and is cast row by row: as an array of jsonb, all of it
 * would be read into memory before the first row is stored.
 *
 * unnest() stands in the list of results, where it streams; as a table it would
 * first copy each array into a store of its own, a tenth of the time.
 */
#define EVENT_VALUES "unnest($1::timestamptz[]) AS received_at, " \
	"unnest($2::timestamptz[]) AS event_time, unnest($3::text[]) AS site_id, " \
	"unnest($4::text[]) AS event_type, unnest($5::text[]) AS session_id, " \
	"unnest($6::text[]) AS visitor_id, unnest($7::inet[]) AS client_ip, " \
	"unnest($8::text[]) AS user_agent, unnest($9::text[])::jsonb AS payload"

/* key_no counts the keys of the group from 1; it is NULL for rows without. */
const char *const mr_store_statements[] = {
	/* PLAIN */
	"INSERT INTO events (" EVENT_COLUMNS ", ingest_xid) SELECT " EVENT_VALUES ", " XID,
	/* FULL: the keys in one order everywhere, so that two workers cannot deadlock */
	"WITH given AS MATERIALIZED ("
	"SELECT * FROM unnest($11::text[], $12::text[]) WITH ORDINALITY "
	"AS u (site_id, batch_id, key_no)), "
	"made AS (INSERT INTO dedup_keys (site_id, batch_id) "
	"SELECT site_id, batch_id FROM given ORDER BY site_id, batch_id "
	"ON CONFLICT DO NOTHING RETURNING site_id, batch_id), "
	"fresh AS MATERIALIZED (SELECT key_no::integer AS key_no FROM given "
	"JOIN made USING (site_id, batch_id)), "
	"stored AS (INSERT INTO events (" EVENT_COLUMNS ", ingest_xid) "
	"SELECT " EVENT_COLUMNS ", " XID " "
	"FROM (SELECT " EVENT_VALUES ", unnest($10::integer[]) AS key_no) AS u "
	"WHERE key_no IS NULL OR key_no IN (SELECT key_no FROM fresh)), "
	"refused AS (INSERT INTO rejected_events "
	"(" REJECT_COLUMNS ") SELECT " REJECT_COLUMNS " "
	"FROM unnest($13::timestamptz[], $14::text[], $15::inet[], $16::bigint[], $17::text[], "
	"$18::text[], $19::bytea[], $20::integer[]) AS u (" REJECT_COLUMNS ", key_no) "
	"WHERE key_no IS NULL OR key_no IN (SELECT key_no FROM fresh)) "
	"SELECT key_no FROM fresh",
};
enum { PLAIN, FULL };
const int mr_store_n_statements = sizeof mr_store_statements / sizeof mr_store_statements[0];

struct mr_store {
	struct mr_pgarray columns[N_COLUMNS];
	struct mr_db_param params[N_COLUMNS];
};

struct mr_store *
mr_store_new(size_t max_bytes)
{
	struct mr_store *store = calloc(1, sizeof *store);

	if (store == NULL)
		return NULL;
	for (int c = 0; c < N_COLUMNS; c++)
		mr_pgarray_init(&store->columns[c], types[c], max_bytes);
	return store;
}

void
mr_store_free(struct mr_store *store)
{
	if (store == NULL)
		return;
	for (int c = 0; c < N_COLUMNS; c++)
		mr_pgarray_free(&store->columns[c]);
	free(store);
}

static void
add_event(struct mr_store *store, const struct mr_event *e)
{
	struct mr_pgarray *c = store->columns;

	mr_pgarray_add_time(&c[RECEIVED], e->received_us);
	mr_pgarray_add_time(&c[EVENT_TIME], e->event_us);
	mr_pgarray_add_str(&c[SITE], e->site_id);
	mr_pgarray_add_str(&c[TYPE], e->event_type);
	mr_pgarray_add_str(&c[SESSION], e->session_id);
	mr_pgarray_add_str(&c[VISITOR], e->visitor_id);
	mr_pgarray_add_inet(&c[IP], &e->client_ip);
	mr_pgarray_add_str(&c[AGENT], e->user_agent);
	mr_pgarray_add_str(&c[PAYLOAD], e->payload);
}

static void
add_key_no(struct mr_pgarray *column, int32_t key_no)
{
	if (key_no > 0)
		mr_pgarray_add_int4(column, key_no);
	else
		mr_pgarray_add_null(column);
}

/* A refused event has the site and address of its batch. */
static void
add_reject(struct mr_store *store, const struct mr_batch *batch, const struct mr_reject *r,
    int32_t key_no)
{
	struct mr_pgarray *c = store->columns;
	const struct mr_event *envelope = &batch->rows[0];

	mr_pgarray_add_time(&c[R_RECEIVED], envelope->received_us);
	mr_pgarray_add_str(&c[R_SITE], envelope->site_id);
	mr_pgarray_add_inet(&c[R_IP], &envelope->client_ip);
	mr_pgarray_add_int8(&c[R_INDEX], r->index);
	mr_pgarray_add_str(&c[R_SQLSTATE], r->sqlstate);
	mr_pgarray_add_str(&c[R_REASON], r->reason);
	mr_pgarray_add_str(&c[R_PAYLOAD], r->payload);
	add_key_no(&c[R_KEY_NO], key_no);
}

static void
add_extras(struct mr_store *store, const struct mr_batch *batch, int32_t *n_keys)
{
	int32_t key_no = 0;

	if (batch->batch_id.p != NULL) {
		key_no = ++*n_keys;
		mr_pgarray_add_str(&store->columns[KEY_SITE], batch->rows[0].site_id);
		mr_pgarray_add_str(&store->columns[KEY_BATCH], batch->batch_id);
	}
	for (size_t i = 0; i < batch->n_rows; i++)
		add_key_no(&store->columns[KEY_NO], key_no);
	for (size_t i = 0; i < batch->n_rejects; i++)
		add_reject(store, batch, &batch->rejects[i], key_no);
}

/* Fills the first n_columns columns; false when there was no room or memory. */
static bool
fill(struct mr_store *store, const struct mr_batch *const *batches, size_t n, int n_columns)
{
	int32_t n_keys = 0;

	for (int c = 0; c < n_columns; c++)
		mr_pgarray_begin(&store->columns[c], KEEP_BYTES);
	for (size_t b = 0; b < n; b++) {
		for (size_t i = 0; i < batches[b]->n_rows; i++)
			add_event(store, &batches[b]->rows[i]);
		if (n_columns > N_PLAIN)
			add_extras(store, batches[b], &n_keys);
	}
	for (int c = 0; c < n_columns; c++) {
		struct mr_str bytes = mr_pgarray_end(&store->columns[c]);

		if (bytes.p == NULL || bytes.n > INT_MAX)
			return false;
		store->params[c] = (struct mr_db_param){ bytes.p, (int)bytes.n };
	}
	return true;
}

static bool
is_plain(const struct mr_batch *const *batches, size_t n)
{
	for (size_t b = 0; b < n; b++)
		if (batches[b]->batch_id.p != NULL || batches[b]->n_rejects > 0)
			return false;
	return true;
}

/* The rows name the keys that are new; every other key was stored before. */
static void
find_duplicates(const struct mr_db_rows *rows, const struct mr_batch *const *batches, size_t n,
    bool *duplicate)
{
	long key_no = 0;

	for (size_t b = 0; b < n; b++) {
		if (batches[b]->batch_id.p == NULL)
			continue;
		key_no++;
		duplicate[b] = true;
		for (int r = 0; r < mr_db_n_rows(rows); r++)
			if (strtol(mr_db_value(rows, r, 0).p, NULL, 10) == key_no)
				duplicate[b] = false;
	}
}

enum mr_db_class
mr_store_group(struct mr_store *store, struct mr_db *db, const struct mr_batch *const *batches,
    size_t n, bool *duplicate, struct mr_error *err)
{
	bool plain = is_plain(batches, n);
	int n_columns = plain ? N_PLAIN : N_COLUMNS;
	struct mr_db_rows *rows;
	enum mr_db_class class;

	for (size_t b = 0; b < n; b++)
		duplicate[b] = false;
	if (!fill(store, batches, n, n_columns)) {
		(void)mr_fail(err, MR_ENOMEM, "no memory for a group of %zu requests", n);
		return MR_DB_UNAVAILABLE;
	}
	class = mr_db_execute(db, plain ? PLAIN : FULL, store->params, n_columns, &rows, err);
	if (class == MR_DB_OK && !plain)
		find_duplicates(rows, batches, n, duplicate);
	mr_db_rows_free(rows);
	return class;
}

int
mr_store_plain_params(struct mr_store *store, const struct mr_batch *const *batches, size_t n,
    const struct mr_db_param **params)
{
	if (!fill(store, batches, n, N_PLAIN))
		return 0;
	*params = store->params;
	return N_PLAIN;
}
