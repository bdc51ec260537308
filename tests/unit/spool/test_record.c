/* Groups as bytes: spool/record.h. */
#include "spool/record.h"

#include "../tap.h"

static struct mr_event rows[] = {
	{ .received_us = 1700000000000001, .event_us = -5, .site_id = MR_STR_LIT("example-com"),
	  .event_type = MR_STR_LIT("batch"), .session_id = MR_STR_LIT("s"), .visitor_id = MR_STR_LIT(""),
	  .user_agent = MR_STR_LIT("curl"), .payload = MR_STR_LIT("{\"a\":1}"),
	  .client_ip = { .family = 4, .bytes = { 192, 0, 2, 1 } } },
	{ .received_us = INT64_MAX, .event_us = INT64_MIN, .site_id = MR_STR_LIT("x"),
	  .event_type = MR_STR_LIT("click"), .payload = MR_STR_LIT("{}"),
	  .client_ip = { .family = 6, .bytes = { 0x20, 1, [15] = 1 } } },
	{ .site_id = MR_STR_LIT("y"), .event_type = MR_STR_LIT("z"), .payload = MR_STR_LIT("[\"\xc3\xa4\"]") },
};
static struct mr_reject rejects[] = {
	{ .index = 3, .payload = MR_STR_LIT("5\0\xff"), .reason = MR_STR_LIT("an event must be an object") },
	{ .index = -1, .payload = MR_STR_LIT(""), .reason = MR_STR_LIT("r"), .sqlstate = MR_STR_LIT("22P02") },
};
static const struct mr_batch first = { .rows = rows, .n_rows = 2, .rejects = rejects, .n_rejects = 2,
	.site_id = MR_STR_LIT("example-com"), .is_batch = true, .batch_id = MR_STR_LIT("b-1") };
static const struct mr_batch second = { .rows = rows + 2, .n_rows = 1, .site_id = MR_STR_LIT("y") };
/* Its envelope was refused. */
static const struct mr_batch third = { .rows = rows + 1, .n_rows = 1, .rejects = rejects + 1,
	.n_rejects = 1, .site_id = MR_STR_LIT("example-com"), .is_batch = true,
	.batch_id = MR_STR_LIT("b-1") };
/* It never had one. */
static const struct mr_batch fourth = { .rows = rows + 1, .n_rows = 2, .rejects = rejects,
	.n_rejects = 1, .site_id = MR_STR_LIT("x"), .is_batch = true, .bare = true };
/* With messageIds, of which one is missing. */
static struct mr_event told[] = {
	{ .site_id = MR_STR_LIT("y"), .event_type = MR_STR_LIT("z"), .payload = MR_STR_LIT("{}"),
	  .message_id = MR_STR_LIT("m-1") },
	{ .site_id = MR_STR_LIT("y"), .event_type = MR_STR_LIT("z"), .payload = MR_STR_LIT("{}") },
};
static const struct mr_batch fifth = { .rows = told, .n_rows = 1, .site_id = MR_STR_LIT("y") };
static const struct mr_batch sixth = { .rows = told, .n_rows = 2, .site_id = MR_STR_LIT("y"),
	.is_batch = true, .bare = true, .batch_id = MR_STR_LIT("b-2") };
static const struct mr_batch *const group[] = { &first, &second, &third, &fourth, &fifth, &sixth };

static bool
same_text(struct mr_str a, struct mr_str b)
{
	return (a.p == NULL) == (b.p == NULL) && mr_str_eq(a, b);
}

static bool
same_row(const struct mr_event *a, const struct mr_event *b)
{
	return a->received_us == b->received_us && a->event_us == b->event_us &&
	    same_text(a->site_id, b->site_id) && same_text(a->event_type, b->event_type) &&
	    same_text(a->session_id, b->session_id) && same_text(a->visitor_id, b->visitor_id) &&
	    same_text(a->user_agent, b->user_agent) && same_text(a->payload, b->payload) &&
	    same_text(a->message_id, b->message_id) &&
	    a->client_ip.family == b->client_ip.family &&
	    memcmp(a->client_ip.bytes, b->client_ip.bytes, 16) == 0;
}

static bool
same_reject(const struct mr_reject *a, const struct mr_reject *b)
{
	return a->index == b->index && same_text(a->payload, b->payload) &&
	    same_text(a->reason, b->reason) && same_text(a->sqlstate, b->sqlstate);
}

static void
test_round_trip(struct mr_arena *arena, struct mr_str bytes)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_batch *got;
	size_t n;

	if (!ok(mr_record_decode(arena, bytes, &got, &n, &err) == MR_OK, "read back: %s", err.text))
		return;
	is_int(n, ROWS(group), "batches");
	for (size_t b = 0; b < n; b++) {
		ok(same_text(got[b].batch_id, group[b]->batch_id), "batchId of batch %zu", b);
		ok(same_text(got[b].site_id, group[b]->site_id), "its site");
		ok(got[b].received_us == group[b]->rows[0].received_us &&
		    got[b].client_ip.family == group[b]->rows[0].client_ip.family, "its time and address");
		is_int(got[b].is_batch, group[b]->is_batch, "whether it is a batch");
		is_int(got[b].bare, group[b]->bare, "whether it is one that never had an envelope");
		is_int(got[b].n_rows, group[b]->n_rows, "its rows");
		is_int(got[b].n_rejects, group[b]->n_rejects, "its refusals");
		for (size_t i = 0; i < group[b]->n_rows; i++)
			ok(same_row(&got[b].rows[i], &group[b]->rows[i]), "row %zu of batch %zu", i, b);
		for (size_t i = 0; i < group[b]->n_rejects; i++)
			ok(same_reject(&got[b].rejects[i], &group[b]->rejects[i]), "refusal %zu", i);
	}
}

