/* Timestamps as text, and the clocks: base/clock.h. */
#include "base/clock.h"

#include <time.h>

#include "../tap.h"

#define US(s) (INT64_C(s) * MR_US_PER_S)

/* 2025-06-22T12:00:00Z */
#define NOON US(1750593600)

static void
test_parse_good(void)
{
	static const struct {
		int line;
		const char *text;
		int64_t us;
	} rows[] = {
		/* RFC 3339, as JavaScript, Python and others write it */
		{ __LINE__, "2025-06-22T12:00:00Z", NOON },
		{ __LINE__, "2025-06-22T12:00:00.123Z", NOON + 123000 },
		{ __LINE__, "2025-06-22T12:00:00.123456+00:00", NOON + 123456 },
		{ __LINE__, "2025-06-22T14:00:00.123+02:00", NOON + 123000 },
		{ __LINE__, "2025-06-22T06:30:00-05:30", NOON },
		{ __LINE__, "2025-06-22T12:00:00-00:00", NOON },
		{ __LINE__, "2025-06-23T11:59:00+23:59", NOON },
		{ __LINE__, "2025-06-21T12:01:00-23:59", NOON },
		{ __LINE__, "2025-06-22 12:00:00Z", NOON },
		{ __LINE__, "2025-06-22 14:00:00+02:00", NOON },

		/* no offset: UTC; seconds and fraction are optional */
		{ __LINE__, "2025-06-22T12:00:00", NOON },
		{ __LINE__, "2025-06-22 12:00:00.5", NOON + 500000 },
		{ __LINE__, "2025-06-22T12:00", NOON },
		{ __LINE__, "2025-06-22T12:00Z", NOON },
		{ __LINE__, "2025-06-22T14:00+02:00", NOON },
		{ __LINE__, "2025-06-22", NOON - US(43200) },

		/* fractions of any length, cut to microseconds, never rounded */
		{ __LINE__, "2025-06-22T12:00:00.1Z", NOON + 100000 },
		{ __LINE__, "2025-06-22T12:00:00.000001Z", NOON + 1 },
		{ __LINE__, "2025-06-22T12:00:00.1234569Z", NOON + 123456 },
		{ __LINE__, "2025-06-22T12:00:00.999999999Z", NOON + 999999 },
		{ __LINE__, "2025-06-22T12:00:00.0000009Z", NOON },

		/* the calendar */
		{ __LINE__, "1970-01-01T00:00:00Z", 0 },
		{ __LINE__, "1969-12-31T23:59:59Z", US(-1) },
		{ __LINE__, "1969-12-31T23:59:59.999999Z", -1 },
		{ __LINE__, "2000-02-29T00:00:00Z", US(951782400) },
		{ __LINE__, "2024-02-29T23:59:59Z", US(1709251199) },
		{ __LINE__, "2025-03-01T00:00:00Z", US(1740787200) },
		{ __LINE__, "1900-03-01T00:00:00Z", US(-2203891200) },
		{ __LINE__, "2038-01-19T03:14:08Z", US(2147483648) },
		{ __LINE__, "0001-01-01T00:00:00Z", US(-62135596800) },
		{ __LINE__, "9999-12-31T23:59:59.999999Z", US(253402300799) + 999999 },

		/* a leap second is the next second */
		{ __LINE__, "2016-12-31T23:59:60Z", US(1483228800) },
		{ __LINE__, "2016-12-31T23:59:60.5Z", US(1483228800) + 500000 },
		{ __LINE__, "2017-01-01T00:59:60+01:00", US(1483228800) },

		/* epoch seconds; from 1e11 on milliseconds */
		{ __LINE__, "0", 0 },
		{ __LINE__, "1750593600", NOON },
		{ __LINE__, "1750593600.5", NOON + 500000 },
		{ __LINE__, "1750593600.123456", NOON + 123456 },
		{ __LINE__, "1750593600.1234567", NOON + 123456 },
		{ __LINE__, "1750593600123", NOON + 123000 },
		{ __LINE__, "1750593600123.456", NOON + 123456 },
		{ __LINE__, "1750593600123.4569", NOON + 123456 },
		{ __LINE__, "99999999999", US(99999999999) },
		{ __LINE__, "100000000000", US(100000000) },
		{ __LINE__, "253402300799999", US(253402300799) + 999000 },
		{ __LINE__, "20250622", US(20250622) },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t us = -12345;

		row(rows[i].line);
		ok(mr_clock_parse(mr_str(rows[i].text), &us), "\"%s\" is read", rows[i].text);
		is_int(us, rows[i].us, "its value");
	}
	row(0);
}

