/*
 * Putting members aside: see salvage.h. One lenient pass over the text, which knows
 * nothing but brackets, quotes and commas, and the strict check of each member.
 */
#include "format/salvage.h"

#include "base/error.h"
#include "format/json.h"
#include "format/utf8.h"

/* Brackets whose kind is remembered; deeper ones are only counted. */
#define KNOWN_DEPTH 256

struct scan {
	struct mr_arena *arena;
	char *text;
	size_t len;
	size_t pos;
	struct mr_str members;
	size_t left; /* members that may still be put aside */
	struct mr_json_cost cost;
	struct mr_spoiled **end; /* where the next one is linked in */
};

static void
skip_blanks(struct scan *s)
{
	while (s->pos < s->len && strchr(" \t\r\n", s->text[s->pos]) != NULL &&
	    s->text[s->pos] != '\0')
		s->pos++;
}

static bool
take(struct scan *s, char c)
{
	skip_blanks(s);
	if (s->pos == s->len || s->text[s->pos] != c)
		return false;
	s->pos++;
	return true;
}

/* Behind a quote; passes the closing one. */
static bool
skip_string(struct scan *s)
{
	while (s->pos < s->len && s->text[s->pos] != '"')
		s->pos += s->text[s->pos] == '\\' ? 2 : 1;
	if (s->pos >= s->len)
		return false;
	s->pos++;
	return true;
}

/* Behind an opening bracket; passes what closes it. */
static bool
skip_container(struct scan *s, char opened)
{
	char open[KNOWN_DEPTH] = { opened };
	size_t depth = 1;

	while (depth > 0 && s->pos < s->len) {
		char c = s->text[s->pos++];

		if (c == '"') {
			if (!skip_string(s))
				return false;
		} else if (c == '{' || c == '[') {
			if (depth < KNOWN_DEPTH)
				open[depth] = c;
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
			if (depth < KNOWN_DEPTH && open[depth] != (c == '}' ? '{' : '['))
				return false;
		}
	}
	return depth == 0;
}

/* A word, a number, or what somebody took for one: up to what may stand behind a value. */
static bool
skip_word(struct scan *s)
{
	size_t from = s->pos;

	while (s->pos < s->len && strchr(",]} \t\r\n", s->text[s->pos]) == NULL)
		s->pos++;
	return s->pos > from;
}

static bool
skip_value(struct scan *s)
{
	char c;

	skip_blanks(s);
	if (s->pos == s->len)
		return false;
	c = s->text[s->pos];
	if (c != '"' && c != '{' && c != '[')
		return skip_word(s);
	s->pos++;
	return c == '"' ? skip_string(s) : skip_container(s, c);
}

/* Puts a number in the place of bytes from..to. */
static bool
put_aside(struct scan *s, size_t from, size_t to, const char *reason)
{
	struct mr_spoiled *m = mr_arena_alloc(s->arena, sizeof *m);

	if (m == NULL || s->left == 0)
		return false;
	s->left--;
	*m = (struct mr_spoiled){ .start = from,
		.raw = mr_arena_dup(s->arena, (struct mr_str){ s->text + from, to - from }),
		.reason = mr_arena_dup(s->arena, mr_str(reason)) };
	if (m->raw.p == NULL || m->reason.p == NULL)
		return false;
	*s->end = m;
	s->end = &m->next;
	memset(s->text + from, ' ', to - from);
	s->text[from] = '0';
	return true;
}

/* One element of the array, `depth` levels inside the body. */
static bool
scan_member(struct scan *s, unsigned depth)
{
	struct mr_error why = MR_ERROR_INIT;
	size_t from;

	skip_blanks(s);
	from = s->pos;
	if (!skip_value(s))
		return false;
	return mr_json_check(s->text, from, s->pos, depth, &s->cost, &why) == MR_OK ||
	    put_aside(s, from, s->pos, why.text);
}

/* Behind the array's bracket. */
static bool
scan_members(struct scan *s, unsigned depth)
{
	if (take(s, ']'))
		return true;
	do {
		if (!scan_member(s, depth))
			return false;
	} while (take(s, ','));
	return take(s, ']');
}

/* A value of the outer object that is not looked into; what is wrong with it stays so. */
static bool
scan_value(struct scan *s)
{
	size_t from;

	skip_blanks(s);
	from = s->pos;
	if (!skip_value(s))
		return false;
	(void)mr_json_check(s->text, from, s->pos, 1, &s->cost, NULL);
	return true;
}

