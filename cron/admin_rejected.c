/*
 * millrace-admin rejected: the events that were refused. A retry takes the
 * event through the same checks and the same insert as a request, in one
 * transaction with its removal, so that it is there once whatever happens.
 */
#include "admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "counters/shared.h"
#include "db/connection.h"
#include "db/query.h"
#include "format/event.h"
#include "format/jsonout.h"
#include "ingest/store.h"

#define MAX_IDS 1000
#define QUERY_TIMEOUT_MS (5 * 60 * 1000)
#define SCRIPT_TIMEOUT_MS 10000
/* A rejected event is at most a body, its JSON needs up to 20 bytes a value. */
#define MAX_BYTES ((size_t)256 * 1024 * 1024)
#define REASON_SHOWN 200
#define DEFAULT_LIMIT "100"
#define NO_LIMIT "999999999999999999"

/* What a row is asked for by all of them. */
enum { ID, RECEIVED, SITE, IP, INDEX, SQLSTATE, REASON, PAYLOAD, RECEIVED_US };
#define SELECTION "SELECT id, to_char(received_at AT TIME ZONE 'UTC', " \
	"'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), site_id, host(client_ip), event_index, sqlstate, " \
	"reason, encode(payload, 'hex'), (extract(epoch FROM received_at) * 1000000)::bigint " \
	"FROM rejected_events"
#define WHERE "($1::text IS NULL OR site_id = $1) AND ($2::timestamptz IS NULL OR " \
	"received_at >= $2) AND ($3::bigint[] IS NULL OR id = ANY ($3))"

struct call {
	const char *site, *since;  /* NULL: any */
	const char *ids;           /* a PostgreSQL array; NULL: any */
	const char *limit;
	bool all;
	struct mr_conf *conf;
	struct mr_db *db;
};

struct action {
	const char *name;
	const char *limit; /* unless --limit is given */
	bool chosen;       /* ids, a filter or --all must be given */
	int (*run)(struct call *call);
};

static int
fail(enum mr_db_class class, const struct mr_error *err)
{
	return class == MR_DB_OK ? ADMIN_OK : admin_fail(err);
}

static enum mr_db_class
select_rows(struct call *c, const char *sql, struct mr_db_rows **rows, struct mr_error *err)
{
	const char *params[] = { c->site, c->since, c->ids, c->limit };

	return mr_db_query(c->db, sql, params, 4, rows, err);
}

/* Calls what for each row of the selection. */
static int
for_each(struct call *c, int (*what)(struct call *c, const struct mr_db_rows *rows, int row))
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_rows *rows;
	enum mr_db_class class = select_rows(c, SELECTION " WHERE " WHERE
	    " ORDER BY id LIMIT $4::bigint", &rows, &err);
	int status = fail(class, &err);

	for (int i = 0; status != ADMIN_FAILED && class == MR_DB_OK && i < mr_db_n_rows(rows); i++)
		status = what(c, rows, i);
	mr_db_rows_free(rows);
	return status;
}

/* --- looking ------------------------------------------------------------------- */

/* Nothing that a client sent reaches the terminal as it is. */
static void
put_clean(struct mr_str s, size_t most)
{
	for (size_t i = 0; i < s.n && i < most; i++)
		putchar(s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
	if (s.n > most)
		fputs("...", stdout);
}

static int
list_row(struct call *c, const struct mr_db_rows *rows, int row)
{
	struct mr_str sqlstate = mr_db_value(rows, row, SQLSTATE);

	(void)c;
	printf("%10s %s %5s ", mr_db_value(rows, row, ID).p, mr_db_value(rows, row, RECEIVED).p,
	    sqlstate.p != NULL ? sqlstate.p : "-");
	put_clean(mr_db_value(rows, row, SITE), REASON_SHOWN);
	fputs(": ", stdout);
	put_clean(mr_db_value(rows, row, REASON), REASON_SHOWN);
	putchar('\n');
	return ADMIN_OK;
}

static int
do_list(struct call *c)
{
	return for_each(c, list_row);
}

static unsigned
hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void
unhex(struct mr_str hex, struct mr_buf *to)
{
	mr_buf_reset(to, SIZE_MAX);
	for (size_t i = 0; i + 1 < hex.n; i += 2)
		mr_buf_add_char(to, (char)(hex_digit(hex.p[i]) << 4 | hex_digit(hex.p[i + 1])));
}

static void
export_texts(struct mr_buf *b, const struct mr_db_rows *rows, int row)
{
	static const struct {
		const char *key;
		int column;
	} texts[] = { { "received_at", RECEIVED }, { "site_id", SITE }, { "client_ip", IP },
		{ "sqlstate", SQLSTATE }, { "reason", REASON } };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		mr_jsonout_key(b, texts[i].key);
		mr_jsonout_string(b, mr_db_value(rows, row, texts[i].column));
		mr_buf_add_char(b, ',');
	}
}

