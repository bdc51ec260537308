/*
 * The worker's threads: see worker.h. The main thread waits for the signal to
 * stop; request threads look at `stopping` between two requests.
 *
 * A thread that has read a request hands its events to the writer and turns to
 * the next one, without waiting for the commit. When the writer gives a group
 * back, whoever is free answers all of it. So a request costs no sleep and no
 * wake-up of its own, which would be half of the worker's work.
 */
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "askers.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/seldom.h"
#include "channel.h"
#include "counters/shared.h"
#include "guesses.h"
#include "limits.h"
#include "privacy/privacy.h"
#include "request.h"
#include "routes.h"

/* Deepest use: a log line's buffers on top of libpq. */
#define STACK_BYTES ((size_t)512 * 1024)
/* A body's JSON needs up to 20 bytes a value, its rows 200 bytes an event. */
#define ARENA_BYTES_PER_BODY_BYTE 64

/* At a stop, how long a request that is under way may still take to arrive. */
#define STOP_GRACE_S 5

/* So many ask the database at a time for an administrator, and for /health. */
#define ASKERS 2
#define HEALTH_ASKERS 1

/* So many of a group's requests one thread answers before it lets others help. */
#define ANSWERS_IN_A_ROW 8

static atomic_bool stopping;

/* Requests whose events are with the writer, or came back from it. */
struct mr_completions {
	atomic_size_t away; /* at most as many as there are threads; beyond that they wait */
	pthread_mutex_t lock;
	/* Guarded by lock: jobs that are done, oldest first. */
	struct mr_job *done;
	struct mr_job **tail;
};

static void
init_completions(struct mr_completions *completions)
{
	*completions = (struct mr_completions){ .tail = &completions->done };
	pthread_mutex_init(&completions->lock, NULL);
}

/* The writer's finished(). */
static void
take_back(void *arg, struct mr_job *first)
{
	struct mr_completions *completions = arg;
	bool was_empty;

	pthread_mutex_lock(&completions->lock);
	was_empty = completions->done == NULL;
	*completions->tail = first;
	while (*completions->tail != NULL)
		completions->tail = &(*completions->tail)->next;
	pthread_mutex_unlock(&completions->lock);
	if (was_empty)
		mr_channel_wake();
}

/* Up to n finished jobs, as a list. */
static struct mr_job *
pick_done(struct mr_completions *completions, size_t n)
{
	struct mr_job *first, **end;
	bool more;

	pthread_mutex_lock(&completions->lock);
	first = completions->done;
	for (end = &completions->done; *end != NULL && n > 0; n--)
		end = &(*end)->next;
	more = *end != NULL;
	if (first != NULL) {
		completions->done = *end;
		*end = NULL;
		if (!more)
			completions->tail = &completions->done;
	}
	pthread_mutex_unlock(&completions->lock);
	if (more)
		mr_channel_wake();
	return first;
}

static void
finish(struct mr_worker *worker, struct mr_exchange *x)
{
	mr_routes_finish(worker, mr_exchange_request(x), mr_exchange_response(x));
	mr_exchange_answer(x);
}

/* Answers requests whose jobs are done; returns how many. */
static size_t
answer_done(struct mr_worker *worker, size_t max)
{
	struct mr_job *job = pick_done(worker->completions, max), *next;
	size_t n = 0;

	mr_log_hold();
	for (; job != NULL; job = next, n++) {
		next = job->next;
		atomic_fetch_sub(&worker->completions->away, 1);
		finish(worker, job->owner);
	}
	mr_log_release();
	return n;
}

/* Whether one more may be away; if so, it counts. */
static bool
may_leave(struct mr_worker *worker)
{
	struct mr_completions *completions = worker->completions;

	if (mr_request_is_cgi())
		return false;
	if (atomic_fetch_add(&completions->away, 1) < (size_t)worker->conf->threads)
		return true;
	atomic_fetch_sub(&completions->away, 1);
	return false;
}

static void
serve(struct mr_worker *worker, struct mr_exchange *x)
{
	struct mr_response *response = mr_exchange_response(x);
	struct mr_job *job;

	mr_routes_serve(worker, mr_exchange_request(x), response);
	job = response->job;
	if (job == NULL) {
		mr_exchange_answer(x);
	} else if (may_leave(worker)) {
		job->owner = x;
		/* From here on it may be another thread's already. */
		mr_writer_submit(worker->writer, job);
	} else {
		mr_channel_step_aside();
		mr_writer_store(worker->writer, job);
		finish(worker, x);
	}
}

static void *
request_thread(void *arg)
{
	struct mr_worker *worker = arg;
	struct mr_exchange *x;

	while (!atomic_load(&stopping) || mr_channel_pending())
		if (answer_done(worker, ANSWERS_IN_A_ROW) == 0 &&
		    mr_exchange_accept(&x) == MR_OK)
			serve(worker, x);
	/* So that those that stand by end too. */
	mr_channel_step_aside();
	return NULL;
}

