/* Timestamps of all kinds: see times.h. The common ones are read by base/clock. */
#include "format/times.h"

#include "base/clock.h"
#include "base/take.h"

#define DAY_US (INT64_C(86400) * MR_US_PER_S)
#define BLANKS " \t"

static struct mr_str
trim(struct mr_str s)
{
	while (mr_take_char(&s, BLANKS))
		;
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static size_t
count_digits(struct mr_str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* --- ISO 8601 ------------------------------------------------------------- */

/* Day n of a year. */
static bool
ordinal_date(int64_t year, int64_t n, int64_t *days)
{
	int64_t first, next;

	if (!mr_clock_days(year, 1, 1, &first) || n < 1)
		return false;
	next = mr_clock_days(year, 12, 31, &next) ? next + 1 : first;
	*days = first + n - 1;
	return *days < next;
}

/* Week 1 is the one with the 4th of January; a week belongs to the year of its Thursday. */
static bool
week_date(int64_t year, int64_t week, int64_t day, int64_t *days)
{
	int64_t fourth, last, monday;

	if (!mr_clock_days(year, 1, 4, &fourth) || !mr_clock_days(year, 12, 31, &last) ||
	    week < 1 || day < 1 || day > 7)
		return false;
	/* 1970-01-01 was a Thursday. */
	monday = fourth - ((fourth + 3) % 7 + 7) % 7 + (week - 1) * 7;
	*days = monday + day - 1;
	return monday + 3 <= last;
}

/* Behind the 'W'. */
static bool
take_week(struct mr_str *s, int64_t year, bool extended, int64_t *days)
{
	int64_t week, day = 1;

	if (!mr_take_digits(s, 2, &week))
		return false;
	if (extended ? mr_take_char(s, "-") : count_digits(*s) == 1) {
		if (!mr_take_digits(s, 1, &day))
			return false;
	}
	return week_date(year, week, day, days);
}

/* "2026-11-27", "2026-331", "2026-W48-5", behind the year. */
static bool
take_extended(struct mr_str *s, int64_t year, int64_t *days)
{
	int64_t m, d;

	if (mr_take_char(s, "W"))
		return take_week(s, year, true, days);
	if (count_digits(*s) == 3)
		return mr_take_digits(s, 3, &d) && ordinal_date(year, d, days);
	return mr_take_digits(s, 2, &m) && mr_take_char(s, "-") && mr_take_digits(s, 2, &d) &&
	    mr_clock_days(year, m, d, days);
}

/* "20261127", "2026331", "2026W485", behind the year. */
static bool
take_basic(struct mr_str *s, int64_t year, int64_t *days)
{
	int64_t m, d;

	if (mr_take_char(s, "W"))
		return take_week(s, year, false, days);
	if (count_digits(*s) == 3)
		return mr_take_digits(s, 3, &d) && ordinal_date(year, d, days);
	return mr_take_digits(s, 2, &m) && mr_take_digits(s, 2, &d) &&
	    mr_clock_days(year, m, d, days);
}

/* Seconds and their fraction, which may be missing; extended: behind a colon. */
static bool
take_seconds(struct mr_str *s, bool extended, int64_t *second, int64_t *fraction)
{
	*second = *fraction = 0;
	if (extended ? !mr_take_char(s, ":") : count_digits(*s) != 2)
		return true;
	if (!mr_take_digits(s, 2, second))
		return false;
	return !mr_take_char(s, ".,") || mr_clock_take_fraction(s, fraction);
}

/* "10:00", "10:00:00.5", "1000", "100000,5". */
static bool
take_time(struct mr_str *s, int64_t *us)
{
	int64_t h, m, second, fraction;
	bool extended;

	if (!mr_take_digits(s, 2, &h))
		return false;
	extended = mr_take_char(s, ":");
	if (!mr_take_digits(s, 2, &m) || !take_seconds(s, extended, &second, &fraction))
		return false;
	*us = ((h * 60 + m) * 60 + second) * MR_US_PER_S + fraction;
	return m <= 59 && second <= 60 && (h <= 23 || *us == DAY_US);
}

/* "02:00", "0200", "02", behind the sign. */
static bool
take_hours(struct mr_str *s, int64_t *seconds)
{
	int64_t h, m = 0;

	if (!mr_take_digits(s, 2, &h))
		return false;
	if ((mr_take_char(s, ":") || s->n > 0) && !mr_take_digits(s, 2, &m))
		return false;
	*seconds = (h * 60 + m) * 60;
	return h <= 23 && m <= 59;
}

/* What follows a time, to the end: nothing is UTC. */
static bool
take_zone(struct mr_str *s, int64_t *seconds)
{
	bool blank = mr_take_char(s, BLANKS);

	*seconds = 0;
	if (s->n == 0 || mr_take_char(s, "Zz") || mr_take_word(s, "UTC") || mr_take_word(s, "GMT"))
		return true;
	if (mr_take_char(s, "-")) {
		if (!take_hours(s, seconds))
			return false;
		*seconds = -*seconds;
		return true;
	}
	return (mr_take_char(s, "+") || blank) && take_hours(s, seconds);
}

static bool
parse_iso(struct mr_str s, int64_t *us)
{
	int64_t year, days, time_us = 0, zone_s = 0;

	if (!mr_take_digits(&s, 4, &year) ||
	    !(mr_take_char(&s, "-") ? take_extended : take_basic)(&s, year, &days))
		return false;
	if (s.n > 0 && (!mr_take_char(&s, "Tt ") || !take_time(&s, &time_us) ||
	    !take_zone(&s, &zone_s)))
		return false;
	*us = days * DAY_US - zone_s * MR_US_PER_S + time_us;
	return s.n == 0;
}

/* --- HTTP dates ------------------------------------------------------------- */

/* The place of the name that *s begins with, from 1 on; 0: none. */
static int64_t
take_name(struct mr_str *s, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mr_take_word(s, names[i]))
			return (int64_t)i + 1;
	return 0;
}

/* "Sun", "Sunday"; that it is that day's is not looked at. */
static bool
take_weekday(struct mr_str *s)
{
	static const char *const names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	static const char *const rests[] = { "day", "sday", "nesday", "rsday", "urday" };

	if (take_name(s, names, 7) == 0)
		return false;
	(void)take_name(s, rests, 5);
	return true;
}

static bool
take_month(struct mr_str *s, int64_t *month)
{
	static const char *const names[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };

	*month = take_name(s, names, 12);
	return *month != 0;
}

/* One digit or two. */
static bool
take_day(struct mr_str *s, int64_t *day)
{
	return mr_take_digits(s, 2, day) || mr_take_digits(s, 1, day);
}

static bool
take_year(struct mr_str *s, int64_t *year)
{
	if (mr_take_digits(s, 4, year))
		return true;
	if (!mr_take_digits(s, 2, year))
		return false;
	*year += *year < 70 ? 2000 : 1900;
	return true;
}

/* "06 Nov 1994 08:49:37 GMT", "06-Nov-94 08:49:37 GMT"; as in mails, the seconds may lack. */
static bool
take_day_first(struct mr_str *s, int64_t *days, int64_t *us)
{
	int64_t y, m, d, zone_s;

	if (!take_day(s, &d) || !mr_take_char(s, " -") || !take_month(s, &m) ||
	    !mr_take_char(s, " -") || !take_year(s, &y) || !mr_clock_days(y, m, d, days) ||
	    !mr_take_char(s, " ") || !take_time(s, us) || !take_zone(s, &zone_s))
		return false;
	*us -= zone_s * MR_US_PER_S;
	return true;
}

/* asctime(): "Nov  6 08:49:37 1994". */
static bool
take_month_first(struct mr_str *s, int64_t *days, int64_t *us)
{
	int64_t y, m, d;

	if (!take_month(s, &m) || !mr_take_char(s, " "))
		return false;
	(void)mr_take_char(s, " ");
	return take_day(s, &d) && mr_take_char(s, " ") && take_time(s, us) &&
	    mr_take_char(s, " ") && mr_take_digits(s, 4, &y) && mr_clock_days(y, m, d, days);
}

static bool
parse_http(struct mr_str s, int64_t *us)
{
	int64_t days, time_us;
	bool comma;

	if (!take_weekday(&s))
		return false;
	comma = mr_take_char(&s, ",");
	if (!mr_take_char(&s, " ") ||
	    !(comma ? take_day_first : take_month_first)(&s, &days, &time_us))
		return false;
	*us = days * DAY_US + time_us;
	return s.n == 0;
}

/* --- numbers ---------------------------------------------------------------- */

#define MAX_DIGITS 64
#define MAX_EXPONENT 400

/* 0.digits times 10 to the power of `point`. */
struct decimal {
	char digits[MAX_DIGITS];
	int64_t n;
	int64_t point;
	bool negative;
};

/* The digits in front of the decimal point, or behind it. */
static size_t
take_run(struct mr_str *s, struct decimal *d, bool behind)
{
	size_t n = count_digits(*s);

	for (size_t i = 0; i < n; i++) {
		bool leading = d->n == 0 && s->p[i] == '0';

		if (!leading && d->n < MAX_DIGITS)
			d->digits[d->n++] = s->p[i];
		if (behind ? leading : !leading)
			d->point += behind ? -1 : 1;
	}
	s->p += n;
	s->n -= n;
	return n;
}

static bool
take_exponent(struct mr_str *s, int64_t *exponent)
{
	bool negative;
	size_t n;

	*exponent = 0;
	if (!mr_take_char(s, "eE"))
		return true;
	negative = mr_take_char(s, "-");
	if (!negative)
		(void)mr_take_char(s, "+");
	n = count_digits(*s);
	if (n == 0 || n > 3 || !mr_take_digits(s, n, exponent) || *exponent > MAX_EXPONENT)
		return false;
	if (negative)
		*exponent = -*exponent;
	return true;
}

/* [ "-" ] digits [ "." digits ] [ ( "e" | "E" ) [ sign ] digits ] */
static bool
take_decimal(struct mr_str *s, struct decimal *d)
{
	int64_t exponent;

	*d = (struct decimal){ .negative = mr_take_char(s, "-") };
	if (take_run(s, d, false) == 0 ||
	    (mr_take_char(s, ".") && take_run(s, d, true) == 0) || !take_exponent(s, &exponent))
		return false;
	d->point += exponent;
	return true;
}

/* The number times 10 to the power of `shift`, what is behind its point cut. */
static bool
scaled(const struct decimal *d, int64_t shift, int64_t *value)
{
	int64_t places = d->n == 0 ? 0 : d->point + shift, v = 0;

	if (places > 18)
		return false;
	for (int64_t i = 0; i < places; i++)
		v = v * 10 + (i < d->n ? d->digits[i] - '0' : 0);
	*value = d->negative ? -v : v;
	return true;
}

/* The largest unit that it may be of. */
static bool
parse_number(struct mr_str s, int64_t *us)
{
	static const struct {
		int to_us;  /* the power of ten */
		int digits; /* at most, in front of the point */
	} units[] = { { 6, 11 }, { 3, 15 }, { 0, 18 }, { -3, 19 } };
	struct decimal d;

	if (!take_decimal(&s, &d) || s.n > 0)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (d.point <= units[i].digits && scaled(&d, units[i].to_us, us) &&
		    mr_clock_in_range(*us))
			return true;
	return false;
}

bool
mr_times_parse(struct mr_str s, int64_t *us)
{
	int64_t found;

	if (mr_clock_parse(s, us))
		return true;
	if (s.p == NULL)
		return false;
	s = trim(s);
	if ((!parse_iso(s, &found) && !parse_http(s, &found) && !parse_number(s, &found)) ||
	    !mr_clock_in_range(found))
		return false;
	*us = found;
	return true;
}