/* The payload as text, for reading, and as its very bytes. */
static int
export_row(struct call *c, const struct mr_db_rows *rows, int row)
{
	struct mr_buf payload, line;
	struct mr_error err = MR_ERROR_INIT;
	bool failed;

	(void)c;
	mr_buf_init(&payload, MAX_BYTES);
	mr_buf_init(&line, 4 * MAX_BYTES);
	unhex(mr_db_value(rows, row, PAYLOAD), &payload);
	mr_buf_printf(&line, "{\"id\":%s,\"event_index\":%s,", mr_db_value(rows, row, ID).p,
	    mr_db_value(rows, row, INDEX).p);
	export_texts(&line, rows, row);
	mr_jsonout_key(&line, "payload");
	mr_jsonout_string(&line, mr_buf_str(&payload));
	mr_buf_add_char(&line, ',');
	mr_jsonout_key(&line, "payload_hex");
	mr_jsonout_string(&line, mr_db_value(rows, row, PAYLOAD));
	mr_buf_add_cstr(&line, "}\n");
	failed = payload.failed || line.failed;
	if (!failed)
		fwrite(line.p, 1, line.len, stdout);
	mr_buf_free(&payload);
	mr_buf_free(&line);
	if (!failed)
		return ADMIN_OK;
	(void)mr_fail(&err, MR_ENOMEM, "no memory for rejected event %s",
	    mr_db_value(rows, row, ID).p);
	return admin_fail(&err);
}

static int
do_export(struct call *c)
{
	return for_each(c, export_row);
}

static int
show_row(struct call *c, const struct mr_db_rows *rows, int row)
{
	static const char *const names[] = { "id", "received", "site", "address", "index",
		"sqlstate", "reason" };
	struct mr_buf payload;

	(void)c;
	for (int i = ID; i <= REASON; i++) {
		printf("%-10s", names[i]);
		put_clean(mr_db_value(rows, row, i), SIZE_MAX);
		putchar('\n');
	}
	mr_buf_init(&payload, MAX_BYTES);
	unhex(mr_db_value(rows, row, PAYLOAD), &payload);
	printf("%-10s", "payload");
	put_clean(mr_buf_str(&payload), SIZE_MAX);
	fputs("\n\n", stdout);
	mr_buf_free(&payload);
	return ADMIN_OK;
}

static int
do_show(struct call *c)
{
	return for_each(c, show_row);
}

/* --- deleting ------------------------------------------------------------------ */

/* Noted in the totals, so that the books know of it. */
#define DELETE_SQL "WITH gone AS (DELETE FROM rejected_events WHERE id IN " \
	"(SELECT id FROM rejected_events WHERE " WHERE " ORDER BY id LIMIT $4::bigint) RETURNING 1), " \
	"noted AS (INSERT INTO ingest_totals AS t (instance, stored, duplicate, rejected, deleted) " \
	"SELECT '00000000-0000-0000-0000-000000000000', 0, 0, 0, count(*) FROM gone " \
	"ON CONFLICT (instance) DO UPDATE SET deleted = t.deleted + excluded.deleted) " \
	"SELECT count(*) FROM gone"

static int
do_delete(struct call *c)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_rows *rows;
	enum mr_db_class class = select_rows(c, DELETE_SQL, &rows, &err);

	if (class == MR_DB_OK)
		printf("deleted %s rejected event(s)\n", mr_db_value(rows, 0, 0).p);
	mr_db_rows_free(rows);
	return fail(class, &err);
}

/* --- retrying ------------------------------------------------------------------ */

struct retry {
	struct mr_store *store;
	struct mr_arena arena;
	struct mr_buf payload;
	size_t stored, refused;
};
static struct retry retrying;

/* What leaves rejected_events is taken off the ledger's count of it. */
#define TAKE_OUT "WITH gone AS (DELETE FROM rejected_events WHERE id = $1::bigint RETURNING 1) " \
	"INSERT INTO ingest_groups (group_id, instance, stored, duplicate, rejected) " \
	"SELECT $2::uuid, $3::uuid, 0, 0, -1 FROM gone"

