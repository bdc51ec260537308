/* Growable byte buffer: see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 256

void
mr_buf_init(struct mr_buf *b, size_t max_bytes)
{
	*b = (struct mr_buf){ .p = NULL, .max = max_bytes };
}

void
mr_buf_free(struct mr_buf *b)
{
	free(b->p);
	mr_buf_init(b, b->max);
}

void
mr_buf_reset(struct mr_buf *b, size_t keep_bytes)
{
	if (b->cap > keep_bytes)
		mr_buf_free(b);
	b->len = 0;
	b->failed = false;
}

char *
mr_buf_reserve(struct mr_buf *b, size_t n)
{
	size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;
	char *p;

	if (b->failed || n > b->max - b->len) {
		b->failed = true;
		return NULL;
	}
	if (b->p != NULL && n <= b->cap - b->len)
		return b->p + b->len;
	while (cap < b->len + n)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	p = realloc(b->p, cap > 0 ? cap : 1);
	if (p == NULL) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	return b->p + b->len;
}

void
mr_buf_add(struct mr_buf *b, const void *data, size_t n)
{
	char *to = mr_buf_reserve(b, n);

	if (to == NULL || n == 0)
		return;
	memcpy(to, data, n);
	b->len += n;
}

void
mr_buf_add_str(struct mr_buf *b, struct mr_str s)
{
	mr_buf_add(b, s.p, s.n);
}

void
mr_buf_add_cstr(struct mr_buf *b, const char *s)
{
	mr_buf_add(b, s, strlen(s));
}

void
mr_buf_add_char(struct mr_buf *b, char c)
{
	mr_buf_add(b, &c, 1);
}

void
mr_buf_printf(struct mr_buf *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if ((size_t)n < sizeof text) {
		mr_buf_add(b, text, (size_t)n);
		return;
	}
	if (mr_buf_reserve(b, (size_t)n + 1) == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
mr_buf_add_be32(struct mr_buf *b, uint32_t v)
{
	unsigned char out[4];

	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(v >> (24 - 8 * i));
	mr_buf_add(b, out, sizeof out);
}

void
mr_buf_add_be64(struct mr_buf *b, uint64_t v)
{
	mr_buf_add_be32(b, (uint32_t)(v >> 32));
	mr_buf_add_be32(b, (uint32_t)v);
}
