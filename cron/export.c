/* millrace-export: options and configuration, then the run. */
#include "config.h"

#include "export/export.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef HAVE_MALLOPT
#include <malloc.h>
#endif

#include "base/clock.h"
#include "base/log.h"
#include "secret/secret.h"

#define PROGRAM "millrace-export"

static const char help[] =
    "usage: " PROGRAM " [-c FILE] [OPTION ...]\n"
    "       " PROGRAM " -h | -V\n"
    "\n"
    "Exports what is new to the destinations of each client. For cron.\n"
    "\n"
    "  -c, --config FILE  configuration; else $MILLRACE_CONFIG, else\n"
    "                     " MR_CONF_FILE "\n"
    "      --client NAME  only this client\n"
    "      --format NAME  ndjson, csv or parquet, instead of the client's\n"
    "      --since TIME   export the events stored from then on, apart from the\n"
    "      --until TIME   regular export, under manual/; and those stored before\n"
    "      --dry-run      say what would be exported; change nothing\n"
    "      --force        write the last batch of each destination again\n"
    "      --verify       read back what was delivered last, or (since, until) was\n"
    "                     planned in that span, and compare it\n"
    "      --requests     do only what POST /export/run has asked for\n"
    "  -v, --verbose      say more\n"
    "  -q, --quiet        say nothing but errors\n"
    "  -h, --help         print this and exit\n"
    "  -V, --version      print the version and exit\n"
    "\n"
    "Exit status: 0 done or nothing to do, 1 something failed and is tried again\n"
    "next time, 2 wrong options or configuration, 3 another export is at work,\n"
    "4 --verify found differences, 5 stopped by a signal.\n"
    "\n"
    "Manual: " PROGRAM "(8), millrace.ini(5)\n";

static volatile sig_atomic_t stop;

static void
catch(int signum)
{
	stop = signum;
}

static enum export_status
misused(const char *what, const char *which)
{
	fprintf(stderr, PROGRAM ": %s%s; try '" PROGRAM " --help'\n", what, which);
	return EXPORT_MISUSED;
}

static bool
read_time(const char *text, int64_t *us)
{
	if (mr_clock_parse_date(mr_str(text), us))
		return true;
	fprintf(stderr, PROGRAM ": '%s' is no time; write it like 2025-06-22T00:00:00Z\n", text);
	return false;
}

static bool
read_format(const char *text, const char **format)
{
	enum mr_format known;

	*format = text;
	if (mr_format_parse(mr_str(text), &known))
		return true;
	fprintf(stderr, PROGRAM ": there is no format '%s'; there are ndjson, csv and parquet\n",
	    text);
	return false;
}

enum { CLIENT = 256, FORMAT, SINCE, UNTIL, DRY_RUN, FORCE, VERIFY, REQUESTS };

/* One option; -1 to go on, or the exit status. */
static int
take(int c, struct export_options *o)
{
	switch (c) {
	case 'c':
		o->config = optarg;
		return -1;
	case CLIENT:
		o->client = optarg;
		return -1;
	case FORMAT:
		return read_format(optarg, &o->format) ? -1 : EXPORT_MISUSED;
	case SINCE:
		return read_time(optarg, &o->since_us) ? -1 : EXPORT_MISUSED;
	case UNTIL:
		return read_time(optarg, &o->until_us) ? -1 : EXPORT_MISUSED;
	case DRY_RUN:
		o->dry_run = true;
		return -1;
	case FORCE:
		o->force = true;
		return -1;
	case VERIFY:
		o->verify = true;
		return -1;
	case REQUESTS:
		o->requests = true;
		return -1;
	case 'v':
		o->verbose = true;
		return -1;
	case 'q':
		o->quiet = true;
		return -1;
	case 'h':
		fputs(help, stdout);
		return EXPORT_OK;
	case 'V':
		puts(PROGRAM " " PACKAGE_VERSION);
		return EXPORT_OK;
	default:
		fputs("try '" PROGRAM " --help'\n", stderr);
		return EXPORT_MISUSED;
	}
}