static enum mr_db_class
take_out(struct mr_db *db, const char *id, bool *gone, struct mr_error *err)
{
	uint8_t group[MR_UUID_BYTES];
	char text[MR_UUID_TEXT], instance[MR_UUID_TEXT];
	const char *params[] = { id, text, instance };
	struct mr_db_rows *rows;
	enum mr_db_class class;

	mr_uuid_make(group);
	mr_uuid_format(group, text);
	mr_uuid_format(mr_shared_instance(), instance);
	class = mr_db_query(db, TAKE_OUT, params, 3, &rows, err);
	*gone = class == MR_DB_OK && mr_db_n_changed(rows) == 0;
	mr_db_rows_free(rows);
	return class;
}

/* In one transaction: out of rejected_events and into events, or neither. */
static enum mr_db_class
move(struct call *c, const char *id, const struct mr_batch *batch, bool *gone,
    struct mr_error *err)
{
	const struct mr_batch *batches[] = { batch };
	bool duplicate[1];
	struct mr_group group = { .batches = batches, .n = 1, .duplicate = duplicate };
	enum mr_db_class class = mr_db_script(c->db, "BEGIN", SCRIPT_TIMEOUT_MS, err);

	if (class != MR_DB_OK)
		return class;
	mr_uuid_make(group.id);
	class = take_out(c->db, id, gone, err);
	if (class == MR_DB_OK && !*gone)
		class = mr_store_group(retrying.store, c->db, &group, err);
	/* It would be in neither then. */
	if (class == MR_DB_OK && !*gone && duplicate[0]) {
		(void)mr_fail(err, MR_EINVAL, "its batchId was stored before");
		class = MR_DB_DATA;
	}
	if (class == MR_DB_OK && !*gone)
		return mr_db_script(c->db, "COMMIT", SCRIPT_TIMEOUT_MS, err);
	(void)mr_db_script(c->db, "ROLLBACK", SCRIPT_TIMEOUT_MS, NULL);
	return class;
}

static int
still_refused(const char *id, const struct mr_error *err)
{
	fprintf(stderr, "millrace-admin: rejected event %s is still refused: %s\n", id, err->text);
	retrying.refused++;
	return ADMIN_OK;
}

static int
retry_row(struct call *c, const struct mr_db_rows *rows, int row)
{
	const char *id = mr_db_value(rows, row, ID).p;
	struct mr_event_context ctx = {
		.received_us = strtoll(mr_db_value(rows, row, RECEIVED_US).p, NULL, 10),
		.default_site = mr_db_value(rows, row, SITE),
		.max_batch_events = (size_t)c->conf->max_batch_events,
	};
	struct mr_error err = MR_ERROR_INIT;
	struct mr_batch batch;
	enum mr_db_class class;
	bool gone = false;

	(void)mr_ip_parse(mr_db_value(rows, row, IP), &ctx.client_ip);
	mr_arena_reset(&retrying.arena);
	unhex(mr_db_value(rows, row, PAYLOAD), &retrying.payload);
	if (retrying.payload.len == 0)
		(void)mr_fail(&err, MR_EINVAL, "it is empty");
	if (retrying.payload.failed || retrying.payload.len == 0 || mr_event_decode(&retrying.arena, retrying.payload.p,
	    retrying.payload.len, &ctx, &batch, &err) != MR_OK)
		return still_refused(id, &err);
	/* The key of an envelope stands there already: its members came with it. */
	if (strcmp(mr_db_value(rows, row, INDEX).p, "-1") == 0)
		batch.batch_id = MR_STR_NULL;
	if (mr_db_ensure(c->db, &err) != MR_OK)
		return admin_fail(&err);
	class = move(c, id, &batch, &gone, &err);
	if (class == MR_DB_DATA)
		return still_refused(id, &err);
	retrying.stored += class == MR_DB_OK && !gone;
	return fail(class, &err);
}

static int
do_retry(struct call *c)
{
	int status;

	/* So that the ledger has it under this host. */
	if (c->conf->metrics_file[0] != '\0')
		(void)mr_shared_open(c->conf->metrics_file, MR_SHARED_LOOK, NULL);
	mr_arena_init(&retrying.arena, MAX_BYTES);
	mr_buf_init(&retrying.payload, MAX_BYTES);
	retrying.store = mr_store_new(MAX_BYTES, mr_shared_instance());
	status = retrying.store != NULL ? for_each(c, retry_row) : ADMIN_FAILED;
	printf("stored %zu event(s), %zu still refused\n", retrying.stored, retrying.refused);
	mr_store_free(retrying.store);
	mr_buf_free(&retrying.payload);
	mr_arena_free(&retrying.arena);
	mr_shared_close();
	return status == ADMIN_OK && retrying.refused > 0 ? ADMIN_FAILED : status;
}

