/* Batches into tables: see store.h. */
#include "ingest/store.h"

#include <limits.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/pgarray.h"
#include "db/query.h"
#include "format/batch.h"
#include "secret/secret.h"

/* What is kept of a column's memory between groups. */
#define KEEP_BYTES ((size_t)1024 * 1024)

/* Columns of events, then of dedup_keys and message_keys, then of rejected_events. */
enum column {
	RECEIVED, EVENT_TIME, SITE, TYPE, SESSION, VISITOR, IP, AGENT, PAYLOAD,
	N_PLAIN,
	KEY_SITE = N_PLAIN, KEY_BATCH,
	N_KEYED,
	KEY_REFUSALS = N_KEYED, KEY_NO, MESSAGE,
	R_RECEIVED, R_SITE, R_IP, R_INDEX, R_SQLSTATE, R_REASON, R_PAYLOAD, R_KEY_NO,
	N_COLUMNS
};
/* Behind the columns: the ledger's. */
enum { GROUP_ID, INSTANCE, EVENTS, FREE_REFUSALS, N_LEDGER };
enum { N_SHORT_LEDGER = FREE_REFUSALS };

static const enum mr_pg_type types[N_COLUMNS] = {
	[RECEIVED] = MR_PG_TIMESTAMPTZ, [EVENT_TIME] = MR_PG_TIMESTAMPTZ, [SITE] = MR_PG_TEXT,
	[TYPE] = MR_PG_TEXT, [SESSION] = MR_PG_TEXT, [VISITOR] = MR_PG_TEXT, [IP] = MR_PG_INET,
	[AGENT] = MR_PG_TEXT, [PAYLOAD] = MR_PG_TEXT, [KEY_SITE] = MR_PG_TEXT,
	[KEY_BATCH] = MR_PG_TEXT, [KEY_REFUSALS] = MR_PG_INT4, [KEY_NO] = MR_PG_INT4,
	[MESSAGE] = MR_PG_UUID, [R_RECEIVED] = MR_PG_TIMESTAMPTZ, [R_SITE] = MR_PG_TEXT,
	[R_IP] = MR_PG_INET, [R_INDEX] = MR_PG_INT8, [R_SQLSTATE] = MR_PG_TEXT,
	[R_REASON] = MR_PG_TEXT, [R_PAYLOAD] = MR_PG_BYTEA, [R_KEY_NO] = MR_PG_INT4,
};

#define EVENT_COLUMNS "received_at, event_time, site_id, event_type, session_id, visitor_id, " \
	"client_ip, user_agent, payload"
#define REJECT_COLUMNS \
	"received_at, site_id, client_ip, event_index, sqlstate, reason, payload"

/* Asked for once in a statement; the column's default would ask for each row. */
#define XID "(SELECT pg_current_xact_id()::text::bigint)"

/*
 * JSON comes as text and is checked row by row: as an array of json, all of it
 * would be before the first row is stored.
 *
 * unnest() stands in the list of results, where it streams; as a table it would
 * first copy each array into a store of its own, a tenth of the time.
 */
#define EVENT_VALUES "unnest($1::timestamptz[]) AS received_at, " \
	"unnest($2::timestamptz[]) AS event_time, unnest($3::text[]) AS site_id, " \
	"unnest($4::text[]) AS event_type, unnest($5::text[]) AS session_id, " \
	"unnest($6::text[]) AS visitor_id, unnest($7::inet[]) AS client_ip, " \
	"unnest($8::text[]) AS user_agent, unnest($9::text[])::json AS payload"

#define PLAIN_INSERT "INSERT INTO events (" EVENT_COLUMNS ", ingest_xid) " \
	"SELECT " EVENT_VALUES ", " XID

/* That of the table's index. */
#define KEY_ORDER "ORDER BY batch_id COLLATE \"C\", site_id COLLATE \"C\""

#define LEDGER_INSERT "INSERT INTO ingest_groups (group_id, instance, stored, duplicate, rejected) "

const char mr_store_without_ledger[] = PLAIN_INSERT;

/*
 * The rows of the ledger are the gate: whoever inserts the group stores it.
 * Another one that tries at the same time waits for the outcome of the first.
 *
 * key_no counts the keys of the group from 1; it is NULL for rows without. row_no
 * counts its rows from 1.
 */