static bool
scan_pair(struct scan *s)
{
	struct mr_str key;
	size_t from;

	if (!take(s, '"'))
		return false;
	from = s->pos;
	if (!skip_string(s))
		return false;
	key = (struct mr_str){ s->text + from, s->pos - 1 - from };
	s->cost.nodes++;
	if (!take(s, ':'))
		return false;
	if (!mr_str_eq(key, s->members) || !take(s, '['))
		return scan_value(s);
	return scan_members(s, 2);
}

/* Behind the object's bracket. */
static bool
scan_object(struct scan *s)
{
	do {
		if (!scan_pair(s))
			return false;
	} while (take(s, ','));
	return take(s, '}');
}

/* How many bytes are part of no sequence. */
static size_t
count_stray(const char *text, size_t len)
{
	size_t stray = 0, n;

	for (size_t i = 0; i < len; i += n > 0 ? n : 1) {
		n = mr_utf8_length(text + i, len - i);
		stray += n == 0;
	}
	return stray;
}

/* As mr_utf8_mend(), but a NUL stays what it is, and is refused later. */
static size_t
copy_mended(char *to, const char *text, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t used = 0, n;

	for (size_t i = 0; i < len; i += n > 0 ? n : 1) {
		n = mr_utf8_length(text + i, len - i);
		memcpy(to + used, n > 0 ? text + i : replacement, n > 0 ? n : 3);
		used += n > 0 ? n : 3;
	}
	return used;
}

/* The text with U+FFFD for what is no UTF-8: itself where there is nothing of that kind. */
static bool
mend(struct mr_arena *arena, char *text, size_t len, struct mr_salvage *out)
{
	size_t stray = count_stray(text, len);

	*out = (struct mr_salvage){ .text = text, .len = len };
	if (stray == 0)
		return true;
	out->text = mr_arena_alloc(arena, len + 2 * stray);
	if (out->text == NULL)
		return false;
	out->len = copy_mended(out->text, text, len);
	return true;
}

bool
mr_salvage(struct mr_arena *arena, char *text, size_t len, struct mr_str members, size_t most,
    struct mr_salvage *out)
{
	struct scan s = { .arena = arena, .members = members, .left = most, .end = &out->spoiled };

	if (!mend(arena, text, len, out))
		return false;
	s.text = out->text;
	s.len = out->len;
	if (take(&s, '{') ? !scan_object(&s) : !take(&s, '[') || !scan_members(&s, 1))
		return false;
	skip_blanks(&s);
	return s.pos == s.len;
}

/* The line from..to, blanks around it apart; puts a comma at `comma` in front of it. */
static bool
scan_line(struct scan *s, size_t from, size_t to, size_t *comma)
{
	struct mr_error why = MR_ERROR_INIT;

	/* No further than the line goes: blanks without end would be passed over for each. */
	for (s->pos = from; s->pos < to; s->pos++)
		if (memchr(" \t\r", s->text[s->pos], 3) == NULL)
			break;
	if (s->pos == to)
		return true;
	if (*comma < from)
		s->text[*comma] = ',';
	*comma = to;
	return mr_json_check(s->text, s->pos, to, 1, &s->cost, &why) == MR_OK ||
	    put_aside(s, s->pos, to, why.text);
}

static bool
scan_lines(struct scan *s)
{
	size_t comma = s->len, to;

	for (size_t from = 0; from < s->len; from = to + 1) {
		const char *end = memchr(s->text + from, '\n', s->len - from);

		to = end != NULL ? (size_t)(end - s->text) : s->len;
		if (!scan_line(s, from, to, &comma))
			return false;
		if (end != NULL)
			s->text[to] = ' ';
	}
	return true;
}

bool
mr_salvage_lines(struct mr_arena *arena, char *text, size_t len, size_t most,
    struct mr_salvage *out)
{
	struct scan s = { .arena = arena, .left = most, .end = &out->spoiled };
	char *array;

	if (!mend(arena, text, len, out))
		return false;
	s.text = out->text;
	s.len = out->len;
	if (!scan_lines(&s) || (array = mr_arena_alloc(arena, out->len + 2)) == NULL)
		return false;
	memcpy(array + 1, out->text, out->len);
	array[0] = '[';
	array[out->len + 1] = ']';
	for (struct mr_spoiled *m = out->spoiled; m != NULL; m = m->next)
		m->start++;
	out->text = array;
	out->len += 2;
	return true;
}

const struct mr_spoiled *
mr_salvage_at(struct mr_spoiled **next, size_t start)
{
	while (*next != NULL && (*next)->start < start)
		*next = (*next)->next;
	return *next != NULL && (*next)->start == start ? *next : NULL;
}
