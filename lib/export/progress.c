/* millrace-export: the progress bar. */
#include "export/exporter.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

#define EVERY_MS 200
#define WIDTH 30

static int64_t drawn_ms; /* 0: there is no bar */

void
show_progress(const struct delivery *d)
{
	int64_t now, all = d->batch->rows > 0 ? d->batch->rows : 1;
	int64_t part = d->rows < all ? d->rows : all;
	char bar[WIDTH + 1];

	if (!d->x->terminal || d->x->options->quiet)
		return;
	now = mr_clock_mono_ms();
	if (now - drawn_ms < EVERY_MS)
		return;
	drawn_ms = now;
	for (int i = 0; i < WIDTH; i++)
		bar[i] = i < part * WIDTH / all ? '#' : '.';
	bar[WIDTH] = '\0';
	fprintf(stderr, "\r\033[K%.*s [%s] %" PRId64 " of %" PRId64 " events",
	    (int)d->batch->client.n, d->batch->client.p, bar, part, d->batch->rows);
	fflush(stderr);
}

void
show_nothing(const struct exporter *x)
{
	if (x->terminal && drawn_ms != 0)
		fputs("\r\033[K", stderr);
	drawn_ms = 0;
}
