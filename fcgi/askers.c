/* Who asks the database: see askers.h. */
#include "askers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "counters/stats.h"

/* So long one waits for another to leave. */
#define WAIT_S 1
#define RETRY_AFTER_S 1

struct mr_askers {
	size_t at_once, may_wait;
	pthread_mutex_t lock;
	size_t asking, waiting; /* guarded by lock */
	pthread_cond_t left;
};

/* Half of the threads, at most, ask or wait. */
enum mr_err
mr_askers_new(struct mr_askers **askers, size_t at_once, bool may_wait, size_t threads,
    struct mr_error *err)
{
	struct mr_askers *a = calloc(1, sizeof *a);
	size_t most = threads > 2 ? threads / 2 : 1;

	*askers = a;
	if (a == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for those that ask the database");
	a->at_once = at_once < most ? at_once : most;
	if (may_wait)
		a->may_wait = at_once < most - a->at_once ? at_once : most - a->at_once;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->left, NULL);
	return MR_OK;
}

void
mr_askers_free(struct mr_askers *askers)
{
	if (askers == NULL)
		return;
	pthread_cond_destroy(&askers->left);
	pthread_mutex_destroy(&askers->lock);
	free(askers);
}

/* Until there is room, or for a while; holds the lock. */
static void
wait_for_room(struct mr_askers *a)
{
	struct timespec until;

	if (a->waiting >= a->may_wait)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	a->waiting++;
	while (a->asking >= a->at_once &&
	    pthread_cond_timedwait(&a->left, &a->lock, &until) != ETIMEDOUT)
		;
	a->waiting--;
}

bool
mr_askers_enter(struct mr_askers *a)
{
	bool may;

	pthread_mutex_lock(&a->lock);
	if (a->asking >= a->at_once)
		wait_for_room(a);
	may = a->asking < a->at_once;
	a->asking += may;
	pthread_mutex_unlock(&a->lock);
	return may;
}

void
mr_askers_leave(struct mr_askers *a)
{
	pthread_mutex_lock(&a->lock);
	a->asking--;
	pthread_cond_signal(&a->left);
	pthread_mutex_unlock(&a->lock);
}

void
mr_askers_refuse(struct mr_response *response)
{
	mr_stat_add(MR_STAT_ASKERS_REFUSED, 1);
	mr_response_fail(response, 503, "others ask the database already, as many as may at a time; "
	    "ask again later");
	mr_response_retry_after(response, RETRY_AFTER_S);
}
