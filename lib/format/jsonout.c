/* Writing JSON: see jsonout.h. */
#include "format/jsonout.h"

#include "base/clock.h"
#include "format/utf8.h"

static void
put_escaped(struct mr_buf *b, unsigned char c)
{
	static const char letters[] = "btnvfr"; /* of 0x08 to 0x0d */

	if (c == '"' || c == '\\')
		mr_buf_printf(b, "\\%c", c);
	else if (c >= 0x08 && c <= 0x0d && c != 0x0b)
		mr_buf_printf(b, "\\%c", letters[c - 0x08]);
	else
		mr_buf_printf(b, "\\u%04x", c);
}

void
mr_jsonout_string(struct mr_buf *b, struct mr_str s)
{
	size_t from = 0, i = 0, n;

	if (s.p == NULL) {
		mr_buf_add_cstr(b, "null");
		return;
	}
	mr_buf_add_char(b, '"');
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];

		n = mr_utf8_length(s.p + i, s.n - i);
		if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
			i += n;
			continue;
		}
		mr_buf_add(b, s.p + from, i - from);
		if (n == 0 || c == '\0')
			mr_buf_add_cstr(b, "\xef\xbf\xbd");
		else
			put_escaped(b, c);
		from = ++i;
	}
	mr_buf_add(b, s.p + from, i - from);
	mr_buf_add_char(b, '"');
}

void
mr_jsonout_key(struct mr_buf *b, const char *key)
{
	mr_buf_add_char(b, '"');
	mr_buf_add_cstr(b, key);
	mr_buf_add(b, "\":", 2);
}

void
mr_jsonout_time(struct mr_buf *b, int64_t us)
{
	char text[MR_CLOCK_TEXT];

	mr_clock_format(us, text);
	mr_buf_printf(b, "\"%s\"", text);
}
