/*
 * Decoding events: see event.h. The keys that become columns stand in one
 * table; everything else stays in the payload alone.
 */
#include "format/event.h"

#include "base/buf.h"
#include "format/batch.h"
#include "format/json.h"
#include "format/jsonout.h"
#include "format/payload.h"
#include "format/query.h"
#include "format/salvage.h"
#include "format/times.h"

enum field { TYPE, SITE, SESSION, VISITOR, TIME, EVENTS, BATCH_ID, MESSAGE_ID, N_FIELDS };

static const struct {
	const char *name;
	size_t length;
} keys[N_FIELDS] = {
#define KEY(text) { text, sizeof text - 1 }
	[TYPE] = KEY("eventType"),
	[SITE] = KEY("siteId"),
	[SESSION] = KEY("sessionId"),
	[VISITOR] = KEY("visitorId"),
	[TIME] = KEY("timestamp"),
	[EVENTS] = KEY("events"),
	[BATCH_ID] = KEY("batchId"),
	[MESSAGE_ID] = KEY("messageId"),
#undef KEY
};

struct decoder {
	struct mr_arena *arena;
	const struct mr_event_context *ctx;
	struct mr_batch *batch;
	struct mr_json json;
	struct mr_spoiled *spoiled; /* members that are no JSON, the next one first */
	struct mr_error *not_json;  /* with them; the arena's */
	struct mr_error *err;
};

static enum mr_err
no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ENOMEM, "no memory for the events");
}

/*
 * Where the known keys of an object have their values; -1: absent. The last
 * of a repeated key wins, as in PostgreSQL.
 */
static void
find_fields(const struct mr_json *json, int object, int found[N_FIELDS])
{
	int node = object + 1;

	for (int f = 0; f < N_FIELDS; f++)
		found[f] = -1;
	for (int i = 0; i < json->nodes[object].size; i++) {
		for (int f = 0; f < N_FIELDS; f++) {
			if (mr_json_is(json, node,
			    (struct mr_str){ keys[f].name, keys[f].length })) {
				found[f] = node + 1;
				break;
			}
		}
		node = json->nodes[node + 1].next;
	}
}

static bool
is_absent(const struct decoder *d, int node)
{
	return node < 0 || d->json.nodes[node].type == MR_JSON_NULL;
}

/* A column's text from a scalar; *out stays for null, "" and an absent value. */
static enum mr_err
decode_text(struct decoder *d, enum field f, int node, struct mr_str *out)
{
	struct mr_str s;
	int type;

	if (is_absent(d, node))
		return MR_OK;
	type = d->json.nodes[node].type;
	if (type == MR_JSON_STRING)
		s = mr_json_string(d->arena, &d->json, node);
	else if (type == MR_JSON_NUMBER || type == MR_JSON_TRUE || type == MR_JSON_FALSE)
		s = mr_json_raw(&d->json, node);
	else
		return mr_fail_at(d->err, MR_EINVAL, d->json.nodes[node].start,
		    "%s must be a string", keys[f].name);
	if (s.p == NULL)
		return no_memory(d->err);
	if (s.n > MR_EVENT_MAX_TEXT)
		return mr_fail_at(d->err, MR_EINVAL, d->json.nodes[node].start,
		    "%s is longer than %d bytes", keys[f].name, MR_EVENT_MAX_TEXT);
	if (s.n > 0)
		*out = s;
	return MR_OK;
}

/* Who it was: what cannot be used is left out, and is in the payload. */
static enum mr_err
decode_id(struct decoder *d, enum field f, int node, struct mr_str *out)
{
	enum mr_err e = decode_text(d, f, node, out);

	if (e != MR_EINVAL)
		return e;
	*out = MR_STR_NULL;
	d->batch->bad_ids++;
	return MR_OK;
}

/* Nobody's members inherit it. */
static enum mr_err
decode_message_id(struct decoder *d, int node, struct mr_event *row)
{
	row->message_id = MR_STR_NULL;
	if (is_absent(d, node) || d->json.nodes[node].type == MR_JSON_STRING)
		return decode_id(d, MESSAGE_ID, node, &row->message_id);
	d->batch->bad_ids++;
	return MR_OK;
}

