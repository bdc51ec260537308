/* Clocks and timestamps: see clock.h. */
#include "base/clock.h"

#include <time.h>

#include "base/take.h"

/* Values from here on are epoch milliseconds; below, seconds. */
#define EPOCH_MS_FROM INT64_C(100000000000)
/* 0001-01-01T00:00:00Z and the end of year 9999, in seconds. */
#define FIRST_S INT64_C(-62135596800)
#define LAST_S INT64_C(253402300799)

int64_t
mr_clock_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * MR_US_PER_S + ts.tv_nsec / 1000;
}

int64_t
mr_clock_mono_ms(void)
{
	return mr_clock_mono_us() / 1000;
}

int64_t
mr_clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * MR_US_PER_S + ts.tv_nsec / 1000;
}

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar. */
static int64_t
days_from_date(int64_t y, int64_t m, int64_t d)
{
	int64_t era, year_of_era, day_of_year;

	/* Years start in March here, so that the leap day comes last. */
	if (m <= 2)
		y--;
	era = (y >= 0 ? y : y - 399) / 400;
	year_of_era = y - era * 400;
	day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	    day_of_year - 719468;
}

static void
date_from_days(int64_t days, int64_t *y, int64_t *m, int64_t *d)
{
	int64_t era, day_of_era, year_of_era, day_of_year, month;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = days - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
	    day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153;
	*d = day_of_year - (153 * month + 2) / 5 + 1;
	*m = month < 10 ? month + 3 : month - 9;
	*y = year_of_era + era * 400 + (*m <= 2 ? 1 : 0);
}

bool
mr_clock_take_fraction(struct mr_str *s, int64_t *us)
{
	int64_t v = 0;
	size_t n = 0;

	for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; n++) {
		if (n < 6)
			v = v * 10 + (s->p[0] - '0');
		s->p++;
		s->n--;
	}
	for (size_t i = n; i < 6; i++)
		v *= 10;
	*us = v;
	return n > 0;
}

bool
mr_clock_days(int64_t y, int64_t m, int64_t d, int64_t *days)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap;

	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (y < 1 || m < 1 || m > 12 || d < 1)
		return false;
	if (d > month_days[m - 1] + (m == 2 && leap ? 1 : 0))
		return false;
	*days = days_from_date(y, m, d);
	return true;
}

static bool
take_date(struct mr_str *s, int64_t *days)
{
	int64_t y, m, d;

	return mr_take_digits(s, 4, &y) && mr_take_char(s, "-") && mr_take_digits(s, 2, &m) &&
	    mr_take_char(s, "-") && mr_take_digits(s, 2, &d) && mr_clock_days(y, m, d, days);
}

static bool
take_time(struct mr_str *s, int64_t *us)
{
	int64_t h, m, sec = 0, fraction = 0;

	if (!mr_take_digits(s, 2, &h) || !mr_take_char(s, ":") || !mr_take_digits(s, 2, &m))
		return false;
	if (mr_take_char(s, ":")) {
		if (!mr_take_digits(s, 2, &sec))
			return false;
		if (mr_take_char(s, ".") && !mr_clock_take_fraction(s, &fraction))
			return false;
	}
	if (h > 23 || m > 59 || sec > 60)
		return false;
	*us = ((h * 60 + m) * 60 + sec) * MR_US_PER_S + fraction;
	return true;
}

/* "Z", "+02:00", "+0200", "+02", or nothing (UTC). */
static bool
take_offset(struct mr_str *s, int64_t *seconds)
{
	int64_t sign, h, m = 0;

	*seconds = 0;
	if (s->n == 0 || mr_take_char(s, "Zz"))
		return true;
	sign = s->p[0] == '-' ? -1 : 1;
	if (!mr_take_char(s, "+-") || !mr_take_digits(s, 2, &h))
		return false;
	if ((mr_take_char(s, ":") || s->n > 0) && !mr_take_digits(s, 2, &m))
		return false;
	if (h > 23 || m > 59)
		return false;
	*seconds = sign * (h * 60 + m) * 60;
	return true;
}

bool
mr_clock_in_range(int64_t us)
{
	return us >= FIRST_S * MR_US_PER_S && us < (LAST_S + 1) * MR_US_PER_S;
}

bool
mr_clock_parse_date(struct mr_str s, int64_t *us)
{
	int64_t days, time_us = 0, offset_s = 0, result;

	if (!take_date(&s, &days))
		return false;
	if (s.n > 0 && (!mr_take_char(&s, "Tt ") || !take_time(&s, &time_us) ||
	    !take_offset(&s, &offset_s)))
		return false;
	if (s.n > 0)
		return false;
	result = (days * 86400 - offset_s) * MR_US_PER_S + time_us;
	if (!mr_clock_in_range(result))
		return false;
	*us = result;
	return true;
}

static bool
parse_epoch(struct mr_str s, int64_t *us)
{
	int64_t whole = 0, fraction = 0;
	size_t n = 0;

	for (; s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9'; n++) {
		if (n == 15)
			return false;
		whole = whole * 10 + (s.p[0] - '0');
		s.p++;
		s.n--;
	}
	if (n == 0 || (mr_take_char(&s, ".") && !mr_clock_take_fraction(&s, &fraction)) || s.n > 0)
		return false;
	if (whole >= EPOCH_MS_FROM)
		whole = whole * 1000 + fraction / 1000;
	else
		whole = whole * MR_US_PER_S + fraction;
	if (whole >= (LAST_S + 1) * MR_US_PER_S)
		return false;
	*us = whole;
	return true;
}

bool
mr_clock_parse(struct mr_str s, int64_t *us)
{
	return s.p != NULL && (mr_clock_parse_date(s, us) || parse_epoch(s, us));
}

/* n decimal digits and the separator behind them. */
static char *
put(char *p, int64_t value, int n, char separator)
{
	for (int i = n - 1; i >= 0; i--) {
		p[i] = (char)('0' + value % 10);
		value /= 10;
	}
	p[n] = separator;
	return p + n + 1;
}

void
mr_clock_format(int64_t us, char text[MR_CLOCK_TEXT])
{
	int64_t days = us / (86400 * MR_US_PER_S), rest = us % (86400 * MR_US_PER_S);
	int64_t y, m, d, s;
	char *p = text;

	if (rest < 0) {
		rest += 86400 * MR_US_PER_S;
		days--;
	}
	date_from_days(days, &y, &m, &d);
	s = rest / MR_US_PER_S;
	p = put(p, y, 4, '-');
	p = put(p, m, 2, '-');
	p = put(p, d, 2, 'T');
	p = put(p, s / 3600, 2, ':');
	p = put(p, s / 60 % 60, 2, ':');
	p = put(p, s % 60, 2, '.');
	p = put(p, rest % MR_US_PER_S / 1000, 3, 'Z');
	*p = '\0';
}
