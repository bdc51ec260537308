/*
 * The salts of cookieless visitors: one for each day (UTC), random, kept in the
 * table visitor_salts, so that all workers have the same. A thread of its own
 * gets the day's salt from the database, or puts one there, an hour before the
 * day begins; it also deletes those of before yesterday, there and here. So a
 * salt lives until 48 hours after its day began, or until a worker runs again.
 * Nobody waits for the database but those who come right after the start.
 */
#ifndef MR_PRIVACY_SALT_H
#define MR_PRIVACY_SALT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"

#define MR_SALT_BYTES 32

struct mr_salts;

/* The number of the day, counted from 1970. */
int64_t mr_salts_day(int64_t now_us);

/*
 * Starts the thread. A database that is away is no error: it is tried again every
 * few seconds. conf must stay until stop.
 */
enum mr_err mr_salts_start(struct mr_salts **salts, const struct mr_conf *conf,
    struct mr_error *err);

/* Ends the thread and wipes the salts. NULL is allowed. */
void mr_salts_stop(struct mr_salts *salts);

/*
 * Copies the salt of a day. False: it is not known, which for today means that
 * the database was away since before the day began; until connect_timeout_ms
 * after the start, today's salt is waited for. From any thread.
 */
bool mr_salts_get(struct mr_salts *salts, int64_t day, unsigned char salt[MR_SALT_BYTES]);

#endif