static enum mr_err
decode_type(struct decoder *d, int node, struct mr_event *row)
{
	row->event_type = MR_STR_NULL;
	if (!is_absent(d, node) && d->json.nodes[node].type != MR_JSON_STRING)
		return mr_fail_at(d->err, MR_EINVAL, d->json.nodes[node].start,
		    "eventType must be a string");
	if (decode_text(d, TYPE, node, &row->event_type) != MR_OK)
		return d->err->code;
	if (row->event_type.p == NULL)
		return mr_fail(d->err, MR_EINVAL, "eventType is missing");
	return MR_OK;
}

/* One that cannot be read leaves what there is: the envelope's, or the time of receipt. */
static void
set_time(struct decoder *d, struct mr_str text, struct mr_event *row)
{
	if (!mr_times_parse(text, &row->event_us))
		d->batch->bad_times++;
}

static enum mr_err
decode_time(struct decoder *d, int node, struct mr_event *row)
{
	struct mr_str text = MR_STR_NULL;
	int type;

	if (is_absent(d, node))
		return MR_OK;
	type = d->json.nodes[node].type;
	if (type == MR_JSON_STRING) {
		text = mr_json_string(d->arena, &d->json, node);
		if (text.p == NULL)
			return no_memory(d->err);
	} else if (type == MR_JSON_NUMBER) {
		text = mr_json_raw(&d->json, node);
	}
	set_time(d, text, row);
	return MR_OK;
}

/* Fills the row's columns from an object; the row already holds what it inherits. */
static enum mr_err
decode_fields(struct decoder *d, const int found[N_FIELDS], struct mr_event *row)
{
	enum mr_err e;

	if ((e = decode_type(d, found[TYPE], row)) != MR_OK ||
	    (e = decode_text(d, SITE, found[SITE], &row->site_id)) != MR_OK ||
	    (e = decode_id(d, SESSION, found[SESSION], &row->session_id)) != MR_OK ||
	    (e = decode_message_id(d, found[MESSAGE_ID], row)) != MR_OK ||
	    (!d->ctx->drop_visitor &&
	    (e = decode_id(d, VISITOR, found[VISITOR], &row->visitor_id)) != MR_OK))
		return e;
	return decode_time(d, found[TIME], row);
}

/* The first row, the envelope of a batch, says also where the batch belongs. */
static void
add_first_row(struct mr_batch *batch, const struct mr_event *row)
{
	mr_batch_add(batch, row);
	batch->site_id = row->site_id;
	batch->received_us = row->received_us;
	batch->client_ip = row->client_ip;
}

/* The event as it was sent, but for what is left out. */
static struct mr_str
payload_of(struct decoder *d, int object, bool envelope)
{
	struct mr_str without[2];
	size_t n = 0;

	if (envelope)
		without[n++] = MR_STR_LIT("events");
	if (d->ctx->drop_visitor)
		without[n++] = MR_STR_LIT("visitorId");
	return mr_payload(d->arena, &d->json, object, without, n);
}

static enum mr_err
decode_member(struct decoder *d, int node, const struct mr_event *envelope, struct mr_event *row)
{
	int found[N_FIELDS];
	enum mr_err e;

	if (d->json.nodes[node].type != MR_JSON_OBJECT)
		return mr_fail_at(d->err, MR_EINVAL, d->json.nodes[node].start,
		    "an event must be an object");
	find_fields(&d->json, node, found);
	*row = *envelope;
	if ((e = decode_fields(d, found, row)) != MR_OK)
		return e;
	if (mr_str_eq(row->event_type, MR_STR_LIT("batch")))
		return mr_fail_at(d->err, MR_EINVAL, d->json.nodes[node].start,
		    "a batch cannot hold a batch");
	row->payload = payload_of(d, node, false);
	if (row->payload.p == NULL)
		return no_memory(d->err);
	return mr_batch_check_numbers(&d->json, node, d->json.nodes[node].next, -1, d->err);
}

