/* Groups as bytes: see record.h. */
#include "spool/record.h"

#include <string.h>

#include "format/batch.h"
#include "spool/segment.h"

#define NO_VALUE UINT32_MAX
#define COMPRESSED "MRZ1"
/* Offsets within a compressed one. */
enum { C_EVENTS = 4, C_FRAME = 8 };
enum kind { EVENT, BATCH, BATCH_WITHOUT_ENVELOPE, BARE_BATCH };
/* Added to the kind. */
#define WITH_MESSAGE_IDS 4
/* The least that a batch, a row and a refusal take up: what a count may promise. */
#define MIN_BATCH 13
#define MIN_ROW 41
#define MIN_REJECT 20

static void
put_text(struct mr_buf *out, struct mr_str s)
{
	mr_buf_add_be32(out, s.p != NULL ? (uint32_t)s.n : NO_VALUE);
	if (s.p != NULL)
		mr_buf_add_str(out, s);
}

static size_t
ip_bytes(uint8_t family)
{
	return family == 4 ? 4 : family == 6 ? 16 : 0;
}

static void
put_row(struct mr_buf *out, const struct mr_event *e)
{
	mr_buf_add_be64(out, (uint64_t)e->received_us);
	mr_buf_add_be64(out, (uint64_t)e->event_us);
	mr_buf_add_char(out, (char)e->client_ip.family);
	mr_buf_add(out, e->client_ip.bytes, ip_bytes(e->client_ip.family));
	put_text(out, e->site_id);
	put_text(out, e->event_type);
	put_text(out, e->session_id);
	put_text(out, e->visitor_id);
	put_text(out, e->user_agent);
	put_text(out, e->payload);
}

/* Of a batch whose envelope was refused, or a bare one, the first row need not be of its site. */
static enum kind
kind_of(const struct mr_batch *batch)
{
	if (!batch->is_batch)
		return EVENT;
	if (batch->bare)
		return BARE_BATCH;
	return mr_str_eq(batch->site_id, batch->rows[0].site_id) ? BATCH : BATCH_WITHOUT_ENVELOPE;
}

static void
put_rows(struct mr_buf *out, const struct mr_batch *batch, bool with_message_ids)
{
	for (size_t i = 0; i < batch->n_rows; i++) {
		put_row(out, &batch->rows[i]);
		if (with_message_ids)
			put_text(out, batch->rows[i].message_id);
	}
}

/* One that is not kept is counted alone. */
static void
put_reject(struct mr_buf *out, const struct mr_reject *r, bool kept)
{
	mr_buf_add_be64(out, (uint64_t)r->index);
	put_text(out, kept ? r->payload : mr_str(""));
	put_text(out, kept ? r->reason : mr_str(""));
	put_text(out, r->sqlstate);
}

void
mr_record_encode(const struct mr_batch *const *batches, size_t n, struct mr_buf *out)
{
	mr_buf_add_be32(out, (uint32_t)n);
	for (size_t b = 0; b < n; b++) {
		enum kind kind = kind_of(batches[b]);
		bool with_message_ids = mr_batch_has_message_ids(batches[b]);

		mr_buf_add_char(out, (char)(kind + (with_message_ids ? WITH_MESSAGE_IDS : 0)));
		put_text(out, batches[b]->batch_id);
		if (kind >= BATCH_WITHOUT_ENVELOPE)
			put_text(out, batches[b]->site_id);
		mr_buf_add_be32(out, (uint32_t)batches[b]->n_rows);
		mr_buf_add_be32(out, (uint32_t)batches[b]->n_rejects);
		put_rows(out, batches[b], with_message_ids);
		for (size_t i = 0, kept = mr_event_kept_rejects(batches[b]);
		    i < batches[b]->n_rejects; i++)
			put_reject(out, &batches[b]->rejects[i], i < kept);
	}
}

enum mr_err
mr_record_compress(struct mr_zstd *z, struct mr_str record, uint32_t events, struct mr_buf *out,
    struct mr_error *err)
{
	mr_buf_add_cstr(out, COMPRESSED);
	mr_buf_add_be32(out, events);
	return mr_zstd_block(z, record, out, err);
}

/* Reads from the front; once something does not fit, `bad` stays set. */
struct cursor {
	struct mr_str left;
	bool bad;
};

static const char *
take(struct cursor *c, size_t n)
{
	const char *p = c->left.p;

	if (c->bad || c->left.n < n) {
		c->bad = true;
		return NULL;
	}
	c->left.p += n;
	c->left.n -= n;
	return p;
}

