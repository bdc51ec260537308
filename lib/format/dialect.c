/*
 * Dialects: see dialect.h. The table below is what is known of each; what reads it
 * knows none by name.
 */
#include "format/dialect.h"

#include <strings.h>

#include "base/clock.h"
#include "format/base64.h"
#include "format/batch.h"
#include "format/json.h"
#include "format/payload.h"
#include "format/salvage.h"
#include "format/times.h"
#include "format/utf8.h"

/* A clock that is no further off than this is right: the request was on its way for a while. */
#define SKEW_US INT64_C(5000000)
/* More than fit into a batch of the usual size. */
#define MAX_MESSAGES 20000
/* How often what the messages of a batch share may be written out, in sizes of a batch. */
#define MAX_GROWTH 8

/* Where a value stands: a key of the message, or one inside the object at a key. */
struct place {
	const char *key;
	const char *inner; /* NULL: none */
};

/* A kind of message, and its event type: a constant, or what stands at a key. */
struct kind {
	const char *name;
	const char *event_type;
	const char *event_key;
};

#define MAX_KINDS 8
#define MAX_PLACES 4

struct mr_dialect {
	const char *members;                  /* of a batch, the key of its array */
	const char *write_key;                /* in the body */
	const char *kind;                     /* of a message, in a batch */
	struct kind kinds[MAX_KINDS];
	struct place visitor[MAX_PLACES];     /* the first that has a value counts, as below */
	struct place session[MAX_PLACES];
	struct place message[MAX_PLACES];     /* by which one is stored once */
	struct place time[MAX_PLACES];
	struct place sent[MAX_PLACES];        /* by the client's clock; also of the batch */
	const char *inherited[MAX_PLACES];    /* objects of a batch that its messages have, too */
	const char *visitor_keys[MAX_PLACES]; /* left out of payloads when visitorId is */
	const char *success;
};

/* https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ */
static const struct mr_dialect segment = {
	.members = "batch",
	.write_key = "writeKey",
	.kind = "type",
	.kinds = { { "track", NULL, "event" }, { "page", "pageview", NULL },
		{ "screen", "screen", NULL }, { "identify", "identify", NULL },
		{ "group", "group", NULL }, { "alias", "alias", NULL } },
	.visitor = { { "anonymousId", NULL }, { "userId", NULL } },
	.session = { { "context", "sessionId" } },
	.message = { { "messageId", NULL } },
	.time = { { "timestamp", NULL }, { "originalTimestamp", NULL } },
	.sent = { { "sentAt", NULL } },
	.inherited = { "context", "integrations" },
	.visitor_keys = { "anonymousId", "userId", "previousId" },
	.success = "{\"success\":true}",
};

static const struct mr_dialect_path paths[] = {
	{ "/v1/batch", &segment, NULL }, { "/v1/b", &segment, NULL },
	{ "/v1/import", &segment, NULL },
	{ "/v1/track", &segment, "track" }, { "/v1/t", &segment, "track" },
	{ "/v1/page", &segment, "page" }, { "/v1/p", &segment, "page" },
	{ "/v1/screen", &segment, "screen" }, { "/v1/s", &segment, "screen" },
	{ "/v1/identify", &segment, "identify" }, { "/v1/i", &segment, "identify" },
	{ "/v1/group", &segment, "group" }, { "/v1/g", &segment, "group" },
	{ "/v1/alias", &segment, "alias" }, { "/v1/a", &segment, "alias" },
};

struct decoder {
	struct mr_arena *arena;
	struct mr_dialect_request *request;
	const struct mr_dialect *dialect;
	const struct mr_event_context *ctx;
	struct mr_batch *batch;
	struct mr_json json;
	struct mr_spoiled *spoiled; /* messages that are no JSON, the next one first */
	int outer;                  /* the node of a batch; -1: the message stands alone */
	struct mr_str site;
	struct mr_error *err;
};

const struct mr_dialect_path *
mr_dialect_find(struct mr_str path)
{
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		size_t n = strlen(paths[i].path);

		if (path.n >= n && memcmp(path.p + path.n - n, paths[i].path, n) == 0)
			return &paths[i];
	}
	return NULL;
}

const char *
mr_dialect_success(const struct mr_dialect_path *path)
{
	return path->dialect->success;
}

/* --- finding values --------------------------------------------------------- */

static enum mr_err
no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ENOMEM, "no memory for the events");
}