static enum mr_err
reject_member(struct decoder *d, int node, int64_t index)
{
	bool drop = d->ctx->drop_visitor && d->json.nodes[node].type == MR_JSON_OBJECT;

	return mr_batch_reject(d->batch, index,
	    drop ? payload_of(d, node, false) : mr_json_raw(&d->json, node),
	    mr_arena_dup(d->arena, mr_str(d->err->text)), d->err);
}

static enum mr_err
take_member(struct decoder *d, int node, int64_t index, const struct mr_event *envelope)
{
	const struct mr_spoiled *spoiled = mr_salvage_at(&d->spoiled,
	    (size_t)d->json.nodes[node].start);
	struct mr_event row;
	enum mr_err e;

	if (spoiled != NULL)
		return mr_batch_reject(d->batch, index,
		    d->ctx->drop_visitor ? MR_STR_LIT("") : spoiled->raw, spoiled->reason, d->err);
	e = decode_member(d, node, envelope, &row);
	if (e == MR_OK)
		mr_batch_add(d->batch, &row);
	else if (e == MR_EINVAL)
		e = reject_member(d, node, index);
	return e;
}

/* `like`: what members have of their envelope, or of the request. */
static enum mr_err
decode_members(struct decoder *d, int events, const struct mr_event *like)
{
	struct mr_batch *batch = d->batch;
	int n = d->json.nodes[events].size, node = events + 1;
	enum mr_err e;

	for (int i = 0; i < n; i++) {
		if ((e = take_member(d, node, i, like)) != MR_OK)
			return e;
		node = d->json.nodes[node].next;
	}
	if (n > 0 && batch->n_rejects == (size_t)n)
		return mr_fail(d->err, MR_EINVAL, "no event of the batch is valid");
	return MR_OK;
}

/* Room for the rows (and refusals) of an events array, or for one row. */
static enum mr_err
make_room(struct decoder *d, int events)
{
	size_t n = events >= 0 ? (size_t)d->json.nodes[events].size : 0;

	if (n > d->ctx->max_batch_events)
		return mr_fail_at(d->err, MR_ELIMIT, d->json.nodes[events].start,
		    "events has %zu members; at most %zu are taken at once", n,
		    d->ctx->max_batch_events);
	return mr_batch_room(d->arena, d->batch, n, d->err);
}

/* The outer object: an event, or an envelope and its members. */
static enum mr_err
decode_object(struct decoder *d)
{
	struct mr_event row = mr_batch_row(d->ctx);
	struct mr_json *json = &d->json;
	int found[N_FIELDS], events;
	enum mr_err e;

	find_fields(json, 0, found);
	if ((e = decode_fields(d, found, &row)) != MR_OK ||
	    (e = decode_text(d, BATCH_ID, found[BATCH_ID], &d->batch->batch_id)) != MR_OK)
		return e;
	d->batch->is_batch = mr_str_eq(row.event_type, MR_STR_LIT("batch"));
	events = d->batch->is_batch && !is_absent(d, found[EVENTS]) ? found[EVENTS] : -1;
	if (events < 0 && d->spoiled != NULL) {
		*d->err = *d->not_json;
		return d->err->code;
	}
	if (events >= 0 && json->nodes[events].type != MR_JSON_ARRAY)
		return mr_fail_at(d->err, MR_EINVAL, json->nodes[events].start,
		    "events must be an array");
	if ((e = mr_batch_check_numbers(json, 0, json->n, events, d->err)) != MR_OK ||
	    (e = make_room(d, events)) != MR_OK)
		return e;
	row.payload = payload_of(d, 0, events >= 0);
	if (row.payload.p == NULL)
		return no_memory(d->err);
	add_first_row(d->batch, &row);
	return events >= 0 ? decode_members(d, events, &row) : MR_OK;
}

size_t
mr_event_kept_rejects(const struct mr_batch *batch)
{
	size_t bytes = 0, n = 0;

	while (n < batch->n_rejects && n < MR_EVENT_KEPT_REJECTS) {
		bytes += n > 0 ? batch->rejects[n].payload.n : 0;
		if (bytes > MR_EVENT_KEPT_REJECT_BYTES)
			break;
		n++;
	}
	return n;
}

