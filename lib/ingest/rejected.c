/* The table rejected_events: see rejected.h. */
#include "ingest/rejected.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/ip.h"
#include "db/query.h"
#include "ingest/store.h"

#define SCRIPT_TIMEOUT_MS 10000
/* What one step reads, in rows and in bytes of payload; at least one row. */
#define STEP_ROWS 500
#define STEP_BYTES "4194304"

#define CHOICE "($1::text IS NULL OR site_id = $1) AND ($2::timestamptz IS NULL OR " \
	"received_at >= $2) AND ($3::bigint[] IS NULL OR id = ANY ($3))"

/* --- reading ---------------------------------------------------------------------- */

enum { ID, RECEIVED, SITE, IP, INDEX, SQLSTATE, REASON, PAYLOAD, RECEIVED_US };
#define READ_STEP "SELECT id, to_char(received_at AT TIME ZONE 'UTC', " \
	"'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), site_id, host(client_ip), event_index, sqlstate, " \
	"reason, encode(payload, 'hex'), (extract(epoch FROM received_at) * 1000000)::bigint " \
	"FROM (SELECT *, sum(octet_length(payload)) OVER (ORDER BY id) - octet_length(payload) " \
	"AS before FROM rejected_events WHERE " CHOICE " AND id > $4::bigint AND id <= $5::bigint " \
	"ORDER BY id LIMIT $6::bigint) AS step WHERE before < " STEP_BYTES " ORDER BY id"
#define LAST_ID "SELECT max(id) FROM rejected_events"

static void
add_choice(struct mr_db_args *args, const struct mr_rejected_choice *choice)
{
	mr_db_arg_text(args, choice->site);
	mr_db_arg_text(args, choice->since);
	mr_db_arg_text(args, choice->ids);
}

/* Those behind `behind` up to `last`, as many as a step has. */
static enum mr_err
read_step(struct mr_db *db, const struct mr_rejected_choice *choice, int64_t behind, int64_t last,
    int64_t limit, struct mr_db_rows **rows, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e = mr_db_ensure(db, err);

	if (e != MR_OK)
		return e;
	add_choice(&args, choice);
	mr_db_arg_int(&args, behind);
	mr_db_arg_int(&args, last);
	mr_db_arg_int(&args, limit < STEP_ROWS ? limit : STEP_ROWS);
	return mr_db_ask(db, READ_STEP, &args, rows, err);
}

static void
take_row(const struct mr_db_rows *rows, int row, struct mr_rejected *event)
{
	*event = (struct mr_rejected){
		.id = mr_db_int(rows, row, ID),
		.received_us = mr_db_int(rows, row, RECEIVED_US),
		.index = mr_db_int(rows, row, INDEX),
		.received = mr_db_value(rows, row, RECEIVED),
		.site = mr_db_value(rows, row, SITE),
		.ip = mr_db_value(rows, row, IP),
		.sqlstate = mr_db_value(rows, row, SQLSTATE),
		.reason = mr_db_value(rows, row, REASON),
		.payload = mr_db_value(rows, row, PAYLOAD),
	};
}

/* Later ones may be what a retry has made of earlier ones. */
static enum mr_err
last_id(struct mr_db *db, int64_t *last, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e;

	if ((e = mr_db_ensure(db, err)) != MR_OK ||
	    (e = mr_db_ask(db, LAST_ID, NULL, &rows, err)) != MR_OK)
		return e;
	*last = mr_db_int(rows, 0, 0);
	mr_db_rows_free(rows);
	return MR_OK;
}

enum mr_err
mr_rejected_each(struct mr_db *db, const struct mr_rejected_choice *choice,
    enum mr_err (*visit)(void *arg, const struct mr_rejected *event, struct mr_error *err),
    void *arg, struct mr_error *err)
{
	struct mr_rejected event = { .id = 0 };
	int64_t last = 0, left = choice->limit;
	struct mr_db_rows *rows = NULL;
	enum mr_err e = last_id(db, &last, err);
	int n;

	do {
		if (e != MR_OK || left <= 0 ||
		    (e = read_step(db, choice, event.id, last, left, &rows, err)) != MR_OK)
			return e;
		n = mr_db_n_rows(rows);
		for (int i = 0; i < n && e == MR_OK; i++) {
			take_row(rows, i, &event);
			e = visit(arg, &event, err);
		}
		mr_db_rows_free(rows);
		left -= n;
	} while (n > 0);
	return e;
}