static enum mr_err
serve_cgi(struct mr_worker *worker, struct mr_error *err)
{
	struct mr_exchange *x;

	if (mr_exchange_cgi(&x) != MR_OK)
		return mr_fail(err, MR_ENOMEM, "no memory for the request");
	serve(worker, x);
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
		mr_channel_cut();
	for (; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* Until then it looks every second after requests that do not arrive. */
static int
wait_for_stop(const sigset_t *stop_signals)
{
	const struct timespec second = { .tv_sec = 1 };
	int which;

	while ((which = sigtimedwait(stop_signals, NULL, &second)) < 0)
		mr_channel_expire();
	return which;
}

static enum mr_err
serve_fastcgi(struct mr_worker *worker, const sigset_t *stop_signals, struct mr_error *err)
{
	size_t n = (size_t)worker->conf->threads, started;
	pthread_t *threads = calloc(n, sizeof *threads);

	if (threads == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu threads", n);
	started = start_threads(worker, threads, n);
	if (started == 0) {
		free(threads);
		return mr_fail(err, MR_EIO, "no request thread could be started");
	}
	mr_log_info("ready, %zu threads", started);
	mr_log_info("stopping: signal %d", wait_for_stop(stop_signals));
	atomic_store(&stopping, true);
	mr_channel_stop();
	join_all(threads, started);
	free(threads);
	return MR_OK;
}

/* Blocked in all threads, so that they arrive at wait_for_stop() alone. */
static void
block_signals(sigset_t *stop_signals)
{
	sigemptyset(stop_signals);
	sigaddset(stop_signals, SIGTERM);
	sigaddset(stop_signals, SIGINT);
	sigaddset(stop_signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, stop_signals, NULL);
}

/* Without the file the worker works as well, and counts for itself. */
static void
open_counters(const struct mr_conf *conf)
{
	enum mr_shared_mode mode = mr_request_is_cgi() ? MR_SHARED_VISIT : MR_SHARED_WORK;
	struct mr_error why = MR_ERROR_INIT;

	if (conf->metrics_file[0] != '\0' && mr_shared_open(conf->metrics_file, mode, &why) != MR_OK)
		mr_log_warning("counting in this process's memory, there are no books: %s",
		    why.text);
}

/* What a worker has besides its writer, which comes last and goes first. */
static enum mr_err
start_parts(struct mr_worker *worker, struct mr_error *err)
{
	size_t threads = (size_t)worker->conf->threads;
	enum mr_err e;

	if ((e = mr_guesses_new(&worker->guesses, err)) != MR_OK ||
	    (e = mr_askers_new(&worker->askers, ASKERS, true, threads, err)) != MR_OK ||
	    (e = mr_askers_new(&worker->health_askers, HEALTH_ASKERS, false, threads, err)) != MR_OK ||
	    (e = mr_limits_new(&worker->limits, worker->conf, err)) != MR_OK)
		return e;
	return mr_privacy_start(&worker->privacy, worker->conf, err);
}

static void
stop_parts(struct mr_worker *worker)
{
	mr_privacy_stop(worker->privacy);
	mr_limits_free(worker->limits);
	mr_askers_free(worker->health_askers);
	mr_askers_free(worker->askers);
	mr_guesses_free(worker->guesses);
}

enum mr_err
mr_worker_run(const struct mr_conf *conf, const char *web_servers, struct mr_error *err)
{
	struct mr_completions completions;
	struct mr_worker worker = { .conf = conf, .started_us = mr_clock_now_us(),
		.completions = &completions };
	/* As many may be away, and every thread may wait for one. */
	struct mr_writer_options options = { .conf = conf, .application = "millrace",
		.max_jobs = 2 * (size_t)conf->threads + 1, .finished = take_back, .arg = &completions };
	sigset_t stop_signals;
	enum mr_err e;

	init_completions(&completions);
	/* So more requests gather for one commit. */
	mr_process_be_patient();
	block_signals(&stop_signals);
	if ((e = mr_request_init((size_t)conf->max_body_bytes * ARENA_BYTES_PER_BODY_BYTE,
	    conf->client_ip_header, web_servers, conf->request_timeout_s, err)) != MR_OK)
		return e;
	options.alone = mr_request_is_cgi();
	open_counters(conf);
	options.instance = mr_shared_instance();
	if ((e = start_parts(&worker, err)) != MR_OK ||
	    (e = mr_writer_start(&worker.writer, &options, err)) != MR_OK) {
		stop_parts(&worker);
		return e;
	}
	e = mr_request_is_cgi() ? serve_cgi(&worker, err) :
	    serve_fastcgi(&worker, &stop_signals, err);
	mr_writer_stop(worker.writer);
	/* What the writer gave back after the last thread had gone. */
	(void)answer_done(&worker, SIZE_MAX);
	stop_parts(&worker);
	mr_seldom_tell();
	mr_shared_close();
	mr_request_end();
	return e;
}
