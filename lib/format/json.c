/*
 * JSON: the strict check and the tree: see json.h. The only user of jsmn.
 *
 * check() is one pass over the bytes with an explicit stack of MR_JSON_MAX_DEPTH
 * bits. What it lets through, jsmn reads without ambiguity; its tokens are then
 * turned into nodes in their own place.
 */
#include "format/json.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Not JSMN_STRICT: it refuses a lone number, and check() is stricter. */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "format/utf8.h"

_Static_assert(sizeof(struct mr_json_node) == sizeof(jsmntok_t),
    "a node takes the place of a token");

struct checker {
	char *text;
	size_t len;
	size_t pos;
	int nodes;
	int exponents; /* added up */
	unsigned depth;
	unsigned max_depth;
	uint32_t in_object; /* bit d: the container at depth d + 1 is an object */
	bool has_blanks;
	struct mr_error *err;
};

static enum mr_err
wrong(const struct checker *c, size_t at, const char *what)
{
	return mr_fail_at(c->err, MR_EINVAL, (int64_t)at, "invalid JSON at byte %zu: %s", at,
	    what);
}

static void
skip_blanks(struct checker *c)
{
	while (c->pos < c->len) {
		char ch = c->text[c->pos];

		if (ch != ' ' && ch != '\n' && ch != '\r' && ch != '\t')
			break;
		c->pos++;
		c->has_blanks = true;
	}
}

static bool
at(const struct checker *c, char ch)
{
	return c->pos < c->len && c->text[c->pos] == ch;
}

