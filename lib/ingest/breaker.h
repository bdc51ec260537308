/*
 * The breaker: whether groups go to the database or to the spool, for all lanes
 * of a writer.
 *
 *   CLOSED  groups go to the database
 *   OPEN    groups go to the spool, or are refused when there is none
 *   HELD    groups wait, for a moment: the keeper stores the last of the spool,
 *           so that what comes next is stored behind it
 *
 * A lane opens it when it cannot store a group; the keeper (keeper.h) closes it.
 * The lanes' spools are registered here: a lane may use its spool between an
 * enter() or trip() that leads there and leave(); while it is held, they are the
 * keeper's.
 */
#ifndef MR_INGEST_BREAKER_H
#define MR_INGEST_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "spool/spool.h"

enum mr_breaker_state { MR_CLOSED, MR_OPEN, MR_HELD };

struct mr_breaker;

/*
 * hold_ms: how long it may be held this time, at the start. NULL: no memory.
 * The breaker must outlive the spools' use, not the spools.
 */
struct mr_breaker *mr_breaker_new(enum mr_breaker_state state, int64_t hold_ms);
void mr_breaker_free(struct mr_breaker *b);

/* Before any thread uses the breaker. False: no memory; its segments would never be replayed. */
bool mr_breaker_add_spool(struct mr_breaker *b, struct mr_spool *spool);

/* --- for lanes ---------------------------------------------------------------- */

/* True: to the database. False: to the spool, and leave() when it is done. */
bool mr_breaker_enter(struct mr_breaker *b);

/*
 * The database cannot take a group now; the caller then is as after enter() to
 * the spool. alarm: somebody has to mend something.
 */
void mr_breaker_trip(struct mr_breaker *b, const struct mr_error *why, bool alarm);
void mr_breaker_leave(struct mr_breaker *b);

/* --- for the keeper ----------------------------------------------------------- */

enum mr_breaker_event { MR_BREAKER_STOP, MR_BREAKER_WORK, MR_BREAKER_TIMEOUT };

/* Waits until it is not closed (WORK), or stop() was called. */
enum mr_breaker_event mr_breaker_wait(struct mr_breaker *b, int64_t timeout_ms);

/* Waits for the time, or for stop(): false then. */
bool mr_breaker_pause(struct mr_breaker *b, int64_t ms);

/* Holds it for at most hold_ms and closes the segments of all spools. False: as below. */
bool mr_breaker_hold(struct mr_breaker *b, int64_t hold_ms);

/* How it goes on; CLOSED: nothing is wrong any more. False: it was opened meanwhile, and stays so. */
bool mr_breaker_release(struct mr_breaker *b, enum mr_breaker_state state);

/* What the keeper has found to be wrong. */
void mr_breaker_report(struct mr_breaker *b, bool connected, bool alarm,
    const struct mr_error *err);

void mr_breaker_stop(struct mr_breaker *b);
bool mr_breaker_stopping(struct mr_breaker *b);

/* --- for anyone --------------------------------------------------------------- */

struct mr_breaker_view {
	enum mr_breaker_state state;
	bool connected;      /* as far as is known */
	bool alarm;
	struct mr_error why; /* the last thing that went wrong, while it is open */
};
void mr_breaker_look(struct mr_breaker *b, struct mr_breaker_view *view);

#endif
