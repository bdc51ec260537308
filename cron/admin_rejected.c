/*
 * millrace-admin rejected: the events that were refused, shown, exported, tried
 * again and deleted. The work is done by ingest/rejected.h.
 */
#include "admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "counters/shared.h"
#include "db/connection.h"
#include "format/jsonwriter.h"
#include "ingest/rejected.h"
#include "ingest/store.h"

#define MAX_IDS 1000
#define QUERY_TIMEOUT_MS (5 * 60 * 1000)
#define REASON_SHOWN 200
#define DEFAULT_LIMIT 100
#define TEXT_OF(number) #number
#define AS_TEXT(macro) TEXT_OF(macro)
#define NO_LIMIT INT64_MAX

struct call {
	struct mr_rejected_choice choice;
	const char *limit; /* as it was given; NULL: it was not */
	bool all;
	struct mr_conf *conf;
	struct mr_db *db;
};

struct action {
	const char *name;
	int64_t limit;     /* unless --limit is given */
	bool chosen;       /* ids, a filter or --all must be given */
	int (*run)(struct call *call);
};

static int
for_each(struct call *c, enum mr_err (*visit)(void *arg, const struct mr_rejected *event,
    struct mr_error *err), void *arg)
{
	struct mr_error err = MR_ERROR_INIT;

