/* Objects as they were sent: see payload.h. */
#include "format/payload.h"

#include <stdbool.h>
#include <string.h>

static bool
is_one_of(const struct mr_json *json, int key, const struct mr_str *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++)
		if (mr_json_is(json, key, names[i]))
			return true;
	return false;
}

static bool
has_one_of(const struct mr_json *json, int object, const struct mr_str *names, size_t n_names)
{
	int key = object + 1;

	for (int i = 0; i < json->nodes[object].size; i++, key = json->nodes[key + 1].next)
		if (is_one_of(json, key, names, n_names))
			return true;
	return false;
}

/* Copies a string from its opening to its closing quote; *from is behind it then. */
static char *
put_string(char *to, const char **from)
{
	const char *p = *from, *start = p;

	for (p++; *p != '"'; p++)
		p += *p == '\\';
	p++;
	memcpy(to, start, (size_t)(p - start));
	*from = p;
	return to + (p - start);
}

/* Copies a node, without the blanks between its tokens; returns the end of the copy. */
static char *
put_node(char *to, const struct mr_json *json, int node)
{
	struct mr_str raw = mr_json_raw(json, node);
	const char *p = raw.p, *end = raw.p + raw.n;

	if (!json->has_blanks) {
		memcpy(to, raw.p, raw.n);
		return to + raw.n;
	}
	while (p < end) {
		if (*p == '"')
			to = put_string(to, &p);
		else if (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
			p++;
		else
			*to++ = *p++;
	}
	return to;
}

struct mr_str
mr_payload(struct mr_arena *arena, const struct mr_json *json, int object,
    const struct mr_str *without, size_t n_without)
{
	const struct mr_json_node *nodes = json->nodes;
	struct mr_str raw = mr_json_raw(json, object);
	int key = object + 1;
	char *p, *to;

	if (!json->has_blanks && !has_one_of(json, object, without, n_without))
		return raw;
	p = to = mr_arena_alloc(arena, raw.n);
	if (p == NULL)
		return MR_STR_NULL;
	*to++ = '{';
	for (int i = 0; i < nodes[object].size; i++, key = nodes[key + 1].next) {
		if (is_one_of(json, key, without, n_without))
			continue;
		if (to > p + 1)
			*to++ = ',';
		to = put_node(to, json, key);
		*to++ = ':';
		to = put_node(to, json, key + 1);
	}
	*to++ = '}';
	return (struct mr_str){ p, (size_t)(to - p) };
}
