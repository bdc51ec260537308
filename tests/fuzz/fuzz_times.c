/*
 * libFuzzer target for format/times.h: a time is in the years 0001 to 9999, is the one that
 * base/clock.h reads where that reads one, and is the same when it is written and read again.
 */
#include "format/times.h"

#include <stdlib.h>

#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
demand(int condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_str text = { (const char *)data, size };
	int64_t us = 7, plain, again;
	char formatted[MR_CLOCK_TEXT];

	if (!mr_times_parse(text, &us)) {
		demand(us == 7 && !mr_clock_parse(text, &plain));
		return 0;
	}
	demand(mr_clock_in_range(us));
	demand(!mr_clock_parse(text, &plain) || plain == us);
	mr_clock_format(us, formatted);
	demand(mr_times_parse(mr_str(formatted), &again) && us - again >= 0 && us - again < 1000);
	return 0;
}
