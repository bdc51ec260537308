/* Timestamps of all kinds: format/times.h. */
#include "format/times.h"

#include "../tap.h"
#include "base/clock.h"

#define US(s) (INT64_C(s) * MR_US_PER_S)

/* 2026-11-27T10:00:00Z */
#define TEN US(1795773600)
#define MIDNIGHT (TEN - US(36000))

static void
test_good(void)
{
	static const struct {
		int line;
		const char *text;
		int64_t us;
	} rows[] = {
		/* as ever */
		{ __LINE__, "2026-11-27T10:00:00Z", TEN },
		{ __LINE__, "2026-11-27", MIDNIGHT },
		{ __LINE__, "1795773600", TEN },
		{ __LINE__, "1795773600123", TEN + 123000 },
		{ __LINE__, "20261127", US(20261127) },
		{ __LINE__, "253402300799999", US(253402300799) + 999000 },

		/* ISO 8601, basic format */
		{ __LINE__, "20261127T100000Z", TEN },
		{ __LINE__, "20261127T1000Z", TEN },
		{ __LINE__, "20261127T100000", TEN },
		{ __LINE__, "20261127T120000+0200", TEN },
		{ __LINE__, "20261127T100000.5Z", TEN + 500000 },
		{ __LINE__, "2026331T100000Z", TEN },
		{ __LINE__, "2026W485T100000Z", TEN },
		{ __LINE__, "2026-11-27T100000Z", TEN },

		/* the end of a day */
		{ __LINE__, "2026-11-26T24:00:00Z", MIDNIGHT },
		{ __LINE__, "2026-11-26T24:00", MIDNIGHT },
		{ __LINE__, "20261126T240000Z", MIDNIGHT },
		{ __LINE__, "2026-11-26T24:00:00.000Z", MIDNIGHT },
		{ __LINE__, "2026-12-31T24:00:00Z", US(1798761600) },

		/* week dates: 2026 begins on a Thursday and has 53 weeks */
		{ __LINE__, "2026-W48-5", MIDNIGHT },
		{ __LINE__, "2026-W48-5T10:00:00Z", TEN },
		{ __LINE__, "2026W485", MIDNIGHT },
		{ __LINE__, "2026-W48", MIDNIGHT - 4 * US(86400) },
		{ __LINE__, "2026W48", MIDNIGHT - 4 * US(86400) },
		{ __LINE__, "2026-W01-1", US(1766966400) },
		{ __LINE__, "2026-W53-7", US(1798934400) },
		{ __LINE__, "1970-W01-4", 0 },
		{ __LINE__, "1969-W01-1", US(-31708800) },

		/* ordinal dates */
		{ __LINE__, "2026-331", MIDNIGHT },
		{ __LINE__, "2026-331T10:00:00Z", TEN },
		{ __LINE__, "2026-001", US(1767225600) },
		{ __LINE__, "2026-365", US(1798675200) },
		{ __LINE__, "2024-366", US(1735603200) },
		{ __LINE__, "9999-365T00:00:00Z", US(253402214400) },

		/* the decimal mark */
		{ __LINE__, "2026-11-27T10:00:00,5Z", TEN + 500000 },
		{ __LINE__, "2026-11-27 10:00:00,123456789", TEN + 123456 },

		/* a blank in front of the offset, or in place of its '+' */
		{ __LINE__, "2026-11-27T12:00:00 02:00", TEN },
		{ __LINE__, "2026-11-27T12:00:00.25 0200", TEN + 250000 },
		{ __LINE__, "2026-11-27 12:00:00 02", TEN },
		{ __LINE__, "2026-11-27 12:00:00 +0200", TEN },
		{ __LINE__, "2026-11-27 08:00:00 -02:00", TEN },
		{ __LINE__, "2026-11-27 10:00:00 UTC", TEN },
		{ __LINE__, "2026-11-27 10:00:00 Z", TEN },

		/* HTTP dates */
		{ __LINE__, "Fri, 27 Nov 2026 10:00:00 GMT", TEN },
		{ __LINE__, "Friday, 27-Nov-26 10:00:00 GMT", TEN },
		{ __LINE__, "Fri Nov 27 10:00:00 2026", TEN },
		{ __LINE__, "Sun, 06 Nov 1994 08:49:37 GMT", US(784111777) },
		{ __LINE__, "Sunday, 06-Nov-94 08:49:37 GMT", US(784111777) },
		{ __LINE__, "Sun Nov  6 08:49:37 1994", US(784111777) },
		{ __LINE__, "fri, 27 nov 2026 10:00:00 gmt", TEN },
		{ __LINE__, "Fri, 27 Nov 2026 12:00:00 +0200", TEN },
		{ __LINE__, "Fri, 27 Nov 2026 10:00 GMT", TEN },

		/* numbers */
		{ __LINE__, "1.732742913123E12", US(1732742913) + 123000 },
		{ __LINE__, "1.732742913E9", US(1732742913) },
		{ __LINE__, "1.732742913123E9", US(1732742913) + 123000 },
		{ __LINE__, "1732742913123e0", US(1732742913) + 123000 },
		{ __LINE__, "17327429131230e-1", US(1732742913) + 123000 },
		{ __LINE__, "1.7e+9", US(1700000000) },
		{ __LINE__, "1732742913123456", US(1732742913) + 123456 },
		{ __LINE__, "1.732742913123456E15", US(1732742913) + 123456 },
		{ __LINE__, "1732742913123456789", US(1732742913) + 123456 },
		{ __LINE__, "1.732742913123456789E18", US(1732742913) + 123456 },
		{ __LINE__, "9223372036854775807", INT64_C(9223372036854775) },
		{ __LINE__, "9999999999999999999", INT64_C(9999999999999999) },
		{ __LINE__, "0e0", 0 },
		{ __LINE__, "0.0e5", 0 },
		{ __LINE__, "1e-3", 1000 },
		{ __LINE__, "-0", 0 },
		{ __LINE__, "-1", US(-1) },
		{ __LINE__, "-1.5", US(-1) - 500000 },
		{ __LINE__, "-1000000000000", US(-1000000000) },
		{ __LINE__, "-1e3", US(-1000) },
		{ __LINE__, "1e11", US(100000000) },
		{ __LINE__, "9.9999999999e10", US(99999999999) },

		{ __LINE__, " 2026-11-27T10:00:00Z\t", TEN },
		{ __LINE__, " 1795773600 ", TEN },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t us = -12345;

		row(rows[i].line);
		ok(mr_times_parse(mr_str(rows[i].text), &us), "\"%s\" is read", rows[i].text);
		is_int(us, rows[i].us, "its value");
	}
	row(0);
}

