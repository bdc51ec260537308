/* The progress bar: see progress.h. */
#include "export/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

#define EVERY_MS 200
#define WIDTH 30

void
mr_progress_show(struct mr_progress *p, struct mr_str client, int64_t done, int64_t all)
{
	int64_t now, whole = all > 0 ? all : 1;
	int64_t part = done < whole ? done : whole;
	char bar[WIDTH + 1];

	if (!p->wanted)
		return;
	now = mr_clock_mono_ms();
	if (now - p->drawn_ms < EVERY_MS)
		return;
	p->drawn_ms = now;
	for (int i = 0; i < WIDTH; i++)
		bar[i] = i < part * WIDTH / whole ? '#' : '.';
	bar[WIDTH] = '\0';
	fprintf(stderr, "\r\033[K%.*s [%s] %" PRId64 " of %" PRId64 " events", (int)client.n,
	    client.p, bar, part, all);
	fflush(stderr);
}

void
mr_progress_clear(struct mr_progress *p)
{
	if (p->drawn_ms != 0)
		fputs("\r\033[K", stderr);
	p->drawn_ms = 0;
}