static void
test_parse_date(void)
{
	int64_t us = 7;

	ok(mr_clock_parse_date(MR_STR_LIT("2025-06-22T12:00:00Z"), &us), "a time");
	is_int(us, NOON, "its value");
	ok(mr_clock_parse_date(MR_STR_LIT("2025-06-22"), &us), "a date");
	ok(!mr_clock_parse_date(MR_STR_LIT("20250622"), &us), "no epoch");
	ok(!mr_clock_parse_date(MR_STR_LIT("1750593600"), &us), "nor one that is meant");
}

static void
test_parse_bad(void)
{
	static const struct {
		int line;
		struct mr_str text;
	} rows[] = {
		{ __LINE__, BYTES("") },
		{ __LINE__, { NULL, 0 } },
		{ __LINE__, BYTES(" ") },
		{ __LINE__, BYTES("yesterday") },
		{ __LINE__, BYTES("Sun Jun 22 2025 14:00:00 GMT+0200") },
		{ __LINE__, BYTES("Sun, 22 Jun 2025 12:00:00 GMT") },
		{ __LINE__, BYTES("22.06.2025") },
		{ __LINE__, BYTES("06/22/2025") },

		/* incomplete or with too much */
		{ __LINE__, BYTES("2025-06") },
		{ __LINE__, BYTES("2025-06-") },
		{ __LINE__, BYTES("2025-06-22T") },
		{ __LINE__, BYTES("2025-06-22T12") },
		{ __LINE__, BYTES("2025-06-22T12Z") },
		{ __LINE__, BYTES("2025-06-22T12:") },
		{ __LINE__, BYTES("2025-06-22T12:00:") },
		{ __LINE__, BYTES("2025-06-22T12:00:00.") },
		{ __LINE__, BYTES("2025-06-22T12:00:00.Z") },
		{ __LINE__, BYTES("2025-06-22T12:00.5Z") },
		{ __LINE__, BYTES("2025-06-22T12:00:00,5Z") },
		{ __LINE__, BYTES("2025-06-22T12:00:00+") },
		{ __LINE__, BYTES("2025-06-22T12:00:00+02:") },
		{ __LINE__, BYTES("2025-06-22T12:00:00+02:0") },
		{ __LINE__, BYTES("2025-06-22T12:00:00+2:00") },
		{ __LINE__, BYTES("2025-06-22T12:00:00ZZ") },
		{ __LINE__, BYTES("2025-06-22T12:00:00Z+02:00") },
		{ __LINE__, BYTES("2025-06-22T12:00:00Z ") },
		{ __LINE__, BYTES(" 2025-06-22T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-22  12:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T12:00:00Z\0") },
		{ __LINE__, BYTES("2025-06-22\0T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-22_12:00:00Z") },
		{ __LINE__, BYTES("2025/06/22T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T12.00.00Z") },
		{ __LINE__, BYTES("2025-6-22T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T1:00:00Z") },
		{ __LINE__, BYTES("25-06-22T12:00:00Z") },
		{ __LINE__, BYTES("+2025-06-22T12:00:00Z") },
		{ __LINE__, BYTES("-2025-06-22T12:00:00Z") },
		{ __LINE__, BYTES("12025-06-22T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T12:00:0aZ") },
		{ __LINE__, BYTES("2025-06-22T+1:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T12: 0:00Z") },

		/* out of range */
		{ __LINE__, BYTES("0000-01-01T00:00:00Z") },
		{ __LINE__, BYTES("2025-00-22T12:00:00Z") },
		{ __LINE__, BYTES("2025-13-22T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-00T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-31T12:00:00Z") },
		{ __LINE__, BYTES("2025-01-32T12:00:00Z") },
		{ __LINE__, BYTES("2025-02-29T12:00:00Z") },
		{ __LINE__, BYTES("2024-02-30T12:00:00Z") },
		{ __LINE__, BYTES("1900-02-29T12:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T24:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T25:00:00Z") },
		{ __LINE__, BYTES("2025-06-22T12:60:00Z") },
		{ __LINE__, BYTES("2025-06-22T12:00:61Z") },
		{ __LINE__, BYTES("2025-06-22T12:00:00+24:00") },
		{ __LINE__, BYTES("2025-06-22T12:00:00+02:60") },

		/* numbers that are no epoch */
		{ __LINE__, BYTES("-1") },
		{ __LINE__, BYTES("+1") },
		{ __LINE__, BYTES("1e9") },
		{ __LINE__, BYTES("0x10") },
		{ __LINE__, BYTES("1.5.5") },
		{ __LINE__, BYTES("1750593600s") },
		{ __LINE__, BYTES("1750593600 ") },
		{ __LINE__, BYTES("253402300800000") }, /* the year 10000 */
		{ __LINE__, BYTES("9223372036854775808") },
		{ __LINE__, BYTES("18446744073709551616") }, /* 2^64 wraps to 0 */
		{ __LINE__, BYTES("99999999999999999999999999999999999999") },
		{ __LINE__, BYTES("NaN") },
		{ __LINE__, BYTES("Infinity") },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t us = -12345;

		row(rows[i].line);
		ok(!mr_clock_parse(rows[i].text, &us), "refused");
		is_int(us, -12345, "the result is untouched");
	}
	row(0);
}

