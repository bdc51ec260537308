/*
 * The worker: what all its request threads share, and their life.
 */
#ifndef MR_FCGI_WORKER_H
#define MR_FCGI_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "ingest/writer.h"

/* Set up once; request threads only read it. */
struct mr_worker {
	const struct mr_conf *conf;
	struct mr_writer *writer;
	int64_t started_us;
	struct mr_privacy *privacy; /* NULL: nothing to do */
	struct mr_guesses *guesses;
	struct mr_limits *limits; /* NULL: none */
	struct mr_askers *askers; /* administrators, who ask the database */
	struct mr_askers *health_askers; /* anybody, who asks how it is */
	struct mr_completions *completions; /* worker.c's own: requests on their way through the writer */
};

/*
 * Serves requests, as conf says, of these web servers (see mr_channel_init()), until SIGTERM,
 * SIGINT or SIGUSR1, or one request as plain CGI; then finishes what was accepted and stores
 * what is queued. Call it from the main thread, before any other thread exists.
 */
enum mr_err mr_worker_run(const struct mr_conf *conf, const char *web_servers,
    struct mr_error *err);

#endif
