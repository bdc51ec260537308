/* millrace.fcgi: options, configuration, log; then the worker. */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#ifdef HAVE_MALLOPT
#include <malloc.h>
#endif

#include "base/log.h"
#include "conf/conf.h"
#include "db/connection.h"
#include "worker.h"

#define PROGRAM "millrace.fcgi"
/* A block of this size goes back to the system when it is freed. */
#define LARGE_BYTES (128 * 1024)

static const char help[] =
    "usage: " PROGRAM " [-c FILE] [-t]\n"
    "       " PROGRAM " -h | -V\n"
    "\n"
    "Collects events. Spawned by a web server: as FastCGI when its standard\n"
    "input is a listening socket, else as plain CGI for one request.\n"
    "\n"
    "  -c, --config FILE  configuration; else $MILLRACE_CONFIG, else\n"
    "                     " MR_CONF_FILE "\n"
    "  -t, --test         check the configuration and exit\n"
    "  -h, --help         print this and exit\n"
    "  -V, --version      print the version and exit\n"
    "\n"
    "Manual: " PROGRAM "(8), millrace.ini(5)\n";

struct options {
	const char *config;
	bool test;
};

/* Returns -1 to go on, or the exit status. */
static int
parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:thV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			options->config = optarg;
			break;
		case 't':
			options->test = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts(PROGRAM " " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("try '" PROGRAM " --help'\n", stderr);
			return EXIT_FAILURE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, PROGRAM ": unexpected argument '%s'\n", argv[optind]);
	return EXIT_FAILURE;
}

static int
give_up(const struct mr_error *err)
{
	mr_log_error("%s", err->text);
	return EXIT_FAILURE;
}

static int
run(const struct mr_conf *conf, const struct options *options)
{
	struct mr_error err = MR_ERROR_INIT;

	if (options->test) {
		printf("%s: the configuration is good\n", options->config);
		return EXIT_SUCCESS;
	}
	if (mr_log_open(PROGRAM, conf->log, (enum mr_log_level)conf->log_level, &err) != MR_OK ||
	    mr_worker_run(conf, &err) != MR_OK)
		return give_up(&err);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct options options = { .config = getenv("MILLRACE_CONFIG") };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	/* As plain CGI, the web server makes arguments of the query string (RFC 3875, 4.4). */
	int status = getenv("REQUEST_METHOD") != NULL ? -1 : parse(argc, argv, &options);

	if (status >= 0)
		return status;
	options.config = mr_conf_file(options.config);
	umask(027);
	/* The log follows its file by itself; there is nothing to reload. */
	(void)signal(SIGHUP, SIG_IGN);
#ifdef HAVE_MALLOPT
	/*
	 * glibc would make an arena for each thread, and raise both thresholds with
	 * the largest body that was ever freed; so each would keep what it grew to.
	 */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, 4 * LARGE_BYTES);
#endif
	/* So that a message before the log is open goes to stderr by name. */
	(void)mr_log_open(PROGRAM, "stderr", MR_LOG_INFO, NULL);
	if (mr_conf_load(&conf, options.config, &err) != MR_OK)
		return give_up(&err);
	status = mr_db_check_url(conf.database_url, &err) != MR_OK ? give_up(&err) :
	    run(&conf, &options);
	mr_conf_free(&conf);
	mr_log_close();
	return status;
}
