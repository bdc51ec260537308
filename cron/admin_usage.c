/*
 * millrace-admin usage: what each destination received, by site and day. The
 * counting is done by export/usage.h.
 */
#include "admin.h"

#include <inttypes.h>
#include <stdio.h>

#include "export/usage.h"
#include "format/jsonwriter.h"

#define MAX_LINE 65536

/* What was asked for; admin_on_database() hands nothing on. */
static struct call {
	struct mr_usage_choice choice;
	bool csv, json;
} call;

static void
put_line(void *arg, const struct mr_usage *u)
{
	(void)arg;
	printf("%s %-7.*s %.*s ", u->day.p, (int)u->destination.n, u->destination.p,
	    (int)u->client.n, u->client.p);
	/* Nothing that a client sent reaches the terminal as it is. */
	for (size_t i = 0; i < u->site.n; i++)
		putchar(u->site.p[i] > 0x20 && u->site.p[i] < 0x7f ? u->site.p[i] : '?');
	printf(": %" PRId64 " events, %" PRId64 " bytes in %" PRId64 " objects\n", u->events, u->bytes,
	    u->objects);
}

static void
put_quoted(struct mr_str s)
{
	putchar('"');
	for (size_t i = 0; i < s.n; i++) {
		putchar(s.p[i]);
		if (s.p[i] == '"')
			putchar('"');
	}
	putchar('"');
}

static void
put_csv(void *arg, const struct mr_usage *u)
{
	(void)arg;
	printf("%s,%s,", u->client.p, u->destination.p);
	put_quoted(u->site);
	printf(",%s,%" PRId64 ",%" PRId64 ",%" PRId64 "\r\n", u->day.p, u->events, u->bytes,
	    u->objects);
}

static void
put_json(void *arg, const struct mr_usage *u)
{
	struct mr_json_writer w;
	struct mr_buf line;

	(void)arg;
	mr_buf_init(&line, MAX_LINE);
	mr_json_begin(&w, &line);
	mr_json_object(&w, NULL);
	mr_usage_put(&w, u);
	mr_json_end(&w);
	printf("%.*s\n", (int)line.len, line.p != NULL ? line.p : "");
	mr_buf_free(&line);
}

static enum mr_err
show(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err)
{
	enum mr_err e;

	(void)conf;
	if ((e = mr_db_ensure(db, err)) != MR_OK)
		return e;
	if (call.csv)
		fputs("client,destination,site_id,day,events,bytes,objects\r\n", stdout);
	return mr_usage_each(db, &call.choice, call.csv ? put_csv : call.json ? put_json : put_line,
	    NULL, err);
}

static int
misused(const char *what)
{
	return mr_options_misused(&admin_usage.line, what, "");
}

static int
run(const struct admin *admin, int argc, char **argv)
{
	struct mr_error err = MR_ERROR_INIT;
	int status = mr_options_read(&admin_usage.line, &argc, &argv, &call);

	if (status >= 0)
		return status;
	if (mr_usage_check(&call.choice, &err) != MR_OK)
		return misused(err.text);
	if (call.csv && call.json)
		return misused("--csv and --json exclude each other");
	return admin_on_database(admin, "millrace usage", show);
}

#define AT(member) offsetof(struct call, member)
static const struct mr_option table[] = {
	{ 0, "client", "NAME", AT(choice.client), "only this client's" },
	{ 0, "month", "MONTH", AT(choice.month), "only this month, such as 2026-11; else the current one" },
	{ 0, "since", "DATE", AT(choice.since), "only days from this one on" },
	{ 0, "until", "DATE", AT(choice.until), "only days before this one" },
	{ 0, "csv", NULL, AT(csv), "as CSV, with a header" },
	{ 0, "json", NULL, AT(json), "as JSON, a line each" },
};

const struct admin_command admin_usage = {
	.line = {
		.program = ADMIN_PROGRAM,
		.name = "usage",
		.usage = "[OPTION ...]",
		.about = "print what each destination received, by site and day",
		.options = table,
		.n_options = sizeof table / sizeof table[0],
		.misused = ADMIN_MISUSED,
	},
	.run = run,
};