static uint64_t
take_number(struct cursor *c, size_t n)
{
	const char *p = take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static struct mr_str
take_text(struct cursor *c)
{
	uint32_t n = (uint32_t)take_number(c, 4);
	const char *p;

	if (c->bad || n == NO_VALUE)
		return MR_STR_NULL;
	p = take(c, n);
	return (struct mr_str){ p, p != NULL ? n : 0 };
}

/* A count of things of which each takes at least min_bytes. */
static size_t
take_count(struct cursor *c, size_t min_bytes)
{
	size_t n = (size_t)take_number(c, 4);

	if (n > c->left.n / min_bytes)
		c->bad = true;
	return c->bad ? 0 : n;
}

static void
take_ip(struct cursor *c, struct mr_ip *ip)
{
	const char *p;

	*ip = (struct mr_ip){ .family = (uint8_t)take_number(c, 1) };
	if (ip->family != 0 && ip->family != 4 && ip->family != 6)
		c->bad = true;
	p = take(c, ip_bytes(ip->family));
	if (p != NULL)
		memcpy(ip->bytes, p, ip_bytes(ip->family));
}

static void
take_row(struct cursor *c, bool with_message_id, struct mr_event *e)
{
	*e = (struct mr_event){ .received_us = (int64_t)take_number(c, 8) };
	e->event_us = (int64_t)take_number(c, 8);
	take_ip(c, &e->client_ip);
	e->site_id = take_text(c);
	e->event_type = take_text(c);
	e->session_id = take_text(c);
	e->visitor_id = take_text(c);
	e->user_agent = take_text(c);
	e->payload = take_text(c);
	if (with_message_id)
		e->message_id = take_text(c);
	if (e->site_id.p == NULL || e->event_type.p == NULL || e->payload.p == NULL)
		c->bad = true;
}

static void
take_reject(struct cursor *c, struct mr_reject *r)
{
	r->index = (int64_t)take_number(c, 8);
	r->payload = take_text(c);
	r->reason = take_text(c);
	r->sqlstate = take_text(c);
	if (r->payload.p == NULL || r->reason.p == NULL)
		c->bad = true;
}

/* What the request contributed is the same in each row. */
static void
set_source(struct mr_batch *batch)
{
	const struct mr_event *first = &batch->rows[0];

	if (batch->site_id.p == NULL)
		batch->site_id = first->site_id;
	batch->received_us = first->received_us;
	batch->client_ip = first->client_ip;
}

static enum mr_err
take_batch(struct mr_arena *arena, struct cursor *c, struct mr_batch *batch)
{
	uint64_t kind = take_number(c, 1);
	bool with_message_ids = kind <= BARE_BATCH + WITH_MESSAGE_IDS && kind >= WITH_MESSAGE_IDS;

	kind -= with_message_ids ? WITH_MESSAGE_IDS : 0;
	*batch = (struct mr_batch){ .is_batch = kind != EVENT, .bare = kind == BARE_BATCH };
	batch->batch_id = take_text(c);
	if (kind >= BATCH_WITHOUT_ENVELOPE && (batch->site_id = take_text(c)).p == NULL)
		c->bad = true;
	batch->n_rows = take_count(c, MIN_ROW);
	batch->n_rejects = take_count(c, MIN_REJECT);
	if (kind > BARE_BATCH || batch->n_rows == 0)
		c->bad = true;
	batch->rows = mr_arena_array(arena, batch->n_rows, sizeof *batch->rows);
	batch->rejects = mr_arena_array(arena, batch->n_rejects, sizeof *batch->rejects);
	if (batch->rows == NULL || batch->rejects == NULL)
		return MR_ENOMEM;
	for (size_t i = 0; i < batch->n_rows && !c->bad; i++)
		take_row(c, with_message_ids, &batch->rows[i]);
	for (size_t i = 0; i < batch->n_rejects && !c->bad; i++)
		take_reject(c, &batch->rejects[i]);
	if (!c->bad)
		set_source(batch);
	return MR_OK;
}

bool
mr_record_events(struct mr_str bytes, uint32_t *events)
{
	struct cursor c = { .left = { bytes.p + C_EVENTS, C_FRAME - C_EVENTS } };

	if (bytes.n < C_FRAME || memcmp(bytes.p, COMPRESSED, C_EVENTS) != 0)
		return false;
	*events = (uint32_t)take_number(&c, 4);
	return true;
}

/* *bytes is then the record as it was encoded, in the arena. */
static enum mr_err
undo_compression(struct mr_arena *arena, struct mr_str *bytes, struct mr_error *err)
{
	const struct mr_str frame = { bytes->p + C_FRAME, bytes->n - C_FRAME };
	size_t n;
	char *p;

	if (!mr_zstd_size(frame, &n) || n > MR_SEGMENT_MAX_PAYLOAD)
		return mr_fail_at(err, MR_EINVAL, C_FRAME, "the record is damaged at byte %d", C_FRAME);
	if ((p = mr_arena_alloc(arena, n)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a record of %zu bytes", n);
	if (!mr_zstd_undo(frame, p, n))
		return mr_fail_at(err, MR_EINVAL, C_FRAME, "the record is damaged at byte %d", C_FRAME);
	*bytes = (struct mr_str){ p, n };
	return MR_OK;
}

static enum mr_err
decode(struct mr_arena *arena, struct mr_str bytes, struct mr_batch **batches, size_t *n,
    struct mr_error *err)
{
	struct cursor c = { .left = bytes };
	struct mr_batch *out;

	*n = take_count(&c, MIN_BATCH);
	out = mr_arena_array(arena, *n, sizeof *out);
	if (out == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a record of %zu bytes", bytes.n);
	for (size_t i = 0; i < *n && !c.bad; i++)
		if (take_batch(arena, &c, &out[i]) != MR_OK)
			return mr_fail(err, MR_ENOMEM, "no memory for a record of %zu bytes",
			    bytes.n);
	if (c.bad || *n == 0 || c.left.n > 0)
		return mr_fail_at(err, MR_EINVAL, (int64_t)(bytes.n - c.left.n),
		    "the record is damaged at byte %zu", bytes.n - c.left.n);
	*batches = out;
	return MR_OK;
}

enum mr_err
mr_record_decode(struct mr_arena *arena, struct mr_str bytes, struct mr_batch **batches,
    size_t *n, struct mr_error *err)
{
	uint32_t events;
	enum mr_err e = mr_record_events(bytes, &events) ?
	    undo_compression(arena, &bytes, err) : MR_OK;

	return e == MR_OK ? decode(arena, bytes, batches, n, err) : e;
}