	return mr_rejected_each(c->db, &c->choice, visit, arg, &err) == MR_OK ? ADMIN_OK :
	    admin_fail(&err);
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

static enum mr_err
list_row(void *arg, const struct mr_rejected *event, struct mr_error *err)
{
	(void)arg;
	(void)err;
	printf("%10" PRId64 " %s %5s ", event->id, event->received.p,
	    event->sqlstate.p != NULL ? event->sqlstate.p : "-");
	put_clean(event->site, REASON_SHOWN);
	fputs(": ", stdout);
	put_clean(event->reason, REASON_SHOWN);
	putchar('\n');
	return MR_OK;
}

static int
do_list(struct call *c)
{
	return for_each(c, list_row, NULL);
}

/* The payload as text, for reading, and as its very bytes. */
static void
put_event(struct mr_json_writer *w, const struct mr_rejected *event, struct mr_str payload)
{
	mr_json_object(w, NULL);
	mr_json_int(w, "id", event->id);
	mr_json_int(w, "event_index", event->index);
	mr_json_text(w, "received_at", event->received);
	mr_json_text(w, "site_id", event->site);
	mr_json_text(w, "client_ip", event->ip);
	mr_json_text(w, "sqlstate", event->sqlstate);
	mr_json_text(w, "reason", event->reason);
	mr_json_text(w, "payload", payload);
	mr_json_text(w, "payload_hex", event->payload);
	mr_json_end(w);
}

static enum mr_err
export_row(void *arg, const struct mr_rejected *event, struct mr_error *err)
{
	struct mr_json_writer w;
	struct mr_buf payload, line;
	enum mr_err e;

	(void)arg;
	mr_buf_init(&payload, MR_REJECTED_MAX_BYTES);
	mr_buf_init(&line, 4 * MR_REJECTED_MAX_BYTES);
	e = mr_rejected_bytes(event, &payload, err);
	mr_json_begin(&w, &line);
	put_event(&w, event, mr_buf_str(&payload));
	if (mr_json_done(&w))
		mr_buf_add_char(&line, '\n');
	if (e == MR_OK && line.failed)
		e = mr_fail(err, MR_ENOMEM, "no memory for rejected event %" PRId64, event->id);
	if (e == MR_OK)
		fwrite(line.p, 1, line.len, stdout);
	mr_buf_free(&payload);
	mr_buf_free(&line);
	return e;
}

static int
do_export(struct call *c)
{
	return for_each(c, export_row, NULL);
}

static void
show_field(const char *name, struct mr_str value)
{
	printf("%-10s", name);
	put_clean(value, SIZE_MAX);
	putchar('\n');
}

static enum mr_err
show_row(void *arg, const struct mr_rejected *event, struct mr_error *err)
{
	struct mr_buf payload;
	enum mr_err e;

	(void)arg;
	mr_buf_init(&payload, MR_REJECTED_MAX_BYTES);
	if ((e = mr_rejected_bytes(event, &payload, err)) == MR_OK) {
		printf("%-10s%" PRId64 "\n", "id", event->id);
		show_field("received", event->received);
		show_field("site", event->site);
		show_field("address", event->ip);
		printf("%-10s%" PRId64 "\n", "index", event->index);
		show_field("sqlstate", event->sqlstate);
		show_field("reason", event->reason);
		show_field("payload", mr_buf_str(&payload));
		putchar('\n');
	}
	mr_buf_free(&payload);
	return e;
}

static int
do_show(struct call *c)
{
	return for_each(c, show_row, NULL);
}

/* --- deleting ------------------------------------------------------------------ */

static int
do_delete(struct call *c)
{
	struct mr_error err = MR_ERROR_INIT;
	int64_t deleted;

	if (mr_rejected_delete(c->db, &c->choice, &deleted, &err) != MR_OK)
		return admin_fail(&err);
	printf("deleted %" PRId64 " rejected event(s)\n", deleted);
	return ADMIN_OK;
}

/* --- retrying ------------------------------------------------------------------ */

struct retrying {
	struct mr_db *db;
	struct mr_retry *retry;
	size_t stored, refused;
};

static enum mr_err
retry_row(void *arg, const struct mr_rejected *event, struct mr_error *err)
{
	struct retrying *r = arg;
	struct mr_error why = MR_ERROR_INIT;

	switch (mr_retry(r->retry, r->db, event, &why)) {
	case MR_RETRY_STORED:
		r->stored++;
		break;
	case MR_RETRY_GONE:
		break;
	case MR_RETRY_REFUSED:
		fprintf(stderr, "millrace-admin: rejected event %" PRId64 " is still refused: %s\n",
		    event->id, why.text);
		r->refused++;
		break;
	case MR_RETRY_FAILED:
		return mr_fail(err, why.code, "%s", why.text);
	}
	return MR_OK;
}

static int
do_retry(struct call *c)
{
	struct retrying r = { .db = c->db };
	struct mr_error err = MR_ERROR_INIT;
	int status;

	/* So that the ledger has it under this host. */
	if (c->conf->metrics_file[0] != '\0')
		(void)mr_shared_open(c->conf->metrics_file, MR_SHARED_LOOK, NULL);
	r.retry = mr_retry_new(mr_shared_instance(), (size_t)c->conf->max_batch_events);
	if (r.retry == NULL)
		(void)mr_fail(&err, MR_ENOMEM, "no memory to retry rejected events");
	status = r.retry != NULL ? for_each(c, retry_row, &r) : admin_fail(&err);
	printf("stored %zu event(s), %zu still refused\n", r.stored, r.refused);
	mr_retry_free(r.retry);
	mr_shared_close();
	return status == ADMIN_OK && r.refused > 0 ? ADMIN_FAILED : status;
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

	if (c->choice.since != NULL && !mr_clock_parse_date(mr_str(c->choice.since), &us))
		return misused("--since is no time, such as 2026-11-23T12:00:00Z");
	if (c->limit != NULL && !is_number(c->limit))
		return misused("--limit is no number");
	c->choice.limit = c->limit != NULL ? strtoll(c->limit, NULL, 10) : action->limit;
	if (n > MAX_IDS || (n > 0 && (c->choice.ids = join_ids(n, given, ids)) == NULL))
		return misused("not ids of rejected events, or too many");
	if (action->chosen && !c->all && c->choice.ids == NULL && c->choice.site == NULL &&
	    c->choice.since == NULL)
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
	struct call call = { .db = NULL };
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
	{ 0, "site", "SITE", AT(choice.site), "only events of this site" },
	{ 0, "since", "TIME", AT(choice.since), "only those received from then on" },
	{ 0, "limit", "NUMBER", AT(limit), "at most so many; list shows " AS_TEXT(DEFAULT_LIMIT)
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
