/* The NDJSON encoder: see enc_ndjson.h. */
#include "stage/enc_ndjson.h"

#include "format/jsonout.h"
#include "stage/textenc.h"

/* The lowest bit, and the highest, of each byte. */
#define LOW_BITS UINT64_C(0x0101010101010101)
#define HIGH_BITS (LOW_BITS * 0x80)

/*
 * Not 0 when one of the eight bytes is a control, a quote, a backslash or not
 * ASCII. A byte that is below n borrows into its highest bit when n is taken
 * from it; the one that equals c is 0, which is below 1, after xor with c.
 */
static uint64_t
special(const char *eight)
{
	uint64_t x, quote, backslash;

	memcpy(&x, eight, sizeof x);
	quote = x ^ (LOW_BITS * '"');
	backslash = x ^ (LOW_BITS * '\\');
	return (((x - LOW_BITS * 0x20) | (quote - LOW_BITS) | (backslash - LOW_BITS)) & ~x &
	    HIGH_BITS) | (x & HIGH_BITS);
}

/* Whether the text stands in JSON as it is; not ASCII counts as no. */
static bool
is_plain(struct mr_str s)
{
	uint64_t found = 0;
	char rest[8] = "        ";
	size_t i;

	for (i = 0; i + sizeof rest <= s.n; i += sizeof rest)
		found |= special(s.p + i);
	memcpy(rest, s.p + i, s.n - i);
	return (found | special(rest)) == 0;
}

/* As mr_buf_reserve(), without the call where there is room already. */
static inline char *
room(struct mr_buf *out, size_t n)
{
	if (!out->failed && n < out->cap - out->len)
		return out->p + out->len;
	return mr_buf_reserve(out, n);
}

static void
put_key(struct mr_buf *out, const struct mr_column *c)
{
	char *to = room(out, sizeof c->json_key);

	if (to == NULL)
		return;
	memcpy(to, c->json_key, sizeof c->json_key);
	out->len += c->json_key_n;
}

static void
put_text(struct mr_buf *out, struct mr_str s)
{
	char *to;

	if (s.p == NULL || !is_plain(s)) {
		mr_jsonout_string(out, s);
		return;
	}
	to = room(out, s.n + 2);
	if (to == NULL)
		return;
	*to++ = '"';
	memcpy(to, s.p, s.n);
	to[s.n] = '"';
	out->len += s.n + 2;
}

/* A line feed between tokens of the JSON would end the line; a blank is as good. */
static void
put_json(struct mr_buf *out, struct mr_str json)
{
	char *from = room(out, json.n), *at, *end;

	if (from == NULL)
		return;
	memcpy(from, json.p, json.n);
	out->len += json.n;
	for (end = from + json.n; (at = memchr(from, '\n', (size_t)(end - from))) != NULL; from = at)
		*at = ' ';
}

static void
put_int64(struct mr_buf *out, int64_t value)
{
	char *to = room(out, MR_TEXTOUT_INT64);

	if (to != NULL)
		out->len += (size_t)(mr_textout_int64(to, value) - to);
}

static void
put_time(struct mr_buf *out, int64_t us, struct mr_textout_second *last)
{
	char *to = room(out, MR_TEXTOUT_TIME + 2);

	if (to == NULL)
		return;
	to[0] = '"';
	to = mr_textout_time(to + 1, us, last);
	*to = '"';
	out->len += MR_TEXTOUT_TIME + 2;
}

static void
put_ip(struct mr_buf *out, const struct mr_ip *ip)
{
	char text[MR_IP_TEXT];

	mr_ip_format(ip, text);
	put_text(out, ip->family != 0 ? mr_str(text) : MR_STR_NULL);
}

static void
put_value(struct mr_textenc *t, const struct mr_export_row *row, size_t i)
{
	const struct mr_column *c = t->columns.column[i];

	switch (c->kind) {
	case MR_COLUMN_INT64:
		put_int64(&t->out, mr_row_int64(row, c));
		break;
	case MR_COLUMN_TIME:
		put_time(&t->out, mr_row_int64(row, c), &t->seconds[i]);
		break;
	case MR_COLUMN_TEXT:
		put_text(&t->out, mr_row_text(row, c));
		break;
	case MR_COLUMN_IP:
		put_ip(&t->out, mr_row_ip(row, c));
		break;
	case MR_COLUMN_JSON:
		put_json(&t->out, mr_row_text(row, c));
		break;
	}
}

/* Every key has a comma in front; the first one's becomes the brace. */
static void
put_row(struct mr_textenc *t, const struct mr_export_row *row)
{
	size_t start = t->out.len;

	for (size_t i = 0; i < t->columns.n; i++) {
		put_key(&t->out, t->columns.column[i]);
		put_value(t, row, i);
	}
	mr_buf_add(&t->out, "}\n", 2);
	if (!t->out.failed)
		t->out.p[start] = '{';
}

static const struct mr_stage_ops ops = {
	.name = "ndjson",
	.rows = mr_textenc_rows,
	.finish = mr_textenc_finish,
	.free = mr_textenc_free,
};

struct mr_stage *
mr_enc_ndjson_new(struct mr_stage *next, bool drops_keys, struct mr_error *err)
{
	struct mr_textenc *t = mr_textenc_new(&ops, next, drops_keys, put_row, err);

	return t != NULL ? &t->stage : NULL;
}
