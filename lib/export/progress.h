/*
 * The progress bar, on standard error. Belongs to the thread that delivers.
 */
#ifndef MR_EXPORT_PROGRESS_H
#define MR_EXPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct mr_progress {
	bool wanted;      /* there is a terminal, and nobody asked for silence */
	int64_t drawn_ms; /* of mr_clock_mono_ms(); 0: there is no bar */
};

/* Draws the bar, at most five times a second: of `all` rows of the client, `done` are done. */
void mr_progress_show(struct mr_progress *progress, struct mr_str client, int64_t done,
    int64_t all);

/* Takes it away. */
void mr_progress_clear(struct mr_progress *progress);

#endif
