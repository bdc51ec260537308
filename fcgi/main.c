/* millrace.fcgi: options, configuration, log; then the worker. */
#include "config.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_MALLOPT
#include <malloc.h>
#endif

#include "base/log.h"
#include "base/process.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "db/connection.h"
#include "secret/secret.h"
#include "worker.h"

#define PROGRAM "millrace.fcgi"
/* A block of this size goes back to the system when it is freed. */
#define LARGE_BYTES (128 * 1024)

struct options {
	const char *config;
	bool test;
};

static const struct mr_option table[] = {
	MR_OPTION_CONFIG(struct options),
	{ 't', "test", NULL, offsetof(struct options, test), "check the configuration and exit" },
};

static const struct mr_command command = {
	.program = PROGRAM,
	.usage = "[-c FILE] [-t]",
	.about = "Collects events. Spawned by a web server: as FastCGI when its standard input is "
	    "a listening socket, else as plain CGI for one request.",
	.options = table,
	.n_options = sizeof table / sizeof table[0],
	.misused = EXIT_FAILURE,
};

/* A web server or spawn-fcgi may keep what is said to stderr from everybody. */
static int
give_up(const struct options *options, const struct mr_error *err)
{
	if (options->test || isatty(STDERR_FILENO) != 0)
		mr_log_error("%s", err->text);
	else
		mr_log_last_words(err->text);
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
	mr_log_open_or_syslog(PROGRAM, conf->log, (enum mr_log_level)conf->log_level);
	if (mr_worker_run(conf, getenv("FCGI_WEB_SERVER_ADDRS"), &err) != MR_OK)
		return give_up(options, &err);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct options options = { .config = getenv("MILLRACE_CONFIG") };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	/* As plain CGI, the web server makes arguments of the query string (RFC 3875, 4.4). */
	int status = getenv("REQUEST_METHOD") != NULL ? -1 :
	    mr_options_read(&command, &argc, &argv, &options);

	if (status >= 0)
		return status;
	options.config = mr_conf_file(options.config);
	umask(027);
	/* Whoever takes over a request gets nothing that is not this user's already. */
	mr_process_gain_nothing();
	mr_secret_no_core();
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
		return give_up(&options, &err);
	status = mr_db_check_url(conf.database_url, &err) != MR_OK ? give_up(&options, &err) :
	    run(&conf, &options);
	mr_conf_free(&conf);
	mr_log_close();
	return status;
}
