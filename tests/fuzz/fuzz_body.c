/*
 * libFuzzer target for format/body.h and format/dialect.h. The first byte says as what the
 * rest is decoded. Every row must be one that PostgreSQL can hold, and every member must have
 * become a row or a refusal.
 */
#include "format/body.h"

#include <stdint.h>
#include <stdlib.h>

#include "format/dialect.h"
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

/* Keys of a form have no limit, those of JSON have; so its payload is only looked at as text. */
static void
check_payload(struct mr_str payload, int form)
{
	char *copy = malloc(payload.n);
	struct mr_arena arena;
	struct mr_json json;

	demand(copy != NULL && payload.n > 0);
	check_text(payload, SIZE_MAX);
	memcpy(copy, payload.p, payload.n);
	mr_arena_init(&arena, (size_t)64 << 20);
	demand(form || (mr_json_parse(&arena, copy, payload.n, &json, NULL) == MR_OK &&
	    json.nodes[0].type == MR_JSON_OBJECT && json.bad_numbers == 0));
	mr_arena_free(&arena);
	free(copy);
}

static void
check_batch(const struct mr_batch *batch, int form)
{
	demand(batch->n_rows > 0);
	demand(batch->n_rows + batch->n_rejects == batch->n_members + !batch->bare);
	for (size_t i = 0; i < batch->n_rows; i++) {
		const struct mr_event *row = &batch->rows[i];

		check_text(row->event_type, MR_EVENT_MAX_TEXT);
		check_text(row->site_id, MR_EVENT_MAX_TEXT);
		check_text(row->session_id, MR_EVENT_MAX_TEXT);
		check_text(row->visitor_id, MR_EVENT_MAX_TEXT);
		demand(row->event_type.n > 0 && row->site_id.n > 0);
		check_payload(row->payload, form);
	}
	for (size_t i = 0; i < batch->n_rejects; i++)
		demand(batch->rejects[i].reason.n > 0 &&
		    (size_t)batch->rejects[i].index < batch->n_members);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { NULL, "application/x-ndjson",
		"application/x-www-form-urlencoded" };
	static const char *const paths[] = { "/v1/batch", "/v1/track", "/v1/page" };
	struct mr_conf conf = { .max_batch_bytes = 500000, .max_message_bytes = 1000 };
	struct mr_event_context ctx = { .received_us = 1, .default_site = MR_STR_LIT("default"),
		.max_batch_events = 50, .drop_visitor = size > 0 && (data[0] & 0x40) != 0 };
	struct mr_error err = MR_ERROR_INIT;
	size_t which = size > 0 ? data[0] % 6 : 0;
	struct mr_dialect_request request = { .conf = &conf };
	struct mr_arena arena;
	struct mr_batch batch;
	enum mr_err rc;
	char *body;

	if (size == 0)
		return 0;
	body = malloc(size);
	demand(body != NULL);
	memcpy(body, data + 1, size - 1);
	mr_arena_init(&arena, (size_t)64 << 20);
	if (which < 3) {
		rc = mr_body_decode(&arena, mr_str(types[which]), body, size - 1, &ctx, &batch, &err);
	} else {
		request.path = mr_dialect_find(mr_str(paths[which - 3]));
		rc = mr_dialect_decode(&arena, &request, body, size - 1, &ctx, &batch, &err);
	}
	if (rc == MR_OK)
		check_batch(&batch, which == 2);
	else
		demand((rc == MR_EINVAL || rc == MR_ELIMIT) && err.code == rc && batch.n_rows == 0);
	mr_arena_free(&arena);
	free(body);
	return 0;
}