/* --- deleting --------------------------------------------------------------------- */

#define DELETE_WHERE(choice, limit) "WITH gone AS (DELETE FROM rejected_events WHERE id IN " \
	"(SELECT id FROM rejected_events WHERE " choice " ORDER BY id LIMIT " limit ") RETURNING 1), " \
	"noted AS (INSERT INTO ingest_totals AS t (instance, stored, duplicate, rejected, deleted) " \
	"SELECT '00000000-0000-0000-0000-000000000000', 0, 0, 0, count(*) FROM gone " \
	"ON CONFLICT (instance) DO UPDATE SET deleted = t.deleted + excluded.deleted) " \
	"SELECT count(*) FROM gone"

static enum mr_err
delete_some(struct mr_db *db, const char *sql, const struct mr_db_args *args, int64_t *deleted,
    struct mr_error *err)
{
	enum mr_err e = mr_db_ensure(db, err);

	return e == MR_OK ? mr_db_ask_int(db, sql, args, deleted, err) : e;
}

enum mr_err
mr_rejected_forget(struct mr_db *db, int64_t older_s, int64_t most, int64_t *deleted,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_int(&args, older_s);
	mr_db_arg_int(&args, most);
	return delete_some(db, DELETE_WHERE("created_at < now() - $1::bigint * interval '1 second'",
	    "$2::bigint"), &args, deleted, err);
}

enum mr_err
mr_rejected_delete(struct mr_db *db, const struct mr_rejected_choice *choice, int64_t *deleted,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	add_choice(&args, choice);
	mr_db_arg_int(&args, choice->limit);
	return delete_some(db, DELETE_WHERE(CHOICE, "$4::bigint"), &args, deleted, err);
}

/* --- payloads --------------------------------------------------------------------- */

static unsigned
hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

enum mr_err
mr_rejected_bytes(const struct mr_rejected *event, struct mr_buf *to, struct mr_error *err)
{
	struct mr_str hex = event->payload;
	char *p;

	mr_buf_reset(to, to->max);
	if ((p = mr_buf_reserve(to, hex.n / 2)) == NULL)
		return mr_fail(err, MR_ENOMEM, "rejected event %" PRId64 ": no memory for its %zu "
		    "bytes", event->id, hex.n / 2);
	for (size_t i = 0; i + 1 < hex.n; i += 2)
		*p++ = (char)(hex_digit(hex.p[i]) << 4 | hex_digit(hex.p[i + 1]));
	to->len = hex.n / 2;
	return MR_OK;
}

/* --- trying again ----------------------------------------------------------------- */

struct mr_retry {
	uint8_t instance[MR_UUID_BYTES];
	size_t max_batch_events;
	struct mr_store *store;
	struct mr_arena arena;
	struct mr_buf payload;
};

struct mr_retry *
mr_retry_new(const uint8_t instance[MR_UUID_BYTES], size_t max_batch_events)
{
	struct mr_retry *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	memcpy(r->instance, instance, MR_UUID_BYTES);
	r->max_batch_events = max_batch_events;
	mr_arena_init(&r->arena, MR_REJECTED_MAX_BYTES);
	mr_buf_init(&r->payload, MR_REJECTED_MAX_BYTES);
	if ((r->store = mr_store_new(MR_REJECTED_MAX_BYTES, instance)) == NULL) {
		mr_retry_free(r);
		return NULL;
	}
	return r;
}

void
mr_retry_free(struct mr_retry *r)
{
	if (r == NULL)
		return;
	mr_store_free(r->store);
	mr_buf_free(&r->payload);
	mr_arena_free(&r->arena);
	free(r);
}

enum mr_err
mr_retry_decode(struct mr_retry *r, const struct mr_rejected *event, struct mr_batch *batch,
    struct mr_error *err)
{
	struct mr_event_context ctx = { .received_us = event->received_us,
		.default_site = event->site, .max_batch_events = r->max_batch_events };
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;

