/*
 * What each destination received, by site and day: what is delivered is added up in a table
 * that outlives the history, and read from there. Deliveries of the chain count, once each:
 * neither repetitions nor manual exports do.
 */
#ifndef MR_EXPORT_USAGE_H
#define MR_EXPORT_USAGE_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "db/query.h"
#include "format/jsonwriter.h"

/*
 * Adds the objects of a batch that a destination has, unless its cursor has passed the batch.
 * In the transaction that moves the cursor, before that. As mr_db_tell().
 */
enum mr_err mr_usage_add(struct mr_db *db, int64_t batch, const char *client,
    const char *destination, struct mr_error *err);

/* Dates are "2026-11-23", NULL is no limit; until is exclusive. */
struct mr_usage_choice {
	const char *client; /* NULL: all */
	const char *since;
	const char *until;
	const char *month;  /* "2026-11", in place of both */
};

/* MR_EINVAL: a date or the month is none, or the month is given beside dates. */
enum mr_err mr_usage_check(const struct mr_usage_choice *choice, struct mr_error *err);

/* Valid during the call that has it. */
struct mr_usage {
	struct mr_str client, destination, site, day;
	int64_t events, bytes, objects;
};

/* In the order of client, destination, site and day; by default this month. As mr_db_ask(). */
enum mr_err mr_usage_each(struct mr_db *db, const struct mr_usage_choice *choice,
    void (*visit)(void *arg, const struct mr_usage *usage), void *arg, struct mr_error *err);

/* Its members, into an object that is open. */
void mr_usage_put(struct mr_json_writer *w, const struct mr_usage *usage);

#endif
