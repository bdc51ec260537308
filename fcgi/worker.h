/*
 * The worker: what all its request threads share, and their life.
 */
#ifndef MR_FCGI_WORKER_H
#define MR_FCGI_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/error.h"
#include "format/ip.h"
#include "io/writer.h"

/* Set up once; request threads only read it. */
struct mr_worker {
	const struct mr_conf *conf;
	struct mr_ip_block *trusted; /* [collector] trusted_proxies */
	size_t n_trusted;
	struct mr_writer *writer;
	int64_t started_us;
};

/*
 * Checks what the configuration alone could not (trusted_proxies) and fills
 * the worker, all but the writer. conf must stay. Release with free.
 */
enum mr_err mr_worker_init(struct mr_worker *worker, const struct mr_conf *conf,
    struct mr_error *err);
void mr_worker_free(struct mr_worker *worker);

/*
 * Serves requests until SIGTERM, SIGINT or SIGUSR1, or one request as plain
 * CGI; then finishes what was accepted and stores what is queued. Call it
 * from the main thread, before any other thread exists.
 */
enum mr_err mr_worker_run(struct mr_worker *worker, struct mr_error *err);

#endif