/* Copies of exact size, so that a read beyond the end is seen by the sanitizer. */
static enum mr_err
decode_copy(const char *p, size_t len)
{
	struct mr_arena arena;
	struct mr_batch *got;
	size_t n;
	char *copy = malloc(len > 0 ? len : 1);
	enum mr_err e;

	memcpy(copy, p, len);
	mr_arena_init(&arena, 1 << 20);
	e = mr_record_decode(&arena, (struct mr_str){ copy, len }, &got, &n, NULL);
	mr_arena_free(&arena);
	free(copy);
	return e;
}

/* Of refusals that are not kept, the number comes back. */
static void
test_many_refusals(void)
{
	struct mr_event event = { .site_id = BYTES("s"), .event_type = BYTES("t"), .payload = BYTES("{}") };
	struct mr_reject many[1000];
	struct mr_batch batch = { .rows = &event, .n_rows = 1, .rejects = many, .n_rejects = 1000,
		.site_id = BYTES("s"), .is_batch = true }, *got = NULL;
	const struct mr_batch *batches[] = { &batch };
	struct mr_arena arena;
	struct mr_buf buf;
	size_t n = 0;

	for (size_t i = 0; i < ROWS(many); i++)
		many[i] = (struct mr_reject){ .index = (int64_t)i, .payload = mr_str("{\"bad\":1}"),
			.reason = mr_str("eventType is missing") };
	mr_arena_init(&arena, 1 << 20);
	mr_buf_init(&buf, 1 << 20);
	mr_record_encode(batches, 1, &buf);
	ok(buf.len < 22000, "1,000 refusals take %zu bytes", buf.len);
	is_int(mr_record_decode(&arena, mr_buf_str(&buf), &got, &n, NULL), MR_OK, "many refusals");
	if (got != NULL && is_int(got->n_rejects, 1000, "all come back")) {
		is_str(got->rejects[19].payload, "{\"bad\":1}", "the last that is kept");
		is_str(got->rejects[20].payload, "", "of the next, that there was one");
	}
	mr_buf_free(&buf);
	mr_arena_free(&arena);
}

/* Compressed: the same comes back; what is damaged is refused, and tells how much it was. */
static void
test_compressed(struct mr_arena *arena, struct mr_str record)
{
	struct mr_zstd *z = mr_zstd_new(MR_ZSTD_LEVEL, NULL);
	struct mr_buf buf;
	uint32_t events = 0;
	size_t bad = 0;

	mr_buf_init(&buf, 1 << 20);
	if (z == NULL || mr_record_compress(z, record, 77, &buf, NULL) != MR_OK)
		bail("no memory");
	ok(buf.len < record.n, "%zu bytes become %zu", record.n, buf.len);
	test_round_trip(arena, mr_buf_str(&buf));
	ok(mr_record_events(mr_buf_str(&buf), &events), "it is a compressed one");
	is_int(events, 77, "its rows and refusals");
	ok(!mr_record_events(record, &events), "the other is none");
	for (size_t len = 0; len < buf.len; len++)
		ok(decode_copy(buf.p, len) == MR_EINVAL, "cut at byte %zu: refused", len);
	for (size_t i = 0; i < 8 * buf.len; i++) {
		buf.p[i / 8] = (char)(buf.p[i / 8] ^ 1 << i % 8);
		bad += decode_copy(buf.p, buf.len) != MR_OK;
		buf.p[i / 8] = (char)(buf.p[i / 8] ^ 1 << i % 8);
	}
	ok(bad > 0, "%zu flips of a bit are refused, none is read beyond the end", bad);
	mr_zstd_free(z);
	mr_buf_free(&buf);
}

int
main(void)
{
	struct mr_arena arena;
	struct mr_buf buf;
	size_t bad = 0;

	mr_arena_init(&arena, 1 << 20);
	mr_buf_init(&buf, 1 << 20);
	mr_record_encode(group, ROWS(group), &buf);
	ok(!buf.failed, "written");
	test_round_trip(&arena, mr_buf_str(&buf));
	test_compressed(&arena, mr_buf_str(&buf));
	test_many_refusals();
	for (size_t len = 0; len < buf.len; len++)
		ok(decode_copy(buf.p, len) == MR_EINVAL, "cut at byte %zu: refused", len);
	for (size_t i = 0; i < buf.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			buf.p[i] = (char)(buf.p[i] ^ 1 << bit);
			bad += decode_copy(buf.p, buf.len) != MR_OK;
			buf.p[i] = (char)(buf.p[i] ^ 1 << bit);
		}
	}
	ok(bad > 0, "%zu flips of a bit are refused, none is read beyond the end", bad);
	mr_buf_add_char(&buf, 0);
	is_int(decode_copy(buf.p, buf.len), MR_EINVAL, "something behind the end");
	is_int(decode_copy("\0\0\0\0", 4), MR_EINVAL, "no batches");
	is_int(decode_copy("\xff\xff\xff\xff", 4), MR_EINVAL, "a count that cannot be");
	mr_buf_free(&buf);
	mr_arena_free(&arena);
	return done();
}
