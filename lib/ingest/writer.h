/*
 * The writer: stores what all request threads bring.
 *
 * Jobs are submitted from any thread. The writer's thread takes what is queued,
 * small jobs or large ones, up to a number of rows and bytes and to what is stored
 * in some 50 ms (queue.h, pace.h), stores it with one commit and gives each job
 * back with its own result. Idle, a request waits for one
 * commit; under load the groups grow by themselves. When a backlog builds up
 * all the same, further threads, each with a connection of its own ([database]
 * connections), help. What the database cannot take goes to the spool
 * (breaker.h, keeper.h).
 */
#ifndef MR_INGEST_WRITER_H
#define MR_INGEST_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "ingest/job.h"

struct mr_writer;

struct mr_writer_options {
	const struct mr_conf *conf; /* must stay until stop */
	const char *application;    /* application_name of the connections */
	const uint8_t *instance;    /* MR_UUID_BYTES of this host's id; must stay until stop */
	size_t max_jobs;            /* in one group */
	bool alone;                 /* one request (plain CGI): no thread besides the first */
	/*
	 * Called with the jobs of a group, as a list, that nobody waits for. By a
	 * thread of the writer, which must not be held up; never two groups' at once
	 * from one thread, but from several.
	 */
	void (*finished)(void *arg, struct mr_job *first);
	void *arg;
};

/*
 * Starts the threads. A database that is away is no error: events go to the
 * spool until it is back. A spool that cannot be used is none either; it is
 * logged.
 */
enum mr_err mr_writer_start(struct mr_writer **writer, const struct mr_writer_options *options,
    struct mr_error *err);

/*
 * Stores what is queued, then ends the threads and frees everything. Nobody may
 * submit any more, or be about to.
 */
void mr_writer_stop(struct mr_writer *writer);

/*
 * Queues a job (a batch with n_rows >= 1) and returns; finished() gets it back
 * when it is committed, in the spool, or cannot be either. One that meets a
 * database which does not answer takes query_timeout_ms; those after it do not.
 */
void mr_writer_submit(struct mr_writer *writer, struct mr_job *job);

/* The same, but waits until it is done. */
void mr_writer_store(struct mr_writer *writer, struct mr_job *job);

enum mr_health {
	MR_HEALTHY,  /* events are kept where they should be */
	MR_DEGRADED, /* they are kept in the spool */
	MR_UNHEALTHY /* they are refused */
};

struct mr_writer_health {
	enum mr_health health;
	bool connected;      /* to the database */
	struct mr_error why; /* of the last two */
};

/*
 * How things are. Makes a round trip on the writer's first connection, and
 * blocks as store does; when the database is known to be away, or is not used,
 * it answers at once.
 */
void mr_writer_check(struct mr_writer *writer, struct mr_writer_health *health);

/* The same as far as it is known, without asking the database. */
void mr_writer_look(struct mr_writer *writer, struct mr_writer_health *health);

#endif
