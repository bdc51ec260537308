/*
 * libFuzzer target for format/json.h. What was accepted must lie inside the
 * text, be accepted again without further editing, and give the same tree.
 */
#include "format/json.h"

#include <stdint.h>
#include <stdlib.h>

#include "format/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
demand(int condition)
{
	if (!condition)
		abort();
}

static void
check_node(struct mr_arena *arena, const struct mr_json *json, int node, size_t size)
{
	const struct mr_json_node *n = &json->nodes[node];
	struct mr_str raw = mr_json_raw(json, node), text;

	demand(n->start >= 0 && n->start <= n->end && (size_t)n->end <= size);
	demand(n->next > node && n->next <= json->n);
	demand(raw.n > 0 && raw.p >= json->text && raw.p + raw.n <= json->text + size);
	if (n->type != MR_JSON_STRING)
		return;
	text = mr_json_string(arena, json, node);
	demand(text.p != NULL && text.n <= (size_t)(n->end - n->start));
	demand(mr_json_is(json, node, text));
	for (size_t i = 0; i < text.n;) {
		size_t length = mr_utf8_length(text.p + i, text.n - i);

		demand(length > 0 && text.p[i] != '\0');
		i += length;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_arena arena;
	struct mr_json first, second;
	char *text = malloc(size + 1), *copy = malloc(size + 1);

	demand(text != NULL && copy != NULL);
	memcpy(text, data, size);
	mr_arena_init(&arena, (size_t)64 << 20);
	if (mr_json_parse(&arena, text, size, &first, &err) == MR_OK) {
		memcpy(copy, text, size);
		demand(mr_json_parse(&arena, copy, size, &second, &err) == MR_OK);
		demand(memcmp(copy, text, size) == 0 && first.n == second.n &&
		    first.bad_numbers == second.bad_numbers);
		for (int i = 0; i < first.n; i++) {
			check_node(&arena, &first, i, size);
			demand(memcmp(&first.nodes[i], &second.nodes[i], sizeof first.nodes[i]) == 0);
		}
	} else {
		demand(err.code == MR_EINVAL && err.offset >= 0 && (size_t)err.offset <= size);
	}
	mr_arena_free(&arena);
	free(copy);
	free(text);
	return 0;
}