/* A slice has no closing NUL: bytes behind it must not be looked at. */
static void
test_parse_slice(void)
{
	static const char text[] = "2025-06-22T12:00:00.123Z";
	size_t n = sizeof text - 1;
	int64_t us = 0;
	char *copy = malloc(n);

	if (copy == NULL)
		bail("no memory");
	memcpy(copy, text, n);
	ok(mr_clock_parse((struct mr_str){ copy, n }, &us) && us == NOON + 123000,
	    "a slice without a NUL behind it");
	ok(mr_clock_parse((struct mr_str){ copy, 19 }, &us) && us == NOON,
	    "only the slice counts, not what follows it");
	ok(mr_clock_parse((struct mr_str){ copy, 10 }, &us) && us == NOON - US(43200),
	    "a date alone, with a time behind the slice");
	free(copy);
}

static void
test_format(void)
{
	static const struct {
		int line;
		int64_t us;
		const char *text;
	} rows[] = {
		{ __LINE__, 0, "1970-01-01T00:00:00.000Z" },
		{ __LINE__, NOON + 123456, "2025-06-22T12:00:00.123Z" },
		{ __LINE__, NOON + 999999, "2025-06-22T12:00:00.999Z" },
		{ __LINE__, NOON + 7000, "2025-06-22T12:00:00.007Z" },
		{ __LINE__, US(951782400), "2000-02-29T00:00:00.000Z" },
		{ __LINE__, US(1709251199), "2024-02-29T23:59:59.000Z" },
		{ __LINE__, US(-2203891200), "1900-03-01T00:00:00.000Z" },
		{ __LINE__, US(-1), "1969-12-31T23:59:59.000Z" },
		{ __LINE__, -1, "1969-12-31T23:59:59.999Z" },
		{ __LINE__, US(-62135596800), "0001-01-01T00:00:00.000Z" },
		{ __LINE__, US(253402300799) + 999999, "9999-12-31T23:59:59.999Z" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[MR_CLOCK_TEXT];
		int64_t us = 0;

		row(rows[i].line);
		mr_clock_format(rows[i].us, text);
		is_str(mr_str(text), rows[i].text, "formatted");
		ok(mr_clock_parse(mr_str(text), &us) && rows[i].us - us >= 0 && rows[i].us - us < 1000,
		    "and read again");
	}
	row(0);
}

/* Every day of four centuries, there and back. */
static void
test_every_day(void)
{
	int bad = 0;

	for (int64_t day = -80000; day < 80000; day++) {
		char text[MR_CLOCK_TEXT];
		int64_t us = 1;

		mr_clock_format(day * US(86400), text);
		if (!mr_clock_parse(mr_str(text), &us) || us != day * US(86400)) {
			if (bad++ == 0)
				diag("day %lld became %s", (long long)day, text);
		}
	}
	is_int(bad, 0, "days from 1750 to 2189 that do not survive");
}

static void
test_clocks(void)
{
	int64_t before = (int64_t)time(NULL) * MR_US_PER_S;
	int64_t now = mr_clock_now_us();
	int64_t after = ((int64_t)time(NULL) + 1) * MR_US_PER_S;
	int64_t last = mr_clock_mono_ms();
	bool back = false;

	/* time() may lag behind the fine-grained clock by a tick. */
	ok(now >= before - 20000 && now <= after + 20000, "the wall clock agrees with time()");
	for (int i = 0; i < 1000; i++) {
		int64_t t = mr_clock_mono_ms();

		back = back || t < last;
		last = t;
	}
	ok(!back, "the monotonic clock never goes back");
}

int
main(void)
{
	test_parse_good();
	test_parse_date();
	test_parse_bad();
	test_parse_slice();
	test_format();
	test_every_day();
	test_clocks();
	return done();
}