/* What cannot be asked for together. */
static const char *
conflict(const struct export_options *o)
{
	bool span = o->since_us != INT64_MIN || o->until_us != INT64_MAX;

	if (o->since_us != INT64_MIN && o->since_us >= o->until_us)
		return "--since must be before --until";
	if (o->force && (span || o->verify || o->dry_run))
		return "--force goes with neither --since, --until, --verify nor --dry-run";
	if (o->verify && o->dry_run)
		return "--verify does not go with --dry-run";
	if (o->requests && (span || o->force || o->verify || o->dry_run || o->client != NULL ||
	    o->format != NULL))
		return "--requests goes with no option that says what to export";
	if (o->format != NULL && (o->force || o->verify))
		return "--format goes with neither --force nor --verify";
	return NULL;
}

/* Returns -1 to go on, or the exit status. */
static int
parse(int argc, char **argv, struct export_options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "client", required_argument, NULL, CLIENT },
		{ "format", required_argument, NULL, FORMAT },
		{ "since", required_argument, NULL, SINCE },
		{ "until", required_argument, NULL, UNTIL },
		{ "dry-run", no_argument, NULL, DRY_RUN },
		{ "force", no_argument, NULL, FORCE },
		{ "verify", no_argument, NULL, VERIFY },
		{ "requests", no_argument, NULL, REQUESTS },
		{ "verbose", no_argument, NULL, 'v' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, status;

	while ((c = getopt_long(argc, argv, "c:vqhV", longs, NULL)) != -1)
		if ((status = take(c, o)) >= 0)
			return status;
	if (optind < argc)
		return (int)misused("unexpected argument ", argv[optind]);
	if (conflict(o) != NULL)
		return (int)misused(conflict(o), "");
	return -1;
}

static enum export_status
give_up(const struct mr_error *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return EXPORT_MISUSED;
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

/*
 * The threads that read do not interrupt the server for each piece that it sends, so they
 * find more at once; nor do any of them interrupt those who collect.
 */
static void
set_scheduling(void)
{
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ .sched_priority = 0 });
}

static enum export_status
run(const struct mr_conf *conf, const struct export_options *o)
{
	/* What goes to stderr becomes a mail of cron's: there, only errors count. */
	bool mail = strcmp(conf->log, "stderr") == 0 && !o->verbose;
	struct mr_error err = MR_ERROR_INIT;

	if (mr_log_open(PROGRAM, conf->log, mail ? MR_LOG_ERROR :
	    (enum mr_log_level)conf->log_level, &err) != MR_OK)
		return give_up(&err);
	if (conf->n_clients == 0) {
		(void)mr_fail(&err, MR_EINVAL, "%s: has no section [client NAME]: nothing is exported "
		    "to anywhere", o->config);
		return give_up(&err);
	}
	if (o->client != NULL && mr_conf_client_find(conf, mr_str(o->client)) == NULL) {
		(void)mr_fail(&err, MR_EINVAL, "%s: there is no [client %s]", o->config, o->client);
		return give_up(&err);
	}
	catch_signals();
	set_scheduling();
	return export_run(conf, o, &stop);
}

int
main(int argc, char **argv)
{
	struct export_options options = { .config = getenv("MILLRACE_CONFIG"),
		.since_us = INT64_MIN, .until_us = INT64_MAX };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	int status = parse(argc, argv, &options);

	if (status >= 0)
		return status;
	options.config = mr_conf_file(options.config);
	umask(027);
	mr_secret_no_core();
#ifdef HAVE_MALLOPT
	/* Part buffers go back to the system when their destination is done. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
	if (mr_conf_load(&conf, options.config, &err) != MR_OK)
		return (int)give_up(&err);
	if (mr_db_check_url(conf.database_url, &err) != MR_OK)
		status = (int)give_up(&err);
	else
		status = (int)run(&conf, &options);
	mr_conf_free(&conf);
	mr_log_close();
	return status;
}
