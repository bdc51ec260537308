/*
 * The worker's threads: see worker.h. The main thread waits for the signal to
 * stop; request threads look at `stopping` between two requests.
 */
#include "worker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "request.h"
#include "routes.h"

/* Deepest use: a log line's buffers on top of libpq. */
#define STACK_BYTES ((size_t)512 * 1024)
/* A body's JSON needs up to 20 bytes a value, its rows 200 bytes an event. */
#define ARENA_BYTES_PER_BODY_BYTE 64

/* At a stop, how long a request that is under way may still take to arrive. */
#define STOP_GRACE_S 5

static atomic_bool stopping;

static size_t
arena_max(const struct mr_conf *conf)
{
	return (size_t)conf->max_body_bytes * ARENA_BYTES_PER_BODY_BYTE;
}

static void
serve_one(struct mr_worker *worker, struct mr_connection *c, struct mr_request *request,
    struct mr_response *response)
{
	mr_routes_serve(worker, request, response);
	mr_connection_answer(c, response, mr_str_eq(request->method, MR_STR_LIT("HEAD")));
}

static void *
request_thread(void *arg)
{
	struct mr_worker *worker = arg;
	struct mr_connection *c = mr_connection_new(arena_max(worker->conf));
	struct mr_response response;
	struct mr_request request;

	if (c == NULL) {
		mr_log_error("no memory for a request thread");
		return NULL;
	}
	mr_response_init(&response);
	while (!atomic_load(&stopping) || mr_request_pending())
		if (mr_connection_accept(c, &request) == MR_OK)
			serve_one(worker, c, &request, &response);
	mr_response_free(&response);
	mr_connection_free(c);
	return NULL;
}

static enum mr_err
serve_cgi(struct mr_worker *worker, struct mr_error *err)
{
	struct mr_connection *c = mr_connection_new(arena_max(worker->conf));
	struct mr_response response;
	struct mr_request request;

	mr_response_init(&response);
	if (c == NULL || mr_connection_cgi(c, &request) != MR_OK) {
		mr_connection_free(c);
		return mr_fail(err, MR_ENOMEM, "no memory for the request");
	}
	serve_one(worker, c, &request, &response);
	mr_response_free(&response);
	mr_connection_free(c);
	return MR_OK;
}

/* Returns how many threads it could start. */
static size_t
start_threads(struct mr_worker *worker, pthread_t *threads, size_t n)
{
	pthread_attr_t attr;
	size_t started = 0;
	int e = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (started < n && e == 0) {
		e = pthread_create(&threads[started], &attr, request_thread, worker);
		started += e == 0;
	}
	pthread_attr_destroy(&attr);
	if (e != 0)
		mr_log_warning("only %zu of %zu request threads were started: %s", started, n,
		    strerror(e));
	return started;
}

/* Joins the threads; those that still read after a while are cut short. */
static void
join_all(pthread_t *threads, size_t n)
{
	struct timespec until;
	size_t i = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_GRACE_S;
	while (i < n && pthread_timedjoin_np(threads[i], NULL, &until) == 0)
		i++;
	if (i < n)
		mr_request_cut();
	for (; i < n; i++)
		pthread_join(threads[i], NULL);
}

static enum mr_err
serve_fastcgi(struct mr_worker *worker, const sigset_t *stop_signals, struct mr_error *err)
{
	size_t n = (size_t)worker->conf->threads, started;
	pthread_t *threads = calloc(n, sizeof *threads);
	int which;

	if (threads == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu threads", n);
	started = start_threads(worker, threads, n);
	if (started == 0) {
		free(threads);
		return mr_fail(err, MR_EIO, "no request thread could be started");
	}
	mr_log_info("ready, %zu threads", started);
	sigwait(stop_signals, &which);
	mr_log_info("stopping: signal %d", which);
	atomic_store(&stopping, true);
	mr_request_stop();
	join_all(threads, started);
	free(threads);
	return MR_OK;
}

enum mr_err
mr_worker_run(const struct mr_conf *conf, struct mr_error *err)
{
	struct mr_worker worker = { .conf = conf, .started_us = mr_clock_now_us() };
	/* Every thread waits for at most one job. */
	struct mr_writer_options options = { .conf = conf, .application = "millrace",
		.max_jobs = (size_t)conf->threads + 1 };
	sigset_t stop_signals;
	enum mr_err e;

	/*
	 * Threads that are woken do not interrupt those that run: so more requests
	 * gather for one commit, and about a tenth of the work is saved.
	 */
	(void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ .sched_priority = 0 });
	/* Blocked in all threads, so that they arrive at sigwait() alone. */
	sigemptyset(&stop_signals);
	sigaddset(&stop_signals, SIGTERM);
	sigaddset(&stop_signals, SIGINT);
	sigaddset(&stop_signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
	if ((e = mr_request_init(err)) != MR_OK)
		return e;
	options.alone = mr_request_is_cgi();
	if ((e = mr_writer_start(&worker.writer, &options, err)) != MR_OK)
		return e;
	e = mr_request_is_cgi() ? serve_cgi(&worker, err) :
	    serve_fastcgi(&worker, &stop_signals, err);
	mr_writer_stop(worker.writer);
	mr_request_end();
	return e;
}
