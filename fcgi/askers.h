/*
 * Who asks the database while a request waits, which holds a thread: only so many at a time,
 * and never all threads, so that events are taken however long it does not answer. Safe from
 * any thread.
 */
#ifndef MR_FCGI_ASKERS_H
#define MR_FCGI_ASKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "response.h"

struct mr_askers;

/*
 * For so many of the worker's threads: at_once may ask, and as many wait for one of them, if
 * they may; of few threads fewer, but one. Or MR_ENOMEM.
 */
enum mr_err mr_askers_new(struct mr_askers **askers, size_t at_once, bool may_wait, size_t threads,
    struct mr_error *err);

/* NULL is allowed. */
void mr_askers_free(struct mr_askers *askers);

/* Whether the caller may ask, until it leaves; else others do already, also after a second. */
bool mr_askers_enter(struct mr_askers *askers);
void mr_askers_leave(struct mr_askers *askers);

/* The answer to one that may not: a 503. Counts it. */
void mr_askers_refuse(struct mr_response *response);

#endif
