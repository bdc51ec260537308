/*
 * libFuzzer target for format/event.h: the input once as a body and once as a
 * query string. Every row must be one that PostgreSQL can hold.
 */
#include "format/event.h"

#include <stdint.h>
#include <stdlib.h>

#include "format/json.h"
#include "format/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
demand(int condition)
{
	if (!condition)
		abort();
}

static void
check_text(struct mr_str s, size_t most)
{
	demand(s.n <= most);
	for (size_t i = 0; i < s.n;) {
		size_t length = mr_utf8_length(s.p + i, s.n - i);

		demand(length > 0 && s.p[i] != '\0');
		i += length;
	}
}

static void
check_row(const struct mr_event *row)
{
	struct mr_arena arena;
	struct mr_json json;
	char *copy = malloc(row->payload.n);

	check_text(row->event_type, MR_EVENT_MAX_TEXT);
	check_text(row->site_id, MR_EVENT_MAX_TEXT);
	check_text(row->session_id, MR_EVENT_MAX_TEXT);
	check_text(row->visitor_id, MR_EVENT_MAX_TEXT);
	demand(row->event_type.n > 0 && row->site_id.n > 0);
	demand(copy != NULL && row->payload.n > 0);
	memcpy(copy, row->payload.p, row->payload.n);
	mr_arena_init(&arena, (size_t)64 << 20);
	demand(mr_json_parse(&arena, copy, row->payload.n, &json, NULL) == MR_OK);
	demand(json.nodes[0].type == MR_JSON_OBJECT && json.bad_numbers == 0);
	demand(memcmp(copy, row->payload.p, row->payload.n) == 0);
	mr_arena_free(&arena);
	free(copy);
}

static void
check_batch(enum mr_err rc, const struct mr_batch *batch, const struct mr_error *err)
{
	if (rc != MR_OK) {
		demand(rc == MR_EINVAL || rc == MR_ELIMIT);
		demand(err->code == rc && err->text[0] != '\0' && batch->n_rows == 0);
		return;
	}
	demand(batch->n_rows > 0);
	demand(batch->n_rows + batch->n_rejects == 1 + batch->n_members);
	for (size_t i = 0; i < batch->n_rows; i++)
		check_row(&batch->rows[i]);
	for (size_t i = 0; i < batch->n_rejects; i++)
		demand(batch->rejects[i].reason.n > 0 &&
		    (size_t)batch->rejects[i].index < batch->n_members);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_event_context ctx = { .received_us = 1, .default_site = MR_STR_LIT("default"),
		.max_batch_events = 50 };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_arena arena;
	struct mr_batch batch;
	char *body = malloc(size + 1);

	demand(body != NULL);
	memcpy(body, data, size);
	mr_arena_init(&arena, (size_t)64 << 20);
	check_batch(mr_event_decode(&arena, body, size, &ctx, &batch, &err), &batch, &err);
	/* json.h limits a key's length and event.h no parameter's; escaping makes it six times as long. */
	size = size * 6 <= MR_JSON_MAX_KEY ? size : MR_JSON_MAX_KEY / 6;
	memcpy(body, data, size);
	mr_arena_reset(&arena);
	check_batch(mr_event_decode_query(&arena, (struct mr_str){ body, size }, &ctx, &batch, &err),
	    &batch, &err);
	mr_arena_free(&arena);
	free(body);
	return 0;
}
