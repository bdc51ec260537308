/*
 * Reading ahead: see readahead.h. A thread copies the tuples of its connection
 * into a ring of blocks, each with its length in front; who asks for rows
 * takes the tuples out of the blocks, where their texts stay.
 */
#include "export/readahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "db/copy.h"
#include "export/copyout.h"
#include "export/sql.h"

#define AHEAD_BYTES ((size_t)8 << 20)
#define BLOCK_BYTES ((size_t)256 * 1024)
#define BLOCKS (AHEAD_BYTES / BLOCK_BYTES)
/* Instead of a tuple's length: the range ends here, and with it the block. */
#define END_OF_RANGE UINT32_MAX

struct block {
	char *p; /* NULL: not needed so far */
	size_t n;
	size_t room;
};

/* One connection and its thread. */
struct reader {
	struct mr_readahead *all;
	struct mr_db *db;
	size_t number;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	/*
	 * The block behind the filled ones is the thread's, the first of them that
	 * of who asks for rows. Guarded by lock: which those are.
	 */
	struct block ring[BLOCKS];
	size_t first;
	size_t n_filled;
	size_t bytes; /* in those */
	bool cancelled;
	bool ended; /* the thread puts no more into it */
	enum mr_err e;
	struct mr_error err; /* why it ended, when it was not the last range */
};

struct mr_readahead {
	mr_readahead_query *query;
	const void *arg;
	size_t n_ranges;
	size_t range;             /* that is being read */
	struct mr_copyout copy;  /* without threads: of that range */
	bool copying;
	size_t at;               /* with them: in the first block of its reader */
	bool has_block;
	size_t n_threads;          /* those with a thread */
	size_t n_dbs;
	struct reader readers[];     /* n_dbs of them */
};

static enum mr_err
start_range(const struct mr_readahead *a, struct mr_db *db, size_t range, struct mr_copyout *copy,
    struct mr_error *err)
{
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	a->query(a->arg, range, &sql);
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory for a query") :
	    mr_copyout_start(copy, db, sql.p, err);
	mr_buf_free(&sql);
	return e;
}

/* --- in the threads --- */