const char *const mr_store_statements[] = {
	/* PLAIN */
	"WITH gate AS (" LEDGER_INSERT "VALUES ($10::uuid, $11::uuid, $12::integer, 0, 0) "
	"ON CONFLICT DO NOTHING RETURNING 1) "
	PLAIN_INSERT " WHERE EXISTS (SELECT FROM gate)",
	/*
	 * KEYED: all of it when none of its keys exists, else nothing, as when the group
	 * is known. Anybody may bring a batchId under any number of sites, so that the index
	 * is searched for both; LIMIT keeps that to one search for each key given, whatever
	 * the planner believes.
	 */
	"WITH made AS (INSERT INTO dedup_keys (site_id, batch_id) "
	"SELECT site_id, batch_id FROM unnest($10::text[], $11::text[]) AS u (site_id, batch_id) "
	"WHERE NOT EXISTS (SELECT FROM unnest($10::text[], $11::text[]) AS g (site_id, batch_id), "
	"LATERAL (SELECT FROM dedup_keys AS d "
	"WHERE d.batch_id = g.batch_id AND d.site_id = g.site_id LIMIT 1) AS known) "
	KEY_ORDER " RETURNING 1), "
	"gate AS (" LEDGER_INSERT "SELECT $12::uuid, $13::uuid, $14::integer, 0, 0 "
	"FROM made HAVING count(*) > 0 ON CONFLICT DO NOTHING RETURNING 1) "
	PLAIN_INSERT " WHERE EXISTS (SELECT FROM gate)",
	/*
	 * FULL: the keys in one order everywhere, those of messages last, so that two
	 * workers cannot deadlock. They come before the gate, which counts by them: those
	 * of a group that is known exist all. Of the rows with a messageId, the first in
	 * a batch that is no duplicate is stored; what is left out of those is repeated.
	 * NOT IN is a look-up in a hash, whatever the planner believes.
	 */
	"WITH given AS MATERIALIZED ("
	"SELECT * FROM unnest($10::text[], $11::text[], $12::integer[]) "
	"WITH ORDINALITY AS u (site_id, batch_id, n_refusals, key_no)), "
	"made AS (INSERT INTO dedup_keys (site_id, batch_id) "
	"SELECT site_id, batch_id FROM given " KEY_ORDER
	" ON CONFLICT DO NOTHING RETURNING site_id, batch_id), "
	"fresh AS MATERIALIZED (SELECT key_no::integer AS key_no, n_refusals "
	"FROM given JOIN made USING (site_id, batch_id)), "
	"new AS MATERIALIZED (SELECT row_no, message_key "
	"FROM unnest($13::integer[], $14::uuid[]) WITH ORDINALITY AS u (key_no, message_key, row_no) "
	"WHERE key_no IS NULL OR key_no IN (SELECT key_no FROM fresh)), "
	"first AS MATERIALIZED (SELECT DISTINCT ON (message_key) row_no, message_key FROM new "
	"WHERE message_key IS NOT NULL AND (SELECT count(*) FROM fresh) >= 0 "
	"ORDER BY message_key, row_no), "
	"noted AS (INSERT INTO message_keys (message_key) SELECT message_key FROM first "
	"ORDER BY message_key ON CONFLICT DO NOTHING RETURNING message_key), "
	"repeated AS MATERIALIZED (SELECT row_no FROM new WHERE message_key IS NOT NULL AND "
	"(message_key NOT IN (SELECT message_key FROM noted) OR "
	"row_no NOT IN (SELECT row_no FROM first))), "
	"gate AS (" LEDGER_INSERT
	"SELECT $23::uuid, $24::uuid, n_rows, $25::integer - n_rows - n_refusals, n_refusals "
	"FROM (SELECT ((SELECT count(*) FROM new) - (SELECT count(*) FROM repeated))::integer "
	"AS n_rows, (SELECT $26::integer + coalesce(sum(n_refusals), 0)::integer FROM fresh) "
	"AS n_refusals) AS kept ON CONFLICT DO NOTHING RETURNING 1), "
	"stored AS (INSERT INTO events (" EVENT_COLUMNS ", ingest_xid) "
	"SELECT " EVENT_COLUMNS ", " XID " "
	"FROM (SELECT " EVENT_VALUES ", unnest($13::integer[]) AS key_no, "
	"generate_series(1::bigint, cardinality($13::integer[])) AS row_no) AS u "
	"WHERE (key_no IS NULL OR key_no IN (SELECT key_no FROM fresh)) "
	"AND row_no NOT IN (SELECT row_no FROM repeated) AND EXISTS (SELECT FROM gate)), "
	"refused AS (INSERT INTO rejected_events "
	"(" REJECT_COLUMNS ") SELECT " REJECT_COLUMNS " "
	"FROM unnest($15::timestamptz[], $16::text[], $17::inet[], $18::bigint[], $19::text[], "
	"$20::text[], $21::bytea[], $22::integer[]) AS u (" REJECT_COLUMNS ", key_no) "
	"WHERE (key_no IS NULL OR key_no IN (SELECT key_no FROM fresh)) "
	"AND EXISTS (SELECT FROM gate)) "
	"SELECT 0 AS n FROM gate UNION ALL SELECT key_no FROM fresh "
	"UNION ALL SELECT -row_no::integer FROM repeated ORDER BY n DESC",
};
enum { PLAIN, KEYED, FULL };
const int mr_store_n_statements = sizeof mr_store_statements / sizeof mr_store_statements[0];

