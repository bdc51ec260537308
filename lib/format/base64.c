/* Base64: see base64.h. */
#include "format/base64.h"

#include <stdint.h>

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-' || c == ' ')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool
mr_base64_decode(char *text, size_t *n)
{
	size_t len = *n, used = 0;
	uint32_t bits = 0;
	unsigned held = 0;

	for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++)
		len--;
	for (size_t i = 0; i < len; i++) {
		int value = value_of(text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			text[used++] = (char)(bits >> held & 0xff);
		}
	}
	*n = used;
	return len % 4 != 1;
}
