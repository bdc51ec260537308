/*
 * For the tests of decoding: a batch as text, one line a row, to be compared.
 *   type|site|session|visitor|time|payload      "-": NULL, "=": received time
 *   refused INDEX|payload
 */
#ifndef MR_TESTS_UNIT_FORMAT_RENDERED_H
#define MR_TESTS_UNIT_FORMAT_RENDERED_H

#include "base/buf.h"
#include "base/clock.h"
#include "format/event.h"

static inline void
put_column(struct mr_buf *b, struct mr_str s)
{
	if (s.p == NULL)
		mr_buf_add_char(b, '-');
	else
		mr_buf_add_str(b, s);
	mr_buf_add_char(b, '|');
}

/* Valid until the next call. */
static inline const char *
rendered(const struct mr_batch *batch, int64_t received_us)
{
	static struct mr_buf b;

	mr_buf_free(&b);
	mr_buf_init(&b, 1u << 20);
	for (size_t i = 0; i < batch->n_rows; i++) {
		const struct mr_event *e = &batch->rows[i];
		char when[MR_CLOCK_TEXT];

		mr_clock_format(e->event_us, when);
		put_column(&b, e->event_type);
		put_column(&b, e->site_id);
		put_column(&b, e->session_id);
		put_column(&b, e->visitor_id);
		put_column(&b, e->event_us == received_us ? mr_str("=") : mr_str(when));
		mr_buf_add_str(&b, e->payload);
		mr_buf_add_char(&b, '\n');
	}
	for (size_t i = 0; i < batch->n_rejects; i++) {
		mr_buf_printf(&b, "refused %lld|", (long long)batch->rejects[i].index);
		mr_buf_add_str(&b, batch->rejects[i].payload);
		mr_buf_add_char(&b, '\n');
	}
	mr_buf_add_char(&b, '\0');
	return b.p;
}

#endif
