/*
 * Lines of the log that a stranger can cause: at most one in a while for each cause, with the
 * number of those that were left out since the last one. Safe from any thread.
 */
#ifndef MR_BASE_SELDOM_H
#define MR_BASE_SELDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

/* A cause, with static storage: `static struct mr_seldom wrong = MR_SELDOM("…", 60);` */
struct mr_seldom {
	const char *what; /* what is left out, in the plural */
	int64_t every_ms;
	/* seldom.c's own: */
	int64_t next_ms;
	size_t left_out;
	struct mr_seldom *next;
	int known;
};

#define MR_SELDOM(what, seconds) { (what), INT64_C(1000) * (seconds), 0, 0, NULL, 0 }

/* One line as mr_log(), unless the cause had one a moment ago. */
void mr_seldom_log(struct mr_seldom *cause, enum mr_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Says of each cause how many lines were left out since its last one; for the end. */
void mr_seldom_tell(void);

#endif