/*
 * $1: the limit by our clock, $2: milliseconds to keep by the database's; a clock
 * that is wrong must not empty the ledger. At a time few enough that nobody waits
 * long for it, more than a writer adds meanwhile.
 */
#define DB_LIMIT "rpad(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - $2::bigint), " \
	"12, '0'), 32, '0')::uuid"
#define PURGE "WITH old AS (" \
	"DELETE FROM ingest_groups WHERE group_id IN (SELECT group_id FROM ingest_groups " \
	"WHERE group_id < least($1::uuid, " DB_LIMIT ") ORDER BY group_id LIMIT 2000) " \
	"RETURNING instance, stored, duplicate, rejected), " \
	"folded AS (INSERT INTO ingest_totals AS t (instance, stored, duplicate, rejected) " \
	"SELECT instance, sum(stored), sum(duplicate), sum(rejected) FROM old " \
	"GROUP BY instance ORDER BY instance ON CONFLICT (instance) DO UPDATE SET " \
	"stored = t.stored + excluded.stored, duplicate = t.duplicate + excluded.duplicate, " \
	"rejected = t.rejected + excluded.rejected) " \
	"SELECT count(*) FROM old"

struct mr_store {
	struct mr_pgarray columns[N_COLUMNS];
	uint8_t instance[MR_UUID_BYTES];
	/* Big-endian: of all rows and refusals, and of refusals in batches without a key. */
	uint8_t events[4], free_refusals[4];
	struct mr_db_param params[N_COLUMNS + N_LEDGER];
};

struct mr_store *
mr_store_new(size_t max_bytes, const uint8_t *instance)
{
	struct mr_store *store = calloc(1, sizeof *store);

	if (store == NULL)
		return NULL;
	if (instance != NULL)
		memcpy(store->instance, instance, MR_UUID_BYTES);
	for (int c = 0; c < N_COLUMNS; c++)
		mr_pgarray_init(&store->columns[c], types[c], max_bytes);
	return store;
}

void
mr_store_set_instance(struct mr_store *store, const uint8_t instance[MR_UUID_BYTES])
{
	memcpy(store->instance, instance, MR_UUID_BYTES);
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

	mr_pgarray_add_time(&c[R_RECEIVED], batch->received_us);
	mr_pgarray_add_str(&c[R_SITE], batch->site_id);
	mr_pgarray_add_inet(&c[R_IP], &batch->client_ip);
	mr_pgarray_add_int8(&c[R_INDEX], r->index);
	mr_pgarray_add_str(&c[R_SQLSTATE], r->sqlstate);
	mr_pgarray_add_str(&c[R_REASON], r->reason);
	mr_pgarray_add_str(&c[R_PAYLOAD], r->payload);
	add_key_no(&c[R_KEY_NO], key_no);
}

static void
add_key(struct mr_store *store, const struct mr_batch *batch)
{
	if (batch->batch_id.p == NULL)
		return;
	mr_pgarray_add_str(&store->columns[KEY_SITE], batch->site_id);
	mr_pgarray_add_str(&store->columns[KEY_BATCH], batch->batch_id);
}