/* Of a batch that has no envelope, why nothing of it is taken. */
static enum mr_err
refuse_all(struct decoder *d)
{
	struct mr_str reason = d->batch->rejects[0].reason;

	return mr_fail(d->err, MR_EINVAL, "no event of the array is valid: %.*s", (int)reason.n,
	    reason.p);
}

static enum mr_err
decode_array(struct decoder *d)
{
	struct mr_event row = mr_batch_row(d->ctx);
	struct mr_batch *batch = d->batch;
	enum mr_err e;

	if (d->json.nodes[0].size == 0)
		return mr_fail_at(d->err, MR_EINVAL, 0,
		    "the body must be a JSON object, or an array of some");
	batch->is_batch = batch->bare = true;
	batch->site_id = row.site_id;
	batch->received_us = row.received_us;
	batch->client_ip = row.client_ip;
	if ((e = make_room(d, 0)) != MR_OK)
		return e;
	e = decode_members(d, 0, &row);
	if (batch->n_rows > 0)
		batch->site_id = batch->rows[0].site_id;
	return e == MR_EINVAL ? refuse_all(d) : e;
}

static enum mr_err
decode_top(struct decoder *d)
{
	if (d->json.nodes[0].type == MR_JSON_OBJECT)
		return decode_object(d);
	if (d->json.nodes[0].type == MR_JSON_ARRAY)
		return decode_array(d);
	return mr_fail_at(d->err, MR_EINVAL, 0, "the body must be a JSON object, or an array of some");
}

/* The tree of a body, also when some of its members are no JSON. */
static enum mr_err
parse(struct decoder *d, char *body, size_t len)
{
	enum mr_err e = mr_json_parse(d->arena, body, len, &d->json, d->err);
	struct mr_salvage left;

	if (e != MR_EINVAL)
		return e;
	d->not_json = mr_arena_alloc(d->arena, sizeof *d->not_json);
	if (d->not_json == NULL)
		return no_memory(d->err);
	*d->not_json = *d->err;
	if (mr_salvage(d->arena, body, len, MR_STR_LIT("events"), d->ctx->max_batch_events,
	    &left) && mr_json_parse(d->arena, left.text, left.len, &d->json, d->err) == MR_OK) {
		d->spoiled = left.spoiled;
		return MR_OK;
	}
	*d->err = *d->not_json;
	return e;
}

static enum mr_err
parse_lines(struct decoder *d, char *body, size_t len)
{
	struct mr_salvage lines;

	if (!mr_salvage_lines(d->arena, body, len, d->ctx->max_batch_events, &lines))
		return mr_fail(d->err, MR_EINVAL, "most lines are not JSON");
	d->spoiled = lines.spoiled;
	return mr_json_parse(d->arena, lines.text, lines.len, &d->json, d->err);
}

static enum mr_err
decode_with(enum mr_err (*read)(struct decoder *, char *, size_t), struct mr_arena *arena,
    char *body, size_t len, const struct mr_event_context *ctx, struct mr_batch *batch,
    struct mr_error *err)
{
	struct mr_error local = MR_ERROR_INIT;
	struct decoder d = { .arena = arena, .ctx = ctx, .batch = batch,
		.err = err != NULL ? err : &local };
	enum mr_err e;

	*batch = (struct mr_batch){ .rows = NULL };
	e = read(&d, body, len);
	if (e == MR_OK)
		e = decode_top(&d);
	if (e != MR_OK) {
		batch->n_rows = 0;
		batch->site_id = MR_STR_NULL;
	}
	return e;
}

enum mr_err
mr_event_decode(struct mr_arena *arena, char *body, size_t len,
    const struct mr_event_context *ctx, struct mr_batch *batch, struct mr_error *err)
{
	return decode_with(parse, arena, body, len, ctx, batch, err);
}