/* The value at a key; the last of a repeated one, as in PostgreSQL. -1: it has none, or null. */
static int
find(const struct mr_json *json, int object, const char *key)
{
	int found = -1, node = object + 1;

	if (object < 0 || json->nodes[object].type != MR_JSON_OBJECT)
		return -1;
	for (int i = 0; i < json->nodes[object].size; i++) {
		if (mr_json_is(json, node, mr_str(key)))
			found = node + 1;
		node = json->nodes[node + 1].next;
	}
	return found >= 0 && json->nodes[found].type == MR_JSON_NULL ? -1 : found;
}

static int
find_at(const struct mr_json *json, int object, const struct place *place)
{
	int node = find(json, object, place->key);

	return place->inner != NULL ? find(json, node, place->inner) : node;
}

/* The first of those places that has a value; -1: none has. */
static int
find_first(const struct decoder *d, int object, const struct place places[MAX_PLACES])
{
	int node = -1;

	for (size_t i = 0; i < MAX_PLACES && places[i].key != NULL && node < 0; i++)
		node = find_at(&d->json, object, &places[i]);
	return node;
}

/* The same, of the message, or else of the batch that it stands in. */
static int
find_inherited(const struct decoder *d, int object, const struct place places[MAX_PLACES])
{
	int node = find_first(d, object, places);

	return node >= 0 ? node : find_first(d, d->outer, places);
}

/* A scalar as text; p == NULL: it is none, or there is no memory. */
static struct mr_str
text_at(const struct decoder *d, int node)
{
	if (node < 0)
		return MR_STR_NULL;
	switch (d->json.nodes[node].type) {
	case MR_JSON_STRING:
		return mr_json_string(d->arena, &d->json, node);
	case MR_JSON_NUMBER:
	case MR_JSON_TRUE:
	case MR_JSON_FALSE:
		return mr_json_raw(&d->json, node);
	default:
		return MR_STR_NULL;
	}
}

/* --- the site --------------------------------------------------------------- */

/* The name in "Basic BASE64", which is NAME:PASSWORD (RFC 7617); p == NULL: it is no such. */
static struct mr_str
basic_name(struct mr_arena *arena, struct mr_str authorization)
{
	static const char scheme[] = "Basic ";
	size_t n = sizeof scheme - 1;
	struct mr_str copy;
	const char *colon;
	char *p;

	if (authorization.n <= n || strncasecmp(authorization.p, scheme, n) != 0)
		return MR_STR_NULL;
	copy = mr_arena_dup(arena, (struct mr_str){ authorization.p + n, authorization.n - n });
	p = (char *)(uintptr_t)copy.p;
	if (p == NULL || !mr_base64_decode(p, &copy.n))
		return MR_STR_NULL;
	colon = memchr(p, ':', copy.n);
	return (struct mr_str){ p, colon != NULL ? (size_t)(colon - p) : copy.n };
}

/* Whether it can be a siteId. */
static bool
is_site(struct mr_str key)
{
	size_t n;

	if (key.n == 0 || key.n > MR_EVENT_MAX_TEXT)
		return false;
	for (size_t i = 0; i < key.n; i += n)
		if ((n = mr_utf8_length(key.p + i, key.n - i)) == 0 || key.p[i] == '\0')
			return false;
	return true;
}

static const char *
site_with_key(const struct mr_conf *conf, struct mr_str key)
{
	for (size_t i = 0; i < conf->n_sites; i++) {
		const char *own = conf->sites[i].write_key;

		if (own != NULL && own[0] != '\0' && mr_str_eq(mr_str(own), key))
			return conf->sites[i].name;
	}
	return NULL;
}

static enum mr_err
find_site(struct decoder *d)
{
	struct mr_str key = basic_name(d->arena, d->request->authorization);
	const struct mr_conf *conf = d->request->conf;
	const char *site;

	if (key.n == 0)
		key = text_at(d, find(&d->json, 0, d->dialect->write_key));
	site = key.n > 0 ? site_with_key(conf, key) : NULL;
	if (site != NULL) {
		d->site = mr_str(site);
		return MR_OK;
	}
	d->request->unknown_key = conf->write_keys == MR_WRITE_KEYS_LISTED ||
	    (key.n > 0 && !is_site(key));
	if (d->request->unknown_key)
		return mr_fail(d->err, MR_EINVAL, "the write key is missing or not known; let it "
		    "be the write_key of a [site NAME]");
	d->site = key.n > 0 ? key : d->ctx->default_site;
	return MR_OK;
}

/* --- payloads --------------------------------------------------------------- */