/* Where a text ends is said, so that no two pairs have the same bytes. */
static void
message_key(const struct mr_event *e, uint8_t key[MR_SHA256_BYTES])
{
	struct mr_sha256 hash;

	mr_sha256_init(&hash);
	mr_sha256_add(&hash, e->site_id.p, e->site_id.n);
	mr_sha256_add(&hash, "", 1);
	mr_sha256_add(&hash, e->message_id.p, e->message_id.n);
	mr_sha256_final(&hash, key);
}

static void
add_message_key(struct mr_store *store, const struct mr_event *e, bool trial)
{
	uint8_t key[MR_SHA256_BYTES];

	if (e->message_id.p == NULL || trial) {
		mr_pgarray_add_null(&store->columns[MESSAGE]);
		return;
	}
	message_key(e, key);
	mr_pgarray_add_str(&store->columns[MESSAGE],
	    (struct mr_str){ (const char *)key, MR_UUID_BYTES });
}

/* What FULL has beside the key. */
static void
add_extras(struct mr_store *store, const struct mr_batch *batch, bool trial, int32_t *n_keys)
{
	size_t kept = mr_event_kept_rejects(batch);
	int32_t key_no = 0;

	if (batch->batch_id.p != NULL) {
		key_no = ++*n_keys;
		mr_pgarray_add_int4(&store->columns[KEY_REFUSALS], (int32_t)batch->n_rejects);
	}
	for (size_t i = 0; i < batch->n_rows; i++) {
		add_key_no(&store->columns[KEY_NO], key_no);
		add_message_key(store, &batch->rows[i], trial);
	}
	for (size_t i = 0; i < kept; i++)
		add_reject(store, batch, &batch->rejects[i], key_no);
}

