/* Bodies of all kinds: see body.h. */
#include "format/body.h"

#include <strings.h>

#include "format/base64.h"
#include "format/query.h"
#include "format/utf8.h"

struct body {
	struct mr_arena *arena;
	const struct mr_event_context *ctx;
	struct mr_batch *batch;
	struct mr_error *err;
	char *p;
	size_t n;
};

static unsigned
byte_at(const struct body *b, size_t i)
{
	return i < b->n ? (unsigned char)b->p[i] : 0;
}

static unsigned
unit_at(const struct body *b, size_t i, bool big)
{
	return byte_at(b, i + !big) << 8 | byte_at(b, i + big);
}

/* UTF-16 to UTF-8; a lone surrogate, and half a unit at the end, become U+FFFD. */
static size_t
utf8_of(const struct body *b, bool big, char *to)
{
	size_t used = 0;

	for (size_t i = 0; i < b->n; i += 2) {
		unsigned code = i + 1 < b->n ? unit_at(b, i, big) : 0xfffd, low;

		if (code >= 0xd800 && code <= 0xdfff) {
			low = unit_at(b, i + 2, big);
			if (code <= 0xdbff && low >= 0xdc00 && low <= 0xdfff && i + 3 < b->n) {
				code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
				i += 2;
			} else {
				code = 0xfffd;
			}
		}
		used += mr_utf8_put(to + used, code);
	}
	return used;
}

static enum mr_err
undo_utf16(struct body *b, bool big)
{
	/* A unit of two bytes makes three at most, half a unit three. */
	char *to = mr_arena_array(b->arena, b->n / 2 + 1, 3);

	if (to == NULL)
		return mr_fail(b->err, MR_ENOMEM, "no memory for the events");
	b->n = utf8_of(b, big, to);
	b->p = to;
	return MR_OK;
}

/* By the first bytes: a mark, or the zero beside a character of ASCII, as JSON begins with one. */
static enum mr_err
undo_unicode(struct body *b)
{
	static const char *const little[] = { "\xff\xfe", "{\0", "[\0" };
	static const char *const big[] = { "\xfe\xff", "\0{", "\0[" };
	enum mr_err e = MR_OK;

	if (b->n >= 2 && b->p[0] == '{' && b->p[1] != '\0')
		return MR_OK;
	for (size_t i = 0; b->n >= 2 && i < sizeof big / sizeof big[0]; i++) {
		if (memcmp(b->p, little[i], 2) == 0 || memcmp(b->p, big[i], 2) == 0) {
			e = undo_utf16(b, memcmp(b->p, big[i], 2) == 0);
			break;
		}
	}
	/* Blanks, so that whoever is told of a byte finds it there. */
	if (b->n >= 3 && memcmp(b->p, "\xef\xbb\xbf", 3) == 0)
		memset(b->p, ' ', 3);
	return e;
}

static bool
begins_as_json(const struct body *b)
{
	size_t i = 0;

	while (i < b->n && memchr(" \t\r\n", b->p[i], 4) != NULL)
		i++;
	return i < b->n && (b->p[i] == '{' || b->p[i] == '[');
}

static enum mr_err
decode_json(struct body *b)
{
	return mr_event_decode(b->arena, b->p, b->n, b->ctx, b->batch, b->err);
}

static enum mr_err
decode_lines(struct body *b)
{
	return mr_event_decode_lines(b->arena, b->p, b->n, b->ctx, b->batch, b->err);
}

/* Makes the value of the field the body. */
static enum mr_err
decode_data(struct body *b, struct mr_str data)
{
	enum mr_err e;

	*b->batch = (struct mr_batch){ .rows = NULL };
	b->p = mr_arena_alloc(b->arena, data.n);
	if (b->p == NULL)
		return mr_fail(b->err, MR_ENOMEM, "no memory for the events");
	memcpy(b->p, data.p, data.n);
	b->n = data.n;
	if (begins_as_json(b))
		return decode_json(b);
	if (!mr_base64_decode(b->p, &b->n))
		return mr_fail(b->err, MR_EINVAL, "data is neither JSON nor base64");
	e = undo_unicode(b);
	return e == MR_OK ? decode_json(b) : e;
}

static enum mr_err
decode_form(struct body *b)
{
	struct mr_str form = { b->p, b->n }, data;

	if (begins_as_json(b))
		return decode_json(b);
	if (mr_query_get(b->arena, form, "eventType").p == NULL) {
		data = mr_query_get(b->arena, form, "data");
		if (data.n > 0)
			return decode_data(b, data);
	}
	return mr_event_decode_query(b->arena, form, b->ctx, b->batch, b->err);
}

static const struct {
	struct mr_str type;
	enum mr_err (*decode)(struct body *);
} types[] = {
#define TYPE(text, decode) { { text, sizeof text - 1 }, decode }
	TYPE("application/x-www-form-urlencoded", decode_form),
	TYPE("application/x-ndjson", decode_lines),
	TYPE("application/ndjson", decode_lines),
	TYPE("application/jsonl", decode_lines),
	TYPE("application/x-jsonl", decode_lines),
	TYPE("application/jsonlines", decode_lines),
	TYPE("application/x-jsonlines", decode_lines),
#undef TYPE
};

/* Without its parameters (RFC 9110, section 8.3.1). */
static struct mr_str
type_of(struct mr_str content_type)
{
	size_t n = 0;

	while (n < content_type.n && memchr("; \t", content_type.p[n], 3) == NULL)
		n++;
	return (struct mr_str){ content_type.p, n };
}

enum mr_err
mr_body_decode(struct mr_arena *arena, struct mr_str content_type, char *body, size_t len,
    const struct mr_event_context *ctx, struct mr_batch *batch, struct mr_error *err)
{
	struct body b = { .arena = arena, .ctx = ctx, .batch = batch, .err = err, .p = body,
		.n = len };
	enum mr_err e = undo_unicode(&b);

	*batch = (struct mr_batch){ .rows = NULL };
	if (e != MR_OK)
		return e;
	content_type = type_of(content_type);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (content_type.n == types[i].type.n &&
		    strncasecmp(content_type.p, types[i].type.p, content_type.n) == 0)
			return types[i].decode(&b);
	return decode_json(&b);
}