/* An object without some of its keys, and without those that say who it was if they must go. */
static struct mr_str
object_without(const struct decoder *d, int object, struct mr_str *without, size_t n)
{
	const char *const *keys = d->dialect->visitor_keys;

	for (size_t i = 0; d->ctx->drop_visitor && i < MAX_PLACES && keys[i] != NULL; i++)
		without[n++] = mr_str(keys[i]);
	return mr_payload(d->arena, &d->json, object, without, n);
}

/* The keys of an object, n of them; NULL: no memory. */
static struct mr_str *
keys_of(const struct decoder *d, int object, size_t *n)
{
	int node = object + 1;
	struct mr_str *keys;

	*n = (size_t)d->json.nodes[object].size;
	keys = mr_arena_array(d->arena, *n + MAX_PLACES, sizeof *keys);
	for (size_t i = 0; keys != NULL && i < *n; i++) {
		keys[i] = mr_json_string(d->arena, &d->json, node);
		node = d->json.nodes[node + 1].next;
	}
	return keys;
}

/* "{a}" and "{b}" as "{a,b}", with `key` for the second: "{a,"key":{b}}". p == NULL: no memory. */
static struct mr_str
joined(struct mr_arena *arena, struct mr_str a, const char *key, struct mr_str b)
{
	size_t n = key != NULL ? strlen(key) : 0, used = 0;
	char *to = a.p == NULL || b.p == NULL ? NULL : mr_arena_alloc(arena, a.n + b.n + n + 8);

	if (to == NULL)
		return MR_STR_NULL;
	memcpy(to, a.p, a.n - 1);
	used = a.n - 1;
	if (a.n > 2 && (key != NULL || b.n > 2))
		to[used++] = ',';
	if (key != NULL) {
		to[used++] = '"';
		memcpy(to + used, key, n);
		used += n;
		to[used++] = '"';
		to[used++] = ':';
		memcpy(to + used, b.p, b.n);
		used += b.n;
		to[used++] = '}';
	} else {
		memcpy(to + used, b.p + 1, b.n - 1);
		used += b.n - 1;
	}
	return (struct mr_str){ to, used };
}

/* The message's own object with what the batch's has besides. */
static struct mr_str
merged(const struct decoder *d, int own, int batch_wide)
{
	struct mr_str without[MAX_PLACES], *keys, rest, mine;
	size_t n;

	if (own < 0)
		return object_without(d, batch_wide, without, 0);
	keys = keys_of(d, own, &n);
	if (keys == NULL)
		return MR_STR_NULL;
	rest = object_without(d, batch_wide, keys, n);
	mine = object_without(d, own, without, 0);
	return joined(d->arena, mine, NULL, rest);
}

/* The message as it was sent; with what it has of its batch, whose envelope is not stored. */
static struct mr_str
payload_of(const struct decoder *d, int message)
{
	struct mr_str without[2 * MAX_PLACES], objects[MAX_PLACES], payload;
	const char *names[MAX_PLACES];
	size_t n = 0;

	for (size_t i = 0; i < MAX_PLACES && d->dialect->inherited[i] != NULL; i++) {
		const char *key = d->dialect->inherited[i];
		int batch_wide = find(&d->json, d->outer, key), own = find(&d->json, message, key);

		if (batch_wide < 0 || d->json.nodes[batch_wide].type != MR_JSON_OBJECT ||
		    (own >= 0 && d->json.nodes[own].type != MR_JSON_OBJECT))
			continue;
		names[n] = key;
		without[n] = mr_str(key);
		objects[n++] = merged(d, own, batch_wide);
	}
	payload = object_without(d, message, without, n);
	for (size_t i = 0; i < n; i++)
		payload = joined(d->arena, payload, names[i], objects[i]);
	return payload;
}

/* --- messages --------------------------------------------------------------- */

static const struct kind *
kind_named(const struct mr_dialect *dialect, struct mr_str name)
{
	for (size_t i = 0; i < MAX_KINDS && dialect->kinds[i].name != NULL; i++)
		if (mr_str_eq(mr_str(dialect->kinds[i].name), name))
			return &dialect->kinds[i];
	return NULL;
}

/* By the path, or else by what the message says. */
static enum mr_err
decode_type(const struct decoder *d, int message, struct mr_event *row)
{
	const char *path_kind = d->request->path->kind;
	const struct kind *kind = kind_named(d->dialect, path_kind != NULL ? mr_str(path_kind) :
	    text_at(d, find(&d->json, message, d->dialect->kind)));

	if (kind == NULL)
		return mr_fail(d->err, MR_EINVAL, "the message's %s is missing or not known",
		    d->dialect->kind);
	row->event_type = kind->event_type != NULL ? mr_str(kind->event_type) :
	    text_at(d, find(&d->json, message, kind->event_key));
	if (row->event_type.n == 0)
		return mr_fail(d->err, MR_EINVAL, "%s is missing", kind->event_key);
	if (row->event_type.n > MR_EVENT_MAX_TEXT)
		return mr_fail(d->err, MR_EINVAL, "%s is longer than %d bytes", kind->event_key,
		    MR_EVENT_MAX_TEXT);
	return MR_OK;
}

