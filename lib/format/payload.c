/* Objects in jsonb's order: see payload.h. */
#include "format/payload.h"

#include <stdbool.h>
#include <string.h>

struct writer {
	const struct mr_json *json;
	char *to; /* there is room: nothing gets longer */
};

/* jsonb's order, of keys without escapes. */
static bool
is_before(const struct mr_json *json, int key, int other)
{
	const struct mr_json_node *a = &json->nodes[key], *b = &json->nodes[other];
	int n = a->end - a->start, m = b->end - b->start;

	return n != m ? n < m :
	    memcmp(json->text + a->start, json->text + b->start, (size_t)n) < 0;
}

/*
 * Whether the members may change places: two keys that are equal, of which the last
 * counts, must not, and an escape hides that they are.
 */
static bool
is_sortable(const struct mr_json *json, int object)
{
	const struct mr_json_node *nodes = json->nodes;
	int key = object + 1;

	if (nodes[object].size > MR_PAYLOAD_MAX_SORTED)
		return false;
	for (int i = 0; i < nodes[object].size; i++, key = nodes[key + 1].next)
		if (memchr(json->text + nodes[key].start, '\\',
		    (size_t)(nodes[key].end - nodes[key].start)) != NULL)
			return false;
	return true;
}

static bool
is_one_of(const struct mr_json *json, int key, const struct mr_str *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++)
		if (mr_json_is(json, key, names[i]))
			return true;
	return false;
}

/* Puts the key into its place among n; returns n + 1. */
static int
sort_in(const struct mr_json *json, int *keys, int n, int key)
{
	int i = n;

	for (; i > 0 && is_before(json, key, keys[i - 1]); i--)
		keys[i] = keys[i - 1];
	keys[i] = key;
	return n + 1;
}

static void put_value(struct writer *w, int node);

static void
put_member(struct writer *w, int key, bool first)
{
	if (!first)
		*w->to++ = ',';
	put_value(w, key);
	*w->to++ = ':';
	put_value(w, key + 1);
}

static void
put_object(struct writer *w, int object, const struct mr_str *without, size_t n_without)
{
	const struct mr_json_node *nodes = w->json->nodes;
	bool sorted = is_sortable(w->json, object), first = true;
	int keys[MR_PAYLOAD_MAX_SORTED], n = 0, key = object + 1;

	*w->to++ = '{';
	for (int i = 0; i < nodes[object].size; i++, key = nodes[key + 1].next) {
		if (is_one_of(w->json, key, without, n_without))
			continue;
		if (sorted) {
			n = sort_in(w->json, keys, n, key);
		} else {
			put_member(w, key, first);
			first = false;
		}
	}
	for (int i = 0; i < n; i++)
		put_member(w, keys[i], i == 0);
	*w->to++ = '}';
}

static void
put_array(struct writer *w, int array)
{
	const struct mr_json_node *nodes = w->json->nodes;
	int element = array + 1;

	*w->to++ = '[';
	for (int i = 0; i < nodes[array].size; i++, element = nodes[element].next) {
		if (i > 0)
			*w->to++ = ',';
		put_value(w, element);
	}
	*w->to++ = ']';
}

static void
put_value(struct writer *w, int node)
{
	const struct mr_json_node *nodes = w->json->nodes;
	struct mr_str raw;

	if (nodes[node].type == MR_JSON_OBJECT) {
		put_object(w, node, NULL, 0);
	} else if (nodes[node].type == MR_JSON_ARRAY &&
	    nodes[node].next > node + 1 + nodes[node].size) {
		put_array(w, node);
	} else {
		/* Among them arrays of single values. */
		raw = mr_json_raw(w->json, node);
		memcpy(w->to, raw.p, raw.n);
		w->to += raw.n;
	}
}

struct mr_str
mr_payload(struct mr_arena *arena, const struct mr_json *json, int object,
    const struct mr_str *without, size_t n_without)
{
	char *p = mr_arena_alloc(arena, mr_json_raw(json, object).n);
	struct writer w = { json, p };

	if (p == NULL)
		return MR_STR_NULL;
	put_object(&w, object, without, n_without);
	return (struct mr_str){ p, (size_t)(w.to - p) };
}