/* Hands the block over. Returns an empty one; NULL: there is no sense in going on. */
static struct block *
publish(struct reader *r)
{
	struct block *b = NULL;

	pthread_mutex_lock(&r->lock);
	r->bytes += r->ring[(r->first + r->n_filled++) % BLOCKS].n;
	pthread_cond_signal(&r->filled);
	while ((r->n_filled == BLOCKS || r->bytes >= AHEAD_BYTES) && !r->cancelled)
		pthread_cond_wait(&r->emptied, &r->lock);
	if (!r->cancelled) {
		b = &r->ring[(r->first + r->n_filled) % BLOCKS];
		b->n = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return b;
}

static bool
reserve(struct block *b, size_t room)
{
	char *p;

	if (room <= b->room)
		return true;
	p = realloc(b->p, room);
	if (p == NULL)
		return false;
	b->p = p;
	b->room = room;
	return true;
}

/* A tuple, or with p == NULL the end of the range. MR_EAGAIN: cancelled. */
static enum mr_err
put(struct reader *r, struct block **block, struct mr_str tuple, struct mr_error *err)
{
	uint32_t n = tuple.p != NULL ? (uint32_t)tuple.n : END_OF_RANGE;
	size_t bytes = sizeof n + tuple.n;
	struct block *b = *block;

	if (b->n > 0 && bytes > b->room - b->n && (b = *block = publish(r)) == NULL)
		return MR_EAGAIN;
	/* A tuple may be larger than a block. */
	if (!reserve(b, b->n + bytes > BLOCK_BYTES ? b->n + bytes : BLOCK_BYTES))
		return mr_fail(err, MR_ENOMEM, "no memory to read a row of %zu bytes", tuple.n);
	memcpy(b->p + b->n, &n, sizeof n);
	if (tuple.n > 0)
		memcpy(b->p + b->n + sizeof n, tuple.p, tuple.n);
	b->n += bytes;
	if (tuple.p == NULL && (*block = publish(r)) == NULL)
		return MR_EAGAIN;
	return MR_OK;
}

static enum mr_err
read_range(struct reader *r, size_t range, struct block **block, struct mr_error *err)
{
	struct mr_copyout copy;
	struct mr_str tuple = { "", 0 };
	enum mr_err e = start_range(r->all, r->db, range, &copy, err);

	while (e == MR_OK && tuple.p != NULL &&
	    (e = mr_copyout_raw(&copy, &tuple, err)) == MR_OK)
		e = put(r, block, tuple, err);
	return e;
}

static void *
read_ranges(void *arg)
{
	struct reader *r = arg;
	struct block *block = &r->ring[0];
	struct mr_error err = MR_ERROR_INIT;
	enum mr_err e = MR_OK;

	for (size_t range = r->number; range < r->all->n_ranges && e == MR_OK;
	    range += r->all->n_threads)
		e = read_range(r, range, &block, &err);
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	r->e = e;
	r->err = err;
	pthread_cond_signal(&r->filled);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- in front of them --- */

/* Gives the reader's first block back. */
static void
release(struct reader *r)
{
	struct block *b = &r->ring[r->first];
	size_t n = b->n;

	/* That of a large row does not stay. */
	if (b->room > BLOCK_BYTES) {
		free(b->p);
		*b = (struct block){ NULL, 0, 0 };
	}
	pthread_mutex_lock(&r->lock);
	r->first = (r->first + 1) % BLOCKS;
	r->n_filled--;
	r->bytes -= n;
	pthread_cond_signal(&r->emptied);
	pthread_mutex_unlock(&r->lock);
}

/* Waits for the reader's next block. */
static enum mr_err
await(struct reader *r, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	pthread_mutex_lock(&r->lock);
	while (r->n_filled == 0 && !r->ended)
		pthread_cond_wait(&r->filled, &r->lock);
	if (r->n_filled == 0) {
		e = r->e;
		*err = r->err;
	}
	pthread_mutex_unlock(&r->lock);
	return e;
}

/* The next tuple of any range; p == NULL: that was all. */
static enum mr_err
next_ahead(struct mr_readahead *a, struct mr_str *tuple, struct mr_error *err)
{
	struct reader *r;
	struct block *b;
	uint32_t n;
	enum mr_err e;

	for (*tuple = MR_STR_NULL; a->range < a->n_ranges; a->has_block = false) {
		r = &a->readers[a->range % a->n_threads];
		if (!a->has_block) {
			if ((e = await(r, err)) != MR_OK)
				return e;
			a->has_block = true;
			a->at = 0;
		}
		b = &r->ring[r->first];
		if (a->at < b->n) {
			memcpy(&n, b->p + a->at, sizeof n);
			a->at += sizeof n;
			if (n != END_OF_RANGE) {
				*tuple = (struct mr_str){ b->p + a->at, n };
				a->at += n;
				return MR_OK;
			}
			a->range++;
		}
		release(r);
	}
	return MR_OK;
}

/* The same without threads. */
static enum mr_err
next_direct(struct mr_readahead *a, struct mr_str *tuple, struct mr_error *err)
{
	enum mr_err e;

	for (*tuple = MR_STR_NULL; a->range < a->n_ranges; a->range++) {
		if (!a->copying &&
		    (e = start_range(a, a->readers[0].db, a->range, &a->copy, err)) != MR_OK)
			return e;
		a->copying = true;
		if ((e = mr_copyout_raw(&a->copy, tuple, err)) != MR_OK || tuple->p != NULL)
			return e;
		a->copying = false;
	}
	return MR_OK;
}

enum mr_err
mr_readahead_next(struct mr_readahead *a, const struct mr_export_row **row,
    struct mr_export_row *room, struct mr_error *err)
{
	struct mr_str tuple;
	enum mr_err e = a->n_threads > 0 ? next_ahead(a, &tuple, err) : next_direct(a, &tuple, err);

	*row = NULL;
	if (e != MR_OK || tuple.p == NULL)
		return e;
	e = mr_copyout_tuple(tuple, room, err);
	*row = e == MR_OK ? room : NULL;
	return e;
}

/* --- beginning and end --- */

static void
init_reader(struct mr_readahead *a, size_t i, struct mr_db *db)
{
	struct reader *r = &a->readers[i];

	r->all = a;
	r->db = db;
	r->number = i;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->filled, NULL);
	pthread_cond_init(&r->emptied, NULL);
}

/* Signals stay the business of the other threads. */
static size_t
start_threads(struct mr_readahead *a, size_t n)
{
	sigset_t all, old;
	size_t started = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* Set before they begin: it is how far they are apart. */
	a->n_threads = n;
	while (started < n && pthread_create(&a->readers[started].thread, NULL, read_ranges,
	    &a->readers[started]) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return started;
}

static void
stop_reader(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	r->cancelled = true;
	pthread_cond_signal(&r->emptied);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
}

static void
stop_threads(struct mr_readahead *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stop_reader(&a->readers[i]);
}

static void
free_all(struct mr_readahead *a)
{
	for (size_t i = 0; i < a->n_dbs; i++) {
		struct reader *r = &a->readers[i];

		mr_db_copy_stop(r->db);
		for (size_t k = 0; k < BLOCKS; k++)
			free(r->ring[k].p);
		pthread_mutex_destroy(&r->lock);
		pthread_cond_destroy(&r->filled);
		pthread_cond_destroy(&r->emptied);
	}
	free(a);
}

enum mr_err
mr_readahead_start(struct mr_readahead **ahead, struct mr_db *const *dbs, size_t n_dbs,
    size_t n_ranges, mr_readahead_query *query, const void *arg, struct mr_error *err)
{
	size_t n = n_ranges < n_dbs ? n_ranges : n_dbs, started;
	struct mr_readahead *a = calloc(1, sizeof *a + n_dbs * sizeof a->readers[0]);

	*ahead = NULL;
	if (a == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory to read rows");
	a->query = query;
	a->arg = arg;
	a->n_ranges = n_ranges;
	a->n_dbs = n_dbs;
	for (size_t i = 0; i < n_dbs; i++)
		init_reader(a, i, dbs[i]);
	if (n > 1 && (started = start_threads(a, n)) < n) {
		stop_threads(a, started);
		free_all(a);
		return mr_fail(err, MR_EIO, "a thread to read rows could not be started");
	}
	*ahead = a;
	return MR_OK;
}

void
mr_readahead_stop(struct mr_readahead *a)
{
	if (a == NULL)
		return;
	stop_threads(a, a->n_threads);
	free_all(a);
}