/* Who it was; what cannot be used is left out and counted. */
static struct mr_str
decode_id(const struct decoder *d, int node)
{
	struct mr_str id = text_at(d, node);

	if (node >= 0 && (id.p == NULL || id.n > MR_EVENT_MAX_TEXT)) {
		d->batch->bad_ids++;
		return MR_STR_NULL;
	}
	return id.n > 0 ? id : MR_STR_NULL;
}

/* A string; any other value is none. */
static struct mr_str
decode_message_id(const struct decoder *d, int node)
{
	if (node < 0 || d->json.nodes[node].type == MR_JSON_STRING)
		return decode_id(d, node);
	d->batch->bad_ids++;
	return MR_STR_NULL;
}

/* The client's time, made right by as much as its clock is wrong. */
static void
decode_time(const struct decoder *d, int message, struct mr_event *row)
{
	struct mr_str sent = text_at(d, find_inherited(d, message, d->dialect->sent));
	int node = find_first(d, message, d->dialect->time);
	int64_t sent_us, skew;

	if (node < 0)
		return;
	if (!mr_times_parse(text_at(d, node), &row->event_us)) {
		d->batch->bad_times++;
		return;
	}
	if (!mr_times_parse(sent, &sent_us))
		return;
	skew = row->received_us - sent_us;
	if ((skew > SKEW_US || skew < -SKEW_US) && mr_clock_in_range(row->event_us + skew))
		row->event_us += skew;
}

/* The message's bytes, with what it has of its batch. */
static size_t
size_of(const struct decoder *d, int message)
{
	size_t n = mr_json_raw(&d->json, message).n;

	for (size_t i = 0; i < MAX_PLACES && d->dialect->inherited[i] != NULL; i++) {
		int node = find(&d->json, d->outer, d->dialect->inherited[i]);

		if (node >= 0)
			n += mr_json_raw(&d->json, node).n;
	}
	return n;
}

static enum mr_err
decode_message(const struct decoder *d, int message, struct mr_event *row)
{
	size_t most = (size_t)d->request->conf->max_message_bytes;
	enum mr_err e;

	if (d->json.nodes[message].type != MR_JSON_OBJECT)
		return mr_fail(d->err, MR_EINVAL, "a message must be an object");
	if (size_of(d, message) > most)
		return mr_fail(d->err, MR_EINVAL, "the message, with what it has of its batch, "
		    "is larger than %zu bytes", most);
	*row = mr_batch_row(d->ctx);
	row->site_id = d->site;
	if ((e = decode_type(d, message, row)) != MR_OK)
		return e;
	if (!d->ctx->drop_visitor)
		row->visitor_id = decode_id(d, find_first(d, message, d->dialect->visitor));
	row->session_id = decode_id(d, find_inherited(d, message, d->dialect->session));
	row->message_id = decode_message_id(d, find_first(d, message, d->dialect->message));
	decode_time(d, message, row);
	row->payload = payload_of(d, message);
	if (row->payload.p == NULL)
		return no_memory(d->err);
	return mr_batch_check_numbers(&d->json, message, d->json.nodes[message].next, -1, d->err);
}

static enum mr_err
refuse_message(const struct decoder *d, int message, int64_t index)
{
	struct mr_str without[MAX_PLACES];
	bool object = d->json.nodes[message].type == MR_JSON_OBJECT;

	return mr_batch_reject(d->batch, index, d->ctx->drop_visitor && object ?
	    object_without(d, message, without, 0) : mr_json_raw(&d->json, message),
	    mr_arena_dup(d->arena, mr_str(d->err->text)), d->err);
}

static enum mr_err
take_message(struct decoder *d, int message, int64_t index)
{
	const struct mr_spoiled *spoiled = mr_salvage_at(&d->spoiled,
	    (size_t)d->json.nodes[message].start);
	struct mr_event row;
	enum mr_err e;

	if (spoiled != NULL)
		return mr_batch_reject(d->batch, index,
		    d->ctx->drop_visitor ? MR_STR_LIT("") : spoiled->raw, spoiled->reason, d->err);
	e = decode_message(d, message, &row);
	if (e == MR_OK)
		mr_batch_add(d->batch, &row);
	else if (e == MR_EINVAL)
		e = refuse_message(d, message, index);
	return e;
}