static void
put_be32(uint8_t to[4], size_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The ledger's parameters, from params[at] on. */
static void
fill_ledger(struct mr_store *store, const struct mr_group *group, int at)
{
	struct mr_db_param *p = store->params + at;
	size_t events = 0, refusals = 0;

	for (size_t b = 0; b < group->n; b++) {
		const struct mr_batch *batch = group->batches[b];

		events += batch->n_rows + batch->n_rejects;
		refusals += batch->batch_id.p == NULL ? batch->n_rejects : 0;
	}
	put_be32(store->events, events);
	put_be32(store->free_refusals, refusals);
	p[GROUP_ID] = (struct mr_db_param){ group->id, MR_UUID_BYTES };
	p[INSTANCE] = (struct mr_db_param){ store->instance, MR_UUID_BYTES };
	p[EVENTS] = (struct mr_db_param){ store->events, 4 };
	p[FREE_REFUSALS] = (struct mr_db_param){ store->free_refusals, 4 };
}

/* Fills the first n_columns columns; false when there was no room or memory. */
static bool
fill(struct mr_store *store, const struct mr_group *group, int n_columns)
{
	int32_t n_keys = 0;

	for (int c = 0; c < n_columns; c++)
		mr_pgarray_begin(&store->columns[c], KEEP_BYTES);
	for (size_t b = 0; b < group->n; b++) {
		for (size_t i = 0; i < group->batches[b]->n_rows; i++)
			add_event(store, &group->batches[b]->rows[i]);
		if (n_columns >= N_KEYED)
			add_key(store, group->batches[b]);
		if (n_columns == N_COLUMNS)
			add_extras(store, group->batches[b], group->trial, &n_keys);
	}
	for (int c = 0; c < n_columns; c++) {
		struct mr_str bytes = mr_pgarray_end(&store->columns[c]);

		if (bytes.p == NULL || bytes.n > INT_MAX)
			return false;
		store->params[c] = (struct mr_db_param){ bytes.p, (int)bytes.n };
	}
	fill_ledger(store, group, n_columns);
	return true;
}

/* The shortest statement that has all that the group brings. */
static int
statement_of(const struct mr_group *group)
{
	int statement = PLAIN;

	for (size_t b = 0; b < group->n; b++) {
		if (group->batches[b]->n_rejects > 0 ||
		    (!group->trial && mr_batch_has_message_ids(group->batches[b])))
			return FULL;
		if (group->batches[b]->batch_id.p != NULL)
			statement = KEYED;
	}
	return statement;
}

/* Whether the number, which is not negative, is among those, which descend. */
static bool
has_number(const struct mr_db_rows *rows, long number)
{
	for (int r = 0; r < mr_db_n_rows(rows) && mr_db_int(rows, r, 0) >= number; r++)
		if (mr_db_int(rows, r, 0) == number)
			return true;
	return false;
}

/* Counts the negative numbers, which are those of rows, for the batches that have them. */
static void
count_repeated(const struct mr_db_rows *rows, struct mr_group *group)
{
	int64_t last = 0; /* row of the batch */
	size_t b = 0;

	for (int r = 0; r < mr_db_n_rows(rows); r++) {
		int64_t row_no = -mr_db_int(rows, r, 0);

		if (row_no <= 0)
			continue;
		while (row_no > last + (int64_t)group->batches[b]->n_rows)
			last += (int64_t)group->batches[b++]->n_rows;
		group->repeated[b]++;
	}
}

/* The numbers are the keys that are new, 0 when the group is, and rows that are repeated. */
static void
read_result(const struct mr_db_rows *rows, struct mr_group *group)
{
	long key_no = 0;

	group->known = !has_number(rows, 0);
	if (group->known)
		return;
	for (size_t b = 0; b < group->n; b++)
		if (group->batches[b]->batch_id.p != NULL)
			group->duplicate[b] = !has_number(rows, ++key_no);
	count_repeated(rows, group);
}

static enum mr_db_class
execute(struct mr_store *store, struct mr_db *db, const struct mr_group *group, int statement,
    struct mr_db_rows **rows, struct mr_error *err)
{
	static const int n_columns[] = { [PLAIN] = N_PLAIN, [KEYED] = N_KEYED,
		[FULL] = N_COLUMNS };
	int n = n_columns[statement] + (statement == FULL ? N_LEDGER : N_SHORT_LEDGER);

	*rows = NULL;
	if (fill(store, group, n_columns[statement]))
		return mr_db_execute(db, statement, store->params, n, rows, err);
	(void)mr_fail(err, MR_ENOMEM, "no memory for a group of %zu requests", group->n);
	return MR_DB_UNAVAILABLE;
}

enum mr_db_class
mr_store_group(struct mr_store *store, struct mr_db *db, struct mr_group *group,
    struct mr_error *err)
{
	int statement = statement_of(group);
	struct mr_db_rows *rows;
	enum mr_db_class class;

	group->known = false;
	for (size_t b = 0; b < group->n; b++) {
		group->duplicate[b] = false;
		group->repeated[b] = 0;
	}
	class = execute(store, db, group, statement, &rows, err);
	/* Another one may have stored a key meanwhile, which is an error in KEYED. */
	if (statement == KEYED && class != MR_DB_UNAVAILABLE && class != MR_DB_UNKNOWN &&
	    (class != MR_DB_OK || mr_db_n_changed(rows) == 0)) {
		mr_db_rows_free(rows);
		statement = FULL;
		class = execute(store, db, group, statement, &rows, err);
	}
	if (class == MR_DB_OK && statement == PLAIN)
		group->known = mr_db_n_changed(rows) == 0;
	else if (class == MR_DB_OK && statement == FULL)
		read_result(rows, group);
	mr_db_rows_free(rows);
	return class;
}

enum mr_db_class
mr_store_purge(struct mr_db *db, int64_t keep_us, long *removed, struct mr_error *err)
{
	uint8_t least[MR_UUID_BYTES];
	struct mr_db_args args = MR_DB_ARGS_INIT;
	char text[MR_UUID_TEXT];
	struct mr_db_rows *rows;
	enum mr_db_class class;

	mr_uuid_least(least, mr_clock_now_us() - keep_us);
	mr_uuid_format(least, text);
	mr_db_arg_text(&args, text);
	mr_db_arg_int(&args, keep_us / 1000);
	class = mr_db_query(db, PURGE, args.values, args.n, &rows, err);
	*removed = class == MR_DB_OK ? (long)mr_db_int(rows, 0, 0) : 0;
	mr_db_rows_free(rows);
	return class;
}

_Static_assert(MR_STORE_PLAIN_ID == N_PLAIN + GROUP_ID, "the id's place");

int
mr_store_plain_params(struct mr_store *store, const struct mr_group *group,
    const struct mr_db_param **params)
{
	if (!fill(store, group, N_PLAIN))
		return 0;
	*params = store->params;
	return N_PLAIN + N_SHORT_LEDGER;
}
