/*
 * The part of a retry that needs no database: ingest/rejected.h. The program is
 * linked with malloc and its like wrapped, so that memory can be out.
 */
#include "ingest/rejected.h"

#include "../tap.h"

static bool out_of_memory;

void *__real_malloc(size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_realloc(void *p, size_t n);

void *
__wrap_malloc(size_t n)
{
	return out_of_memory ? NULL : __real_malloc(n);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return out_of_memory ? NULL : __real_realloc(p, n);
}

/* {"eventType":"x"} */
#define EVENT_HEX "7b226576656e7454797065223a2278227d"

static struct mr_retry *
new_retry(void)
{
	static const uint8_t instance[MR_UUID_BYTES] = { 1 };
	struct mr_retry *retry = mr_retry_new(instance, 10);

	if (retry == NULL)
		bail("no memory");
	return retry;
}

static void
test_decode(void)
{
	static const struct {
		int line;
		const char *payload;
		enum mr_err want;
		const char *text; /* of the refusal */
	} rows[] = {
		{ __LINE__, EVENT_HEX, MR_OK, "" },
		{ __LINE__, "", MR_EINVAL, "it is empty" },
		{ __LINE__, "3432", MR_EINVAL, "object" },
		{ __LINE__, "7b22", MR_EINVAL, "JSON" },
	};
	struct mr_retry *retry = new_retry();

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_rejected event = { .id = 7, .received_us = 1000, .site = MR_STR_LIT("s"),
			.payload = mr_str(rows[i].payload) };
		struct mr_error err = MR_ERROR_INIT;
		struct mr_batch batch;

		row(rows[i].line);
		is_int(mr_retry_decode(retry, &event, &batch, &err), rows[i].want, "the result");
		is_part(err.text, rows[i].text, "why");
		if (rows[i].want == MR_OK)
			ok(batch.n_rows == 1 && mr_str_eq(batch.rows[0].site_id, event.site) &&
			    batch.rows[0].received_us == 1000, "the row");
	}
	row(0);
	mr_retry_free(retry);
}

/* That there is no memory is no refusal, and is said. */
static void
test_no_memory(void)
{
	const struct mr_rejected event = { .id = 7, .payload = MR_STR_LIT(EVENT_HEX) };
	struct mr_retry *retry = new_retry();
	struct mr_error err = MR_ERROR_INIT;
	struct mr_batch batch;
	struct mr_buf bytes;
	enum mr_err e;

	mr_buf_init(&bytes, 100);
	out_of_memory = true;
	e = mr_retry_decode(retry, &event, &batch, &err);
	out_of_memory = false;
	is_int(e, MR_ENOMEM, "a payload without memory for its bytes");
	is_part(err.text, "rejected event 7: no memory", "is said, and of which event");
	err.text[0] = '\0';
	out_of_memory = true;
	is_int(mr_retry(retry, NULL, &event, &err), MR_RETRY_FAILED, "it is not refused again");
	out_of_memory = false;
	is_part(err.text, "no memory", "and the reason is not empty");
	is_int(mr_retry_decode(retry, &event, &batch, &err), MR_OK, "with memory it goes on");
	err.text[0] = '\0';
	mr_retry_free(retry);

	/* The bytes fit, the rest does not. */
	retry = new_retry();
	is_int(mr_rejected_bytes(&event, &bytes, &err), MR_OK, "its bytes");
	is_bytes(mr_buf_str(&bytes), mr_str("{\"eventType\":\"x\"}"), "are those of the hex");
	mr_buf_free(&bytes);
	mr_retry_free(retry);
}

int
main(void)
{
	test_decode();
	test_no_memory();
	return done();
}