/* --- bodies ----------------------------------------------------------------- */

static enum mr_err
decode_batch(struct decoder *d)
{
	int array = find(&d->json, 0, d->dialect->members), node = array + 1;
	enum mr_err e;
	size_t n;

	if (array < 0 || d->json.nodes[array].type != MR_JSON_ARRAY ||
	    d->json.nodes[array].size == 0)
		return mr_fail(d->err, MR_EINVAL, "%s must be an array of messages",
		    d->dialect->members);
	n = (size_t)d->json.nodes[array].size;
	if (n > MAX_MESSAGES)
		return mr_fail(d->err, MR_ELIMIT, "the batch has %zu messages; at most %d are taken",
		    n, MAX_MESSAGES);
	d->outer = 0;
	d->batch->is_batch = d->batch->bare = true;
	if ((e = mr_batch_room(d->arena, d->batch, n, d->err)) != MR_OK)
		return e;
	for (size_t i = 0; i < n; i++, node = d->json.nodes[node].next) {
		if ((e = take_message(d, node, (int64_t)i)) != MR_OK)
			return e;
		if (d->batch->bytes > MAX_GROWTH * (size_t)d->request->conf->max_batch_bytes)
			return mr_fail(d->err, MR_ELIMIT, "the messages, each with what it has "
			    "of its batch, are too large; send fewer at once");
	}
	if (d->batch->n_rows == 0)
		return mr_fail(d->err, MR_EINVAL, "no message is valid: %.*s",
		    (int)d->batch->rejects[0].reason.n, d->batch->rejects[0].reason.p);
	return MR_OK;
}

static enum mr_err
decode_one(struct decoder *d)
{
	struct mr_event row;
	enum mr_err e = mr_batch_room(d->arena, d->batch, 0, d->err);

	if (e == MR_OK)
		e = decode_message(d, 0, &row);
	if (e == MR_OK)
		mr_batch_add(d->batch, &row);
	return e;
}

/* The tree of the body, also when some of its messages are no JSON. */
static enum mr_err
parse(struct decoder *d, char *body, size_t len)
{
	enum mr_err e = mr_json_parse(d->arena, body, len, &d->json, d->err);
	struct mr_error first = *d->err;
	struct mr_salvage left;

	if (e != MR_EINVAL)
		return e;
	if (!mr_salvage(d->arena, body, len, mr_str(d->dialect->members), MAX_MESSAGES, &left) ||
	    mr_json_parse(d->arena, left.text, left.len, &d->json, d->err) != MR_OK ||
	    (left.spoiled != NULL && d->request->path->kind != NULL)) {
		*d->err = first;
		return e;
	}
	d->spoiled = left.spoiled;
	return MR_OK;
}

static enum mr_err
decode(struct decoder *d, char *body, size_t len)
{
	size_t most = (size_t)d->request->conf->max_batch_bytes;
	enum mr_err e;

	if (len > most)
		return mr_fail(d->err, MR_ELIMIT, "the body has %zu bytes, at most %zu are taken",
		    len, most);
	if ((e = parse(d, body, len)) != MR_OK)
		return e;
	if (d->json.nodes[0].type != MR_JSON_OBJECT)
		return mr_fail_at(d->err, MR_EINVAL, 0, "the body must be a JSON object");
	if ((e = find_site(d)) != MR_OK)
		return e;
	d->batch->site_id = d->site;
	d->batch->received_us = d->ctx->received_us;
	d->batch->client_ip = d->ctx->client_ip;
	return d->request->path->kind == NULL ? decode_batch(d) : decode_one(d);
}

enum mr_err
mr_dialect_decode(struct mr_arena *arena, struct mr_dialect_request *request, char *body,
    size_t len, const struct mr_event_context *ctx, struct mr_batch *batch,
    struct mr_error *err)
{
	struct mr_error local = MR_ERROR_INIT;
	struct decoder d = { .arena = arena, .request = request,
		.dialect = request->path->dialect, .ctx = ctx, .batch = batch, .outer = -1,
		.err = err != NULL ? err : &local };
	enum mr_err e;

	*batch = (struct mr_batch){ .rows = NULL };
	e = decode(&d, body, len);
	if (e != MR_OK) {
		batch->n_rows = 0;
		batch->site_id = MR_STR_NULL;
	}
	return e;
}
