/* Filling a batch: see batch.h. */
#include "format/batch.h"

#include "format/utf8.h"

/* What a row takes up on its way besides its texts. */
#define ROW_OVERHEAD 64

static enum mr_err
no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ENOMEM, "no memory for the events");
}

struct mr_event
mr_batch_row(const struct mr_event_context *ctx)
{
	struct mr_event row = {
		.received_us = ctx->received_us,
		.event_us = ctx->received_us,
		.site_id = ctx->default_site,
		.user_agent = ctx->user_agent,
		.client_ip = ctx->client_ip,
	};

	row.user_agent.n = mr_utf8_cut(row.user_agent.p, row.user_agent.n,
	    MR_EVENT_MAX_USER_AGENT);
	return row;
}

enum mr_err
mr_batch_room(struct mr_arena *arena, struct mr_batch *batch, size_t n_members,
    struct mr_error *err)
{
	batch->n_members = n_members;
	batch->rows = mr_arena_array(arena, n_members + 1, sizeof *batch->rows);
	batch->rejects = mr_arena_array(arena, n_members, sizeof *batch->rejects);
	return batch->rows == NULL || batch->rejects == NULL ? no_memory(err) : MR_OK;
}

void
mr_batch_add(struct mr_batch *batch, const struct mr_event *row)
{
	batch->bytes += row->payload.n + row->site_id.n + row->event_type.n +
	    row->session_id.n + row->visitor_id.n + row->user_agent.n + row->message_id.n +
	    ROW_OVERHEAD;
	batch->rows[batch->n_rows++] = *row;
}

enum mr_err
mr_batch_reject(struct mr_batch *batch, int64_t index, struct mr_str payload,
    struct mr_str reason, struct mr_error *err)
{
	if (payload.p == NULL || reason.p == NULL)
		return no_memory(err);
	batch->rejects[batch->n_rejects++] = (struct mr_reject){ .index = index,
		.payload = payload, .reason = reason };
	batch->bytes += payload.n + reason.n + ROW_OVERHEAD;
	return MR_OK;
}

bool
mr_batch_has_message_ids(const struct mr_batch *batch)
{
	for (size_t i = 0; i < batch->n_rows; i++)
		if (batch->rows[i].message_id.p != NULL)
			return true;
	return false;
}

enum mr_err
mr_batch_check_numbers(const struct mr_json *json, int from, int to, int except,
    struct mr_error *err)
{
	if (json->bad_numbers == 0)
		return MR_OK;
	for (int i = from; i < to; i++) {
		if (i == except) {
			i = json->nodes[i].next - 1;
			continue;
		}
		if (json->nodes[i].type == MR_JSON_BAD_NUMBER)
			return mr_fail_at(err, MR_EINVAL, json->nodes[i].start,
			    "the number at byte %d has more than %d digits or an exponent "
			    "beyond %d", json->nodes[i].start, MR_JSON_MAX_DIGITS,
			    MR_JSON_MAX_EXPONENT);
	}
	return MR_OK;
}