enum mr_err
mr_event_decode_lines(struct mr_arena *arena, char *body, size_t len,
    const struct mr_event_context *ctx, struct mr_batch *batch, struct mr_error *err)
{
	return decode_with(parse_lines, arena, body, len, ctx, batch, err);
}

/* Whether an event is taken without one that cannot be used. */
static bool
is_left_out(enum field f)
{
	return f == SESSION || f == VISITOR || f == MESSAGE_ID;
}

/* The last of a repeated parameter counts, also when it is empty, which is as absent. */
static enum mr_err
query_text(struct decoder *d, enum field f, struct mr_str value, struct mr_str *out)
{
	if (value.n > MR_EVENT_MAX_TEXT && is_left_out(f)) {
		d->batch->bad_ids++;
		value = MR_STR_NULL;
	}
	if (value.n > MR_EVENT_MAX_TEXT)
		return mr_fail(d->err, MR_EINVAL, "%s is longer than %d bytes", keys[f].name,
		    MR_EVENT_MAX_TEXT);
	if (value.n > 0)
		*out = value;
	else
		*out = f == SITE ? d->ctx->default_site : MR_STR_NULL;
	return MR_OK;
}

/* Takes one parameter into the row's columns. */
static enum mr_err
query_field(struct decoder *d, const struct mr_query_pair *pair, struct mr_event *row)
{
	struct mr_str *const columns[N_FIELDS] = {
		[TYPE] = &row->event_type,
		[SITE] = &row->site_id,
		[SESSION] = &row->session_id,
		[VISITOR] = &row->visitor_id,
		[BATCH_ID] = &d->batch->batch_id,
		[MESSAGE_ID] = &row->message_id,
	};

	for (int f = 0; f < N_FIELDS; f++) {
		if (!mr_str_eq(pair->name, (struct mr_str){ keys[f].name, keys[f].length }))
			continue;
		if (f == TIME) {
			row->event_us = row->received_us;
			set_time(d, pair->value, row);
		}
		if (columns[f] != NULL)
			return query_text(d, (enum field)f, pair->value, columns[f]);
	}
	return MR_OK;
}

static enum mr_err
decode_pairs(struct decoder *d, struct mr_str query, struct mr_buf *payload, struct mr_event *row)
{
	struct mr_query_pair pair;
	bool failed = false;
	enum mr_err e;

	mr_buf_add_char(payload, '{');
	while (mr_query_next(d->arena, &query, &pair, &failed)) {
		if (d->ctx->drop_visitor && mr_str_eq(pair.name, MR_STR_LIT("visitorId")))
			continue;
		if ((e = query_field(d, &pair, row)) != MR_OK)
			return e;
		if (payload->len > 1)
			mr_buf_add_char(payload, ',');
		mr_jsonout_string(payload, pair.name);
		mr_buf_add_char(payload, ':');
		mr_jsonout_string(payload, pair.value);
	}
	mr_buf_add_char(payload, '}');
	if (row->event_type.p == NULL && !failed)
		return mr_fail(d->err, MR_EINVAL, "eventType is missing");
	row->payload = mr_arena_dup(d->arena, mr_buf_str(payload));
	return failed || payload->failed || row->payload.p == NULL ? no_memory(d->err) : MR_OK;
}

enum mr_err
mr_event_decode_query(struct mr_arena *arena, struct mr_str query,
    const struct mr_event_context *ctx, struct mr_batch *batch, struct mr_error *err)
{
	struct mr_error local = MR_ERROR_INIT;
	struct decoder d = { .arena = arena, .ctx = ctx, .batch = batch,
		.err = err != NULL ? err : &local };
	struct mr_event row = mr_batch_row(ctx);
	struct mr_buf payload;
	enum mr_err e;

	*batch = (struct mr_batch){ .rows = NULL };
	batch->rows = mr_arena_array(arena, 1, sizeof *batch->rows);
	if (batch->rows == NULL)
		return no_memory(d.err);
	mr_buf_init(&payload, arena->max);
	e = decode_pairs(&d, query, &payload, &row);
	mr_buf_free(&payload);
	if (e == MR_OK)
		add_first_row(batch, &row);
	return e;
}
