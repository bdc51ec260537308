/* The breaker: see breaker.h. */
#include "ingest/breaker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "counters/stats.h"

struct mr_breaker {
	struct mr_spool **spools;
	size_t n_spools;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by lock: */
	struct mr_breaker_view now;
	int64_t held_until_ms;
	bool counted; /* the opening that lasts */
	int spooling; /* lanes between enter() or trip() and leave() */
	bool stopping;
};

struct mr_breaker *
mr_breaker_new(enum mr_breaker_state state, int64_t hold_ms)
{
	struct mr_breaker *b = calloc(1, sizeof *b);
	pthread_condattr_t attr;

	if (b == NULL)
		return NULL;
	b->now.state = state;
	b->now.connected = state == MR_CLOSED;
	b->counted = state == MR_OPEN;
	b->held_until_ms = mr_clock_mono_ms() + hold_ms;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->changed, &attr);
	pthread_condattr_destroy(&attr);
	return b;
}

void
mr_breaker_free(struct mr_breaker *b)
{
	if (b == NULL)
		return;
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b->spools);
	free(b);
}

bool
mr_breaker_add_spool(struct mr_breaker *b, struct mr_spool *spool)
{
	struct mr_spool **spools = realloc(b->spools, (b->n_spools + 1) * sizeof *spools);

	if (spools == NULL)
		return false;
	b->spools = spools;
	b->spools[b->n_spools++] = spool;
	return true;
}

/* With the lock held: waits for a change; false when the time has come. */
static bool
wait_until(struct mr_breaker *b, int64_t mono_ms)
{
	struct timespec t = { .tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000 };

	return pthread_cond_timedwait(&b->changed, &b->lock, &t) != ETIMEDOUT;
}

static void
set_state(struct mr_breaker *b, enum mr_breaker_state state)
{
	if (state == MR_OPEN && !b->counted)
		mr_stat_add(MR_STAT_BREAKER_OPENINGS, 1);
	b->counted = state != MR_CLOSED && (b->counted || state == MR_OPEN);
	b->now.state = state;
	pthread_cond_broadcast(&b->changed);
}

bool
mr_breaker_enter(struct mr_breaker *b)
{
	bool closed;

	pthread_mutex_lock(&b->lock);
	while (b->now.state == MR_HELD)
		if (!wait_until(b, b->held_until_ms) && b->now.state == MR_HELD)
			set_state(b, MR_OPEN);
	closed = b->now.state == MR_CLOSED;
	b->spooling += !closed;
	pthread_mutex_unlock(&b->lock);
	return closed;
}

void
mr_breaker_trip(struct mr_breaker *b, const struct mr_error *why, bool alarm)
{
	pthread_mutex_lock(&b->lock);
	set_state(b, MR_OPEN);
	b->now.connected = b->now.connected && alarm;
	b->now.alarm = alarm;
	b->now.why = *why;
	b->spooling++;
	pthread_mutex_unlock(&b->lock);
}

void
mr_breaker_leave(struct mr_breaker *b)
{
	pthread_mutex_lock(&b->lock);
	if (--b->spooling == 0)
		pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

enum mr_breaker_event
mr_breaker_wait(struct mr_breaker *b, int64_t timeout_ms)
{
	int64_t until = mr_clock_mono_ms() + timeout_ms;
	enum mr_breaker_event event;

	pthread_mutex_lock(&b->lock);
	while (!b->stopping && b->now.state == MR_CLOSED && wait_until(b, until))
		;
	event = b->stopping ? MR_BREAKER_STOP :
	    b->now.state != MR_CLOSED ? MR_BREAKER_WORK : MR_BREAKER_TIMEOUT;
	pthread_mutex_unlock(&b->lock);
	return event;
}

bool
mr_breaker_pause(struct mr_breaker *b, int64_t ms)
{
	int64_t until = mr_clock_mono_ms() + ms;
	bool go_on;

	pthread_mutex_lock(&b->lock);
	while (!b->stopping && wait_until(b, until))
		;
	go_on = !b->stopping;
	pthread_mutex_unlock(&b->lock);
	return go_on;
}

bool
mr_breaker_hold(struct mr_breaker *b, int64_t hold_ms)
{
	bool held;

	pthread_mutex_lock(&b->lock);
	set_state(b, MR_HELD);
	b->held_until_ms = mr_clock_mono_ms() + hold_ms;
	/* Nobody enters now; who is in is done after one append. */
	while (b->spooling > 0 && b->now.state == MR_HELD)
		pthread_cond_wait(&b->changed, &b->lock);
	held = b->now.state == MR_HELD;
	for (size_t i = 0; held && i < b->n_spools; i++)
		mr_spool_close_segment(b->spools[i]);
	pthread_mutex_unlock(&b->lock);
	return held;
}

bool
mr_breaker_release(struct mr_breaker *b, enum mr_breaker_state state)
{
	bool held;

	pthread_mutex_lock(&b->lock);
	held = b->now.state == MR_HELD;
	if (held) {
		set_state(b, state);
		if (state == MR_CLOSED)
			b->now = (struct mr_breaker_view){ .state = MR_CLOSED, .connected = true,
				.why = MR_ERROR_INIT };
	}
	pthread_mutex_unlock(&b->lock);
	return held;
}

void
mr_breaker_report(struct mr_breaker *b, bool connected, bool alarm, const struct mr_error *err)
{
	pthread_mutex_lock(&b->lock);
	b->now.connected = connected;
	b->now.alarm = alarm;
	b->now.why = *err;
	pthread_mutex_unlock(&b->lock);
}

void
mr_breaker_stop(struct mr_breaker *b)
{
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

bool
mr_breaker_stopping(struct mr_breaker *b)
{
	bool stopping;

	pthread_mutex_lock(&b->lock);
	stopping = b->stopping;
	pthread_mutex_unlock(&b->lock);
	return stopping;
}

void
mr_breaker_look(struct mr_breaker *b, struct mr_breaker_view *view)
{
	pthread_mutex_lock(&b->lock);
	*view = b->now;
	pthread_mutex_unlock(&b->lock);
}