	(void)mr_ip_parse(event->ip, &ctx.client_ip);
	mr_arena_reset(&r->arena);
	if ((e = mr_rejected_bytes(event, &r->payload, err)) != MR_OK)
		return e;
	if (r->payload.len == 0)
		return mr_fail(err, MR_EINVAL, "it is empty");
	e = mr_event_decode(&r->arena, r->payload.p, r->payload.len, &ctx, batch, &why);
	if (e == MR_ENOMEM)
		return mr_fail(err, e, "rejected event %" PRId64 ": %.400s", event->id, why.text);
	if (e != MR_OK)
		return mr_fail(err, e, "%s", why.text);
	/* The key of an envelope stands there already: its members came with it. */
	if (event->index == -1)
		batch->batch_id = MR_STR_NULL;
	return MR_OK;
}

/* What leaves rejected_events is taken off the ledger's count of it. */
#define TAKE_OUT "WITH gone AS (DELETE FROM rejected_events WHERE id = $1::bigint RETURNING 1) " \
	"INSERT INTO ingest_groups (group_id, instance, stored, duplicate, rejected) " \
	"SELECT $2::uuid, $3::uuid, 0, 0, -1 FROM gone"

static enum mr_db_class
take_out(const struct mr_retry *r, struct mr_db *db, int64_t id, bool *gone, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	uint8_t group[MR_UUID_BYTES];
	char text[MR_UUID_TEXT], instance[MR_UUID_TEXT];
	struct mr_db_rows *rows;
	enum mr_db_class class;

	mr_uuid_make(group);
	mr_uuid_format(group, text);
	mr_uuid_format(r->instance, instance);
	mr_db_arg_int(&args, id);
	mr_db_arg_text(&args, text);
	mr_db_arg_text(&args, instance);
	class = mr_db_query(db, TAKE_OUT, args.values, args.n, &rows, err);
	*gone = class == MR_DB_OK && mr_db_n_changed(rows) == 0;
	mr_db_rows_free(rows);
	return class;
}

/* In one transaction: out of rejected_events and into events, or neither. */
static enum mr_db_class
move(struct mr_retry *r, struct mr_db *db, int64_t id, const struct mr_batch *batch, bool *gone,
    struct mr_error *err)
{
	const struct mr_batch *batches[] = { batch };
	bool duplicate[1];
	size_t repeated[1];
	struct mr_group group = { .batches = batches, .n = 1, .duplicate = duplicate,
		.repeated = repeated };
	enum mr_db_class class = mr_db_script(db, "BEGIN", SCRIPT_TIMEOUT_MS, err);

	if (class != MR_DB_OK)
		return class;
	mr_uuid_make(group.id);
	class = take_out(r, db, id, gone, err);
	if (class == MR_DB_OK && !*gone)
		class = mr_store_group(r->store, db, &group, err);
	/* It would be in neither then. */
	if (class == MR_DB_OK && !*gone && (duplicate[0] || repeated[0] == batch->n_rows)) {
		(void)mr_fail(err, MR_EINVAL, "its %s was stored before",
		    duplicate[0] ? "batchId" : "messageId");
		class = MR_DB_DATA;
	}
	if (class == MR_DB_OK && !*gone)
		return mr_db_script(db, "COMMIT", SCRIPT_TIMEOUT_MS, err);
	(void)mr_db_script(db, "ROLLBACK", SCRIPT_TIMEOUT_MS, NULL);
	return class;
}

enum mr_retry_result
mr_retry(struct mr_retry *r, struct mr_db *db, const struct mr_rejected *event,
    struct mr_error *err)
{
	struct mr_batch batch;
	enum mr_db_class class;
	enum mr_err e = mr_retry_decode(r, event, &batch, err);
	bool gone = false;

	if (e != MR_OK)
		return e == MR_ENOMEM ? MR_RETRY_FAILED : MR_RETRY_REFUSED;
	if (mr_db_ensure(db, err) != MR_OK)
		return MR_RETRY_FAILED;
	class = move(r, db, event->id, &batch, &gone, err);
	if (class != MR_DB_OK)
		return class == MR_DB_DATA ? MR_RETRY_REFUSED : MR_RETRY_FAILED;
	return gone ? MR_RETRY_GONE : MR_RETRY_STORED;
}