/* The value of four hex digits at p, or -1. */
static int
hex4(const char *p, size_t n)
{
	int value = 0;

	if (n < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = (unsigned char)p[i], lower = c | 0x20;

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if (lower >= 'a' && lower <= 'f')
			value = value * 16 + (lower - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* At the 'u' of \uXXXX; passes it, a surrogate pair at once, and mends what cannot be stored. */
static enum mr_err
check_unicode_escape(struct checker *c)
{
	char *digits = c->text + c->pos + 1;
	int unit = hex4(digits, c->len - c->pos - 1), low;

	if (unit < 0)
		return wrong(c, c->pos - 1, "\\u needs four hex digits");
	c->pos += 5;
	if (unit >= 0xd800 && unit <= 0xdbff && c->len - c->pos >= 6 &&
	    c->text[c->pos] == '\\' && c->text[c->pos + 1] == 'u') {
		low = hex4(c->text + c->pos + 2, c->len - c->pos - 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			c->pos += 6;
			return MR_OK;
		}
	}
	if (unit == 0 || (unit >= 0xd800 && unit <= 0xdfff))
		memcpy(digits, "fffd", 4);
	return MR_OK;
}

static enum mr_err
check_escape(struct checker *c)
{
	c->pos++;
	if (c->pos == c->len)
		return wrong(c, c->pos, "the text ends inside a string");
	if (c->text[c->pos] == 'u')
		return check_unicode_escape(c);
	if (c->text[c->pos] == '\0' || strchr("\"\\/bfnrt", c->text[c->pos]) == NULL)
		return wrong(c, c->pos - 1, "unknown escape in a string");
	c->pos++;
	return MR_OK;
}

/* 0x80 in each byte of v that is a quote, a backslash, a control or not ASCII. */
static uint64_t
special_bytes(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t quote = v ^ (ones * '"'), backslash = v ^ (ones * '\\');

	return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
	    (v - ones * 0x20) | v) & highs;
}

/* Eight ordinary bytes of a string at a time. */
static void
skip_ordinary(struct checker *c)
{
	uint64_t v;

	while (c->len - c->pos >= sizeof v) {
		memcpy(&v, c->text + c->pos, sizeof v);
		if (special_bytes(v) != 0)
			break;
		c->pos += sizeof v;
	}
}

/* At the opening quote; passes the closing one. */
static enum mr_err
check_string(struct checker *c)
{
	enum mr_err e;
	size_t n;

	c->pos++;
	for (;;) {
		skip_ordinary(c);
		if (c->pos == c->len)
			return wrong(c, c->pos, "the text ends inside a string");
		unsigned char ch = (unsigned char)c->text[c->pos];

		if (ch == '"') {
			c->pos++;
			return MR_OK;
		}
		if (ch == '\\') {
			if ((e = check_escape(c)) != MR_OK)
				return e;
		} else if (ch < 0x20) {
			return wrong(c, c->pos, "control character in a string");
		} else if (ch < 0x80) {
			c->pos++;
		} else {
			n = mr_utf8_length(c->text + c->pos, c->len - c->pos);
			if (n == 0)
				return wrong(c, c->pos, "invalid UTF-8");
			c->pos += n;
		}
	}
}

static bool
skip_digits(struct checker *c)
{
	size_t from = c->pos;

	while (c->pos < c->len && c->text[c->pos] >= '0' && c->text[c->pos] <= '9')
		c->pos++;
	return c->pos > from;
}

/* An exponent as written, its sign apart; how far it is beyond the limit is not told. */
static int
exponent_of(const char *p, size_t n)
{
	int exponent = 0;

	for (size_t i = 0; i < n && exponent <= MR_JSON_MAX_EXPONENT; i++)
		if (p[i] >= '0' && p[i] <= '9')
			exponent = exponent * 10 + (p[i] - '0');
	return exponent;
}

/*
 * As jsonb, PostgreSQL writes the digits out: of many numbers together they would be forty
 * times the text. One beyond the limit makes a bad number, which is not stored, and is free.
 */
static enum mr_err
count_exponent(struct checker *c, size_t number, size_t from)
{
	int exponent = exponent_of(c->text + from, c->pos - from);

	if (exponent <= MR_JSON_MAX_EXPONENT)
		c->exponents += exponent;
	if (c->exponents > MR_JSON_MAX_EXPONENTS)
		return wrong(c, number, "the exponents add up to more than 1048576");
	return MR_OK;
}

/* number = [ "-" ] int [ frac ] [ exp ], RFC 8259 section 6. */
static enum mr_err
check_number(struct checker *c)
{
	size_t number = c->pos, exponent;

	if (at(c, '-'))
		c->pos++;
	if (at(c, '0'))
		c->pos++;
	else if (!skip_digits(c))
		return wrong(c, c->pos, "a number needs a digit here");
	if (at(c, '.')) {
		c->pos++;
		if (!skip_digits(c))
			return wrong(c, c->pos, "a number needs a digit behind its point");
	}
	if (at(c, 'e') || at(c, 'E')) {
		c->pos++;
		if (at(c, '+') || at(c, '-'))
			c->pos++;
		exponent = c->pos;
		if (!skip_digits(c))
			return wrong(c, c->pos, "a number needs a digit in its exponent");
		return count_exponent(c, number, exponent);
	}
	return MR_OK;
}

static enum mr_err
check_word(struct checker *c, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < n; i++)
		if (c->pos + i >= c->len || c->text[c->pos + i] != word[i])
			return wrong(c, c->pos, "expected a value");
	c->pos += n;
	return MR_OK;
}

static enum mr_err
count_node(struct checker *c)
{
	if (++c->nodes > MR_JSON_MAX_NODES)
		return wrong(c, c->pos, "more than 100000 values");
	return MR_OK;
}

/* A key and its colon. */
static enum mr_err
check_key(struct checker *c)
{
	size_t from = c->pos;
	enum mr_err e;

	if (!at(c, '"'))
		return wrong(c, c->pos, "expected a key in quotes");
	if ((e = count_node(c)) != MR_OK || (e = check_string(c)) != MR_OK)
		return e;
	if (c->pos - from - 2 > MR_JSON_MAX_KEY)
		return wrong(c, from, "a key is longer than 1024 bytes");
	skip_blanks(c);
	if (!at(c, ':'))
		return wrong(c, c->pos, "expected ':'");
	c->pos++;
	skip_blanks(c);
	return MR_OK;
}

/* Behind '{' or '[' : enters it. *empty: it was closed at once. */
static enum mr_err
open_container(struct checker *c, bool object, bool *empty)
{
	if (c->depth == c->max_depth)
		return wrong(c, c->pos, "nested deeper than 32 levels");
	c->pos++;
	skip_blanks(c);
	*empty = at(c, object ? '}' : ']');
	if (*empty) {
		c->pos++;
		return MR_OK;
	}
	c->in_object &= ~(UINT32_C(1) << c->depth);
	c->in_object |= (uint32_t)object << c->depth;
	c->depth++;
	return object ? check_key(c) : MR_OK;
}

/* A value of any type; a container only as far as its first value. */
static enum mr_err
check_value(struct checker *c, bool *complete)
{
	enum mr_err e = count_node(c);
	bool empty;
	char ch;

	if (e != MR_OK)
		return e;
	*complete = true;
	if (c->pos == c->len)
		return wrong(c, c->pos, "the text ends where a value should be");
	ch = c->text[c->pos];
	switch (ch) {
	case '{':
	case '[':
		e = open_container(c, ch == '{', &empty);
		*complete = empty;
		return e;
	case '"':
		return check_string(c);
	case 't':
		return check_word(c, "true");
	case 'f':
		return check_word(c, "false");
	case 'n':
		return check_word(c, "null");
	default:
		if (ch == '-' || (ch >= '0' && ch <= '9'))
			return check_number(c);
		return wrong(c, c->pos, "expected a value");
	}
}

/* Behind a value: closes what ends here; *more: another value follows. */
static enum mr_err
check_after_value(struct checker *c, bool *more)
{
	bool object;

	for (;;) {
		skip_blanks(c);
		*more = false;
		if (c->depth == 0) {
			if (c->pos < c->len)
				return wrong(c, c->pos, "something follows the value");
			return MR_OK;
		}
		object = (c->in_object >> (c->depth - 1) & 1) != 0;
		if (at(c, ',')) {
			c->pos++;
			skip_blanks(c);
			*more = true;
			return object ? check_key(c) : MR_OK;
		}
		if (!at(c, object ? '}' : ']'))
			return wrong(c, c->pos, object ? "expected ',' or '}'" :
			    "expected ',' or ']'");
		c->pos++;
		c->depth--;
	}
}

static enum mr_err
check(struct checker *c)
{
	bool complete, more = true;
	enum mr_err e;

	skip_blanks(c);
	if (c->pos == c->len)
		return mr_fail_at(c->err, MR_EINVAL, 0, "the text is empty; expected JSON");
	while (more) {
		if ((e = check_value(c, &complete)) != MR_OK)
			return e;
		if (complete && (e = check_after_value(c, &more)) != MR_OK)
			return e;
	}
	return MR_OK;
}

enum mr_err
mr_json_check(char *text, size_t from, size_t to, unsigned depth, struct mr_json_cost *cost,
    struct mr_error *err)
{
	struct checker c = { .text = text, .len = to, .pos = from, .nodes = cost->nodes,
		.exponents = cost->exponents, .max_depth = MR_JSON_MAX_DEPTH - depth, .err = err };
	enum mr_err e = check(&c);

	if (e == MR_OK)
		*cost = (struct mr_json_cost){ .nodes = c.nodes, .exponents = c.exponents };
	return e;
}

/* Whether a number is one that PostgreSQL writes without thousands of digits, also as jsonb. */
static bool
number_fits(const char *p, size_t n)
{
	size_t digits = 0, i = 0;

	if (n <= 20 && memchr(p, 'e', n) == NULL && memchr(p, 'E', n) == NULL)
		return true;
	for (; i < n && p[i] != 'e' && p[i] != 'E'; i++)
		digits += p[i] >= '0' && p[i] <= '9';
	return digits <= MR_JSON_MAX_DIGITS &&
	    exponent_of(p + i, n - i) <= MR_JSON_MAX_EXPONENT;
}

static int
node_type(const jsmntok_t *t, const char *text)
{
	switch (t->type) {
	case JSMN_OBJECT:
		return MR_JSON_OBJECT;
	case JSMN_ARRAY:
		return MR_JSON_ARRAY;
	case JSMN_STRING:
		return MR_JSON_STRING;
	default:
		break;
	}
	switch (text[t->start]) {
	case 't':
		return MR_JSON_TRUE;
	case 'f':
		return MR_JSON_FALSE;
	case 'n':
		return MR_JSON_NULL;
	default:
		return number_fits(text + t->start, (size_t)(t->end - t->start)) ?
		    MR_JSON_NUMBER : MR_JSON_BAD_NUMBER;
	}
}

/* Turns each token into a node where it stands, and links `next`. */
static void
link_nodes(struct mr_json *json, void *tokens)
{
	int open[MR_JSON_MAX_DEPTH + 1], depth = 0;
	struct mr_json_node *nodes = tokens;
	jsmntok_t t;

	json->bad_numbers = 0;
	for (int i = 0; i < json->n; i++) {
		memcpy(&t, &nodes[i], sizeof t);
		while (depth > 0 && t.start >= nodes[open[depth - 1]].end)
			nodes[open[--depth]].next = i;
		struct mr_json_node node = { .type = node_type(&t, json->text), .start = t.start,
			.end = t.end, .size = 0, .next = i + 1 };

		if (node.type == MR_JSON_OBJECT || node.type == MR_JSON_ARRAY) {
			node.size = t.size;
			open[depth++] = i;
		}
		json->bad_numbers += node.type == MR_JSON_BAD_NUMBER;
		memcpy(&nodes[i], &node, sizeof node);
	}
	while (depth > 0)
		nodes[open[--depth]].next = json->n;
	json->nodes = nodes;
}

enum mr_err
mr_json_parse(struct mr_arena *arena, char *text, size_t len, struct mr_json *json,
    struct mr_error *err)
{
	struct checker c = { .text = text, .len = len, .max_depth = MR_JSON_MAX_DEPTH,
		.err = err };
	jsmn_parser parser;
	jsmntok_t *tokens;
	enum mr_err e;
	int n;

	if (len > INT_MAX)
		return mr_fail_at(err, MR_EINVAL, 0, "the text is longer than 2 GiB");
	if ((e = check(&c)) != MR_OK)
		return e;
	tokens = mr_arena_array(arena, (size_t)c.nodes, sizeof *tokens);
	if (tokens == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %d JSON values", c.nodes);
	jsmn_init(&parser);
	n = jsmn_parse(&parser, text, len, tokens, (unsigned)c.nodes);
	if (n != c.nodes)
		return mr_fail_at(err, MR_EINVAL, (int64_t)parser.pos,
		    "invalid JSON at byte %u: not understood", parser.pos);
	*json = (struct mr_json){ .text = text, .n = n, .has_blanks = c.has_blanks };
	link_nodes(json, tokens);
	return MR_OK;
}

struct mr_str
mr_json_raw(const struct mr_json *json, int node)
{
	const struct mr_json_node *n = &json->nodes[node];
	int quote = n->type == MR_JSON_STRING;

	return (struct mr_str){ json->text + n->start - quote,
		(size_t)(n->end - n->start + 2 * quote) };
}

/*
 * Undoes one escape at p (behind its backslash); what it stands for goes to
 * `to`. An escape is never shorter than its UTF-8. Returns the bytes passed.
 */
static size_t
unescape(const char *p, char *to, size_t *written)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	unsigned code;

	if (*p != 'u') {
		to[0] = values[strchr(names, *p) - names];
		*written = 1;
		return 1;
	}
	code = (unsigned)hex4(p + 1, 4);
	if (code >= 0xd800 && code <= 0xdbff) {
		code = 0x10000 + ((code - 0xd800) << 10) + ((unsigned)hex4(p + 7, 4) - 0xdc00);
		*written = mr_utf8_put(to, code);
		return 11;
	}
	*written = mr_utf8_put(to, code);
	return 5;
}

struct mr_str
mr_json_string(struct mr_arena *arena, const struct mr_json *json, int node)
{
	const struct mr_json_node *n = &json->nodes[node];
	const char *p = json->text + n->start, *end = json->text + n->end;
	size_t len = (size_t)(n->end - n->start), used = 0, written;
	char *to;

	if (memchr(p, '\\', len) == NULL)
		return (struct mr_str){ p, len };
	to = mr_arena_alloc(arena, len);
	if (to == NULL)
		return MR_STR_NULL;
	while (p < end) {
		if (*p != '\\') {
			to[used++] = *p++;
			continue;
		}
		p += 1 + unescape(p + 1, to + used, &written);
		used += written;
	}
	return (struct mr_str){ to, used };
}

int
mr_json_is(const struct mr_json *json, int node, struct mr_str s)
{
	const struct mr_json_node *n = &json->nodes[node];
	const char *p = json->text + n->start, *end = json->text + n->end;
	size_t at_s = 0, written;
	char code[4];

	/* An escape is never shorter than what it stands for; most keys differ in the first byte. */
	if (n->type != MR_JSON_STRING || (size_t)(end - p) < s.n ||
	    (s.n > 0 && *p != *s.p && *p != '\\'))
		return 0;
	if (memchr(p, '\\', (size_t)(end - p)) == NULL)
		return mr_str_eq((struct mr_str){ p, (size_t)(end - p) }, s);
	while (p < end) {
		code[0] = *p;
		written = 1;
		p += *p == '\\' ? 1 + unescape(p + 1, code, &written) : 1;
		if (written > s.n - at_s || memcmp(code, s.p + at_s, written) != 0)
			return 0;
		at_s += written;
	}
	return at_s == s.n;
}
