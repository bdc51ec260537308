/* Numbers and times as text: format/textout.h. */
#include "format/textout.h"

#include <inttypes.h>

#include "../tap.h"
#include "base/clock.h"

static void
test_int64(void)
{
	int wrong = 0;

	for (int bit = 0; bit < 64; bit++) {
		for (int64_t d = -1; d <= 1; d++) {
			int64_t v = (int64_t)((UINT64_C(1) << bit) + (uint64_t)d);
			char got[MR_TEXTOUT_INT64], want[32];
			size_t n = (size_t)(mr_textout_int64(got, v) - got);
			int len = snprintf(want, sizeof want, "%" PRId64, v);

			wrong += n != (size_t)len || memcmp(got, want, n) != 0;
		}
	}
	for (int64_t v = 1; v < INT64_MAX / 10; v *= 10) {
		for (int64_t d = -1; d <= 0; d++) {
			char got[MR_TEXTOUT_INT64], want[32];
			size_t n = (size_t)(mr_textout_int64(got, v + d) - got);
			int len = snprintf(want, sizeof want, "%" PRId64, v + d);

			wrong += n != (size_t)len || memcmp(got, want, n) != 0;
		}
	}
	is_int(wrong, 0, "numbers that differ from printf's");
}

static void
test_time(void)
{
	static const struct {
		int line;
		int64_t us;
		const char *text;
	} rows[] = {
		{ __LINE__, 0, "1970-01-01T00:00:00.000000Z" },
		{ __LINE__, 1, "1970-01-01T00:00:00.000001Z" },
		{ __LINE__, 999999, "1970-01-01T00:00:00.999999Z" },
		{ __LINE__, -1, "1969-12-31T23:59:59.999999Z" },
		{ __LINE__, -1000000, "1969-12-31T23:59:59.000000Z" },
		{ __LINE__, -1000001, "1969-12-31T23:59:58.999999Z" },
		{ __LINE__, INT64_C(1750593600123456), "2025-06-22T12:00:00.123456Z" },
		{ __LINE__, INT64_C(1750593600123456), "2025-06-22T12:00:00.123456Z" },
		{ __LINE__, INT64_C(1750593600000010), "2025-06-22T12:00:00.000010Z" },
		{ __LINE__, INT64_C(1750593601000000), "2025-06-22T12:00:01.000000Z" },
		{ __LINE__, INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z" },
		{ __LINE__, INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z" },
		{ __LINE__, INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z" },
		{ __LINE__, 0, "1970-01-01T00:00:00.000000Z" },
	};
	struct mr_textout_second shared = { .second = 0 };

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_textout_second own = { .second = 0 };
		char text[MR_TEXTOUT_TIME];

		row(rows[i].line);
		ok(mr_textout_time(text, rows[i].us, &own) == text + sizeof text, "its length");
		is_str(((struct mr_str){ text, sizeof text }), rows[i].text, "written");
		mr_textout_time(text, rows[i].us, &shared);
		is_str(((struct mr_str){ text, sizeof text }), rows[i].text, "behind another");
	}
	row(0);
}

int
main(void)
{
	test_int64();
	test_time();
	return done();
}
