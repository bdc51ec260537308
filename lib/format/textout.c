/* Numbers and times as text: see textout.h. */
#include "format/textout.h"

#include <string.h>

#include "base/clock.h"

/* "00" to "99", so that a division gives two digits. */
static const char pairs[] =
    "00010203040506070809" "10111213141516171819" "20212223242526272829"
    "30313233343536373839" "40414243444546474849" "50515253545556575859"
    "60616263646566676869" "70717273747576777879" "80818283848586878889"
    "90919293949596979899";

char *
mr_textout_int64(char *to, int64_t value)
{
	char digits[MR_TEXTOUT_INT64], *p = digits + sizeof digits;
	uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	size_t n;

	while (v >= 100) {
		p -= 2;
		memcpy(p, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		p -= 2;
		memcpy(p, pairs + v * 2, 2);
	} else {
		*--p = (char)('0' + v);
	}
	if (value < 0)
		*--p = '-';
	n = (size_t)(digits + sizeof digits - p);
	memcpy(to, p, n);
	return to + n;
}

char *
mr_textout_time(char *to, int64_t us, struct mr_textout_second *last)
{
	int64_t second = us / MR_US_PER_S, fraction = us % MR_US_PER_S;

	if (fraction < 0) {
		fraction += MR_US_PER_S;
		second--;
	}
	if (second != last->second || last->text[0] == '\0') {
		char text[MR_CLOCK_TEXT];

		mr_clock_format(us, text);
		memcpy(last->text, text, sizeof "2025-06-22T12:00:00." - 1);
		last->text[MR_TEXTOUT_TIME - 1] = 'Z';
		last->second = second;
	}
	memcpy(to, last->text, MR_TEXTOUT_TIME);
	to += sizeof "2025-06-22T12:00:00." - 1;
	memcpy(to, pairs + fraction / 10000 * 2, 2);
	memcpy(to + 2, pairs + fraction / 100 % 100 * 2, 2);
	memcpy(to + 4, pairs + fraction % 100 * 2, 2);
	return to + sizeof "123456Z" - 1;
}
