/*
 * millrace-maintain: makes partitions ahead, drops what may go, tidies the small tables. See
 * millrace-maintain(8); the work is done by retention/maintain.h.
 */
#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "db/connection.h"
#include "format/jsonwriter.h"
#include "retention/maintain.h"

#define PROGRAM "millrace-maintain"
#define MAX_JSON ((size_t)64 << 20)

/* As those of millrace-export. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,  /* something could not be done; the next run tries again */
	STATUS_MISUSED = 2, /* options or configuration */
	STATUS_BUSY = 3,    /* another one is at work */
	STATUS_STOPPED = 5  /* by a signal; the next run goes on */
};

struct options {
	const char *config;
	bool dry_run, json, quiet, verbose;
};

#define AT(member) offsetof(struct options, member)
static const struct mr_option table[] = {
	MR_OPTION_CONFIG(struct options),
	{ 'n', "dry-run", NULL, AT(dry_run), "say what would be done with each partition, and why; "
	    "change nothing" },
	{ 'j', "json", NULL, AT(json), "say it as JSON" },
	{ 'v', "verbose", NULL, AT(verbose), "say of each partition why it is kept" },
	{ 'q', "quiet", NULL, AT(quiet), "say nothing but errors" },
};

static const struct mr_command command = {
	.program = PROGRAM,
	.usage = "[-c FILE] [-n] [-j | -q | -v]",
	.about = "Makes partitions of events ahead, drops those that were delivered to everybody "
	    "and kept for long enough, and removes what is old from the other tables.",
	.options = table,
	.n_options = sizeof table / sizeof table[0],
	.notes = "Exit status: 0 done; 1 something could not be done, the next run tries again; "
	    "2 wrong options or configuration; 3 another one is at work; 5 stopped by a signal.",
	.misused = STATUS_MISUSED,
};

static volatile sig_atomic_t stop;

static void
catch(int signum)
{
	stop = signum;
}

static int
give_up(int status, const struct mr_error *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return status;
}

/* --- what is said ----------------------------------------------------------------- */

static const char *
reason(const struct mr_span *s, char *text, size_t size)
{
	char until[MR_CLOCK_TEXT];

	switch (s->fate) {
	case MR_SPAN_OPEN:
		return "its time is not over";
	case MR_SPAN_UNCOUNTED:
		return "it was not counted";
	case MR_SPAN_HELD:
		(void)snprintf(text, size, "held by %.*s", (int)s->holders.n, s->holders.p);
		return text;
	case MR_SPAN_KEPT:
		mr_clock_format(s->until_us, until);
		(void)snprintf(text, size, "delivered, until %s", until);
		return text;
	case MR_SPAN_GOES:
		break;
	}
	return s->early ? "delivered, and there are more than max_bytes" :
	    "delivered, and its time is over";
}

static const char *
deed(const struct mr_maintained *done, size_t i, bool dry_run)
{
	if (done->spans.items[i].fate != MR_SPAN_GOES)
		return "kept";
	return done->gone[i] ? "dropped" : dry_run ? "would be dropped" : "not dropped";
}

static void
print_spans(const struct mr_maintained *done, const struct options *o)
{
	char text[1024];

	for (size_t i = 0; i < done->spans.n; i++) {
		const struct mr_span *s = &done->spans.items[i];

		if (o->dry_run || o->verbose || s->fate == MR_SPAN_GOES)
			printf("%.*s: %s: %s; %" PRId64 " events, %" PRId64 " bytes\n",
			    (int)s->name.n, s->name.p, deed(done, i, o->dry_run),
			    reason(s, text, sizeof text), s->rows, s->bytes);
	}
}

static void
print_text(const struct mr_maintained *done, const struct options *o)
{
	const struct mr_tidied *t = &done->tidied;

	print_spans(done, o);
	if (done->made > 0)
		printf("%s %d partition(s)\n", o->dry_run ? "would make" : "made", done->made);
	if (done->moved > 0)
		printf("moved %" PRId64 " event(s) out of events_default\n", done->moved);
	if (t->keys + t->rejected + t->history > 0)
		printf("%s %" PRId64 " old batchId(s), %" PRId64 " refused event(s), %" PRId64
		    " row(s) of the export's history\n", o->dry_run ? "would remove" : "removed",
		    t->keys, t->rejected, t->history);
	if (o->dry_run || o->verbose)
		printf("%zu partition(s), %" PRId64 " bytes\n", done->spans.n, done->spans.bytes);
}