static void
test_bad(void)
{
	static const struct {
		int line;
		struct mr_str text;
	} rows[] = {
		{ __LINE__, BYTES("") },
		{ __LINE__, { NULL, 0 } },
		{ __LINE__, BYTES(" ") },
		{ __LINE__, BYTES("yesterday") },
		{ __LINE__, BYTES("22.06.2025") },
		{ __LINE__, BYTES("06/22/2025") },
		{ __LINE__, BYTES("2026-11") },
		{ __LINE__, BYTES("2026-11-27T") },
		{ __LINE__, BYTES("20261127T") },
		{ __LINE__, BYTES("20261127T10") },
		{ __LINE__, BYTES("20261127T10:0000Z") },
		{ __LINE__, BYTES("20261127T100000Z\0") },
		{ __LINE__, BYTES("20261327T100000Z") },
		{ __LINE__, BYTES("2026-11-26T24:00:01Z") },
		{ __LINE__, BYTES("2026-11-26T24:00:00.1Z") },
		{ __LINE__, BYTES("2026-11-26T24:01Z") },
		{ __LINE__, BYTES("9999-12-31T24:00:00Z") },
		{ __LINE__, BYTES("2026-000") },
		{ __LINE__, BYTES("2026-366") },
		{ __LINE__, BYTES("2024-367") },
		{ __LINE__, BYTES("0000-001") },
		{ __LINE__, BYTES("2026-W00-1") },
		{ __LINE__, BYTES("2026-W54-1") },
		{ __LINE__, BYTES("2025-W53-1") },
		{ __LINE__, BYTES("2026-W48-0") },
		{ __LINE__, BYTES("2026-W48-8") },
		{ __LINE__, BYTES("2026-W48-") },
		{ __LINE__, BYTES("2026-W4") },
		{ __LINE__, BYTES("2026-11-27T10:00:00,") },
		{ __LINE__, BYTES("2026-11-27T10:00:00 2:00") },
		{ __LINE__, BYTES("2026-11-27T10:00:00 24:00") },
		{ __LINE__, BYTES("2026-11-27T10:00:00 +") },
		{ __LINE__, BYTES("2026-11-27T10:00:00 02:60") },
		{ __LINE__, BYTES("2026-11-27T10:00:00 PST") },
		{ __LINE__, BYTES("Fri, 27 Nov 2026") },
		{ __LINE__, BYTES("Fri, 31 Nov 2026 10:00:00 GMT") },
		{ __LINE__, BYTES("Fri, 27 Nuv 2026 10:00:00 GMT") },
		{ __LINE__, BYTES("Fry, 27 Nov 2026 10:00:00 GMT") },
		{ __LINE__, BYTES("Fri, 27 Nov 2026 25:00:00 GMT") },
		{ __LINE__, BYTES("Fri, 27 Nov 2026 10:00:00 GMT+") },
		{ __LINE__, BYTES("Fri Nov 27 10:00:00") },
		{ __LINE__, BYTES("+1") },
		{ __LINE__, BYTES("-") },
		{ __LINE__, BYTES("--1") },
		{ __LINE__, BYTES("1e") },
		{ __LINE__, BYTES("1e+") },
		{ __LINE__, BYTES("1.e5") },
		{ __LINE__, BYTES(".5e5") },
		{ __LINE__, BYTES("1e5.5") },
		{ __LINE__, BYTES("1e300") },
		{ __LINE__, BYTES("1e999") },
		{ __LINE__, BYTES("1e99999999999999999999") },
		{ __LINE__, BYTES("1e400") },
		{ __LINE__, BYTES("1e19") },
		{ __LINE__, BYTES("99999999999999999999") },
		{ __LINE__, BYTES("0x10") },
		{ __LINE__, BYTES("1.5.5") },
		{ __LINE__, BYTES("1750593600s") },
		{ __LINE__, BYTES("99999999999999999999999999999999999999") },
		{ __LINE__, BYTES("-99999999999999999999999999999999999999") },
		{ __LINE__, BYTES("NaN") },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t us = -12345;

		row(rows[i].line);
		ok(!mr_times_parse(rows[i].text, &us), "refused");
		is_int(us, -12345, "the result is untouched");
	}
	row(0);
}

int
main(void)
{
	test_good();
	test_bad();
	return done();
}