/* --- the command line ---------------------------------------------------------- */

static const struct action actions[] = {
	{ "list", DEFAULT_LIMIT, false, do_list },
	{ "show", NO_LIMIT, true, do_show },
	{ "export", NO_LIMIT, false, do_export },
	{ "retry", NO_LIMIT, true, do_retry },
	{ "delete", NO_LIMIT, true, do_delete },
};

static int
misused(const char *what)
{
	return mr_options_misused(&admin_rejected.line, what, "");
}

static bool
is_number(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n <= 18 && s[n] == '\0';
}

/* "{1,2}", or NULL when one is no number. */
static const char *
join_ids(int n, char **ids, struct mr_buf *b)
{
	for (int i = 0; i < n; i++) {
		if (!is_number(ids[i]))
			return NULL;
		mr_buf_printf(b, "%c%s", i == 0 ? '{' : ',', ids[i]);
	}
	mr_buf_add(b, "}", 2);
	return b->failed ? NULL : b->p;
}

/* Returns ADMIN_OK, or that it was misused. */
static int
check(int n, char **given, const struct action *action, struct call *c, struct mr_buf *ids)
{
	int64_t us;

	if (c->limit == NULL)
		c->limit = action->limit;
	if (c->since != NULL && !mr_clock_parse_date(mr_str(c->since), &us))
		return misused("--since is no time, such as 2026-11-23T12:00:00Z");
	if (!is_number(c->limit))
		return misused("--limit is no number");
	if (n > MAX_IDS || (n > 0 && (c->ids = join_ids(n, given, ids)) == NULL))
		return misused("not ids of rejected events, or too many");
	if (action->chosen && !c->all && c->ids == NULL && c->site == NULL && c->since == NULL)
		return misused("say which: ids, --site, --since or --all");
	return ADMIN_OK;
}

/* NULL: err says why. */
static struct mr_db *
connect_db(const struct mr_conf *conf, struct mr_error *err)
{
	struct mr_db_options options = mr_db_options_of(conf, "millrace-admin");
	struct mr_db *db;

	options.query_timeout_ms = QUERY_TIMEOUT_MS;
	options.statements = mr_store_statements;
	options.n_statements = mr_store_n_statements;
	if (mr_db_check_url(conf->database_url, err) != MR_OK)
		return NULL;
	db = mr_db_new(&options);
	if (db == NULL)
		(void)mr_fail(err, MR_ENOMEM, "no memory");
	else if (mr_db_ensure(db, err) == MR_OK)
		return db;
	mr_db_free(db);
	return NULL;
}

static int
act(const struct admin *admin, const struct action *action, struct call *c)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	int status;

	if (mr_conf_load(&conf, admin->config, &err) != MR_OK)
		return admin_fail(&err);
	c->conf = &conf;
	c->db = connect_db(&conf, &err);
	status = c->db != NULL ? action->run(c) : admin_fail(&err);
	mr_db_free(c->db);
	mr_conf_free(&conf);
	return status;
}

static int
run(const struct admin *admin, int argc, char **argv)
{
	struct call call = { .limit = NULL };
	struct mr_buf ids;
	int status = mr_options_read(&admin_rejected.line, &argc, &argv, &call);

	if (status >= 0)
		return status;
	for (size_t i = 0; argc > 0 && i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(argv[0], actions[i].name) != 0)
			continue;
		mr_buf_init(&ids, MAX_IDS * 20);
		status = check(argc - 1, argv + 1, &actions[i], &call, &ids);
		if (status == ADMIN_OK)
			status = act(admin, &actions[i], &call);
		mr_buf_free(&ids);
		return status;
	}
	return misused("one of list, show, export, retry and delete is missing");
}

#define AT(member) offsetof(struct call, member)
static const struct mr_option table[] = {
	{ 0, "site", "SITE", AT(site), "only events of this site" },
	{ 0, "since", "TIME", AT(since), "only those received from then on" },
	{ 0, "limit", "NUMBER", AT(limit), "at most so many; list shows " DEFAULT_LIMIT
	    " where this is not given" },
	{ 0, "all", NULL, AT(all), "all of them" },
};

const struct admin_command admin_rejected = {
	.line = {
		.program = ADMIN_PROGRAM,
		.name = "rejected",
		.usage = "ACTION [OPTION ...] [ID ...]",
		.about = "list, show, export, retry or delete rejected events",
		.options = table,
		.n_options = sizeof table / sizeof table[0],
		.most = INT_MAX,
		.mixed = true,
		.misused = ADMIN_MISUSED,
	},
	.run = run,
};