static void
put_span(struct mr_json_writer *w, const struct mr_maintained *done, size_t i, bool dry_run)
{
	const struct mr_span *s = &done->spans.items[i];
	char text[1024];

	mr_json_object(w, NULL);
	mr_json_text(w, "name", s->name);
	mr_json_text(w, "low", s->low);
	mr_json_text(w, "high", s->high);
	mr_json_int(w, "events", s->rows);
	mr_json_int(w, "bytes", s->bytes);
	mr_json_text(w, "what", mr_str(deed(done, i, dry_run)));
	mr_json_text(w, "why", mr_str(reason(s, text, sizeof text)));
	mr_json_text(w, "held_by", s->fate == MR_SPAN_HELD ? s->holders : MR_STR_NULL);
	mr_json_end(w);
}

static void
put_done(struct mr_json_writer *w, const struct mr_maintained *done, const struct options *o)
{
	mr_json_object(w, NULL);
	mr_json_bool(w, "dry_run", o->dry_run);
	mr_json_int(w, "made", done->made);
	mr_json_int(w, "moved", done->moved);
	mr_json_int(w, "dropped", done->dropped);
	mr_json_int(w, "dropped_bytes", done->dropped_bytes);
	mr_json_int(w, "failures", done->failures);
	mr_json_int(w, "old_keys", done->tidied.keys);
	mr_json_int(w, "old_rejected", done->tidied.rejected);
	mr_json_int(w, "old_history", done->tidied.history);
	mr_json_int(w, "bytes", done->spans.bytes);
	mr_json_int(w, "default_bytes", done->spans.default_bytes);
	mr_json_array(w, "partitions");
	for (size_t i = 0; i < done->spans.n; i++)
		put_span(w, done, i, o->dry_run);
	mr_json_end(w);
	mr_json_end(w);
}

static void
print_json(const struct mr_maintained *done, const struct options *o)
{
	struct mr_json_writer w;
	struct mr_buf text;

	mr_buf_init(&text, MAX_JSON);
	mr_json_begin(&w, &text);
	put_done(&w, done, o);
	if (mr_json_done(&w))
		printf("%.*s\n", (int)text.len, text.p);
	else
		fputs(PROGRAM ": no memory\n", stderr);
	mr_buf_free(&text);
}

/* --- the run ---------------------------------------------------------------------- */

static int
maintain(const struct mr_conf *conf, const struct options *o)
{
	struct mr_maintained done;
	struct mr_error err = MR_ERROR_INIT;
	int status;

	if (mr_maintain(conf, o->dry_run, &stop, &done, &err) != MR_OK)
		status = stop != 0 ? STATUS_STOPPED : give_up(STATUS_FAILED, &err);
	else if (done.busy)
		status = STATUS_BUSY;
	else {
		if (o->json)
			print_json(&done, o);
		else if (!o->quiet)
			print_text(&done, o);
		status = stop != 0 ? STATUS_STOPPED : done.failures > 0 ? STATUS_FAILED : STATUS_OK;
	}
	mr_maintained_free(&done);
	return status;
}

static void
catch_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_handler = catch };

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		(void)sigaction(signals[i], &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int
run(const struct mr_conf *conf, const struct options *o)
{
	struct mr_error err = MR_ERROR_INIT;

	/* What goes to standard error becomes a mail of cron's: there, only errors count. */
	if (mr_db_check_url(conf->database_url, &err) != MR_OK ||
	    mr_log_open(PROGRAM, conf->log, strcmp(conf->log, "stderr") == 0 ? MR_LOG_ERROR :
	    (enum mr_log_level)conf->log_level, &err) != MR_OK)
		return give_up(STATUS_MISUSED, &err);
	catch_signals();
	return maintain(conf, o);
}

int
main(int argc, char **argv)
{
	struct options options = { .config = getenv("MILLRACE_CONFIG") };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	int status = mr_options_read(&command, &argc, &argv, &options);

	if (status >= 0)
		return status;
	umask(027);
	options.config = mr_conf_file(options.config);
	if (mr_conf_load(&conf, options.config, &err) != MR_OK)
		return give_up(STATUS_MISUSED, &err);
	status = run(&conf, &options);
	mr_conf_free(&conf);
	mr_log_close();
	return fflush(stdout) == 0 ? status : STATUS_FAILED;
}
