/*
 * A sink in memory that can be told to fail, and tells what was done to it.
 * What it tells stays after the stage was freed.
 */
#ifndef MR_TESTS_UNIT_MEMSINK_H
#define MR_TESTS_UNIT_MEMSINK_H

#include "base/buf.h"
#include "stage/stage.h"
#include "tap.h"

#define MEMSINK_MAX ((size_t)256 << 20)

struct memsink {
	struct mr_stage stage;
	struct mr_buf got;
	int pushes_left;  /* the push after so many fails; -1: none does */
	bool finish_fails;
	int pushes, finished, aborted, freed;
};

static inline enum mr_err
memsink_bytes(struct mr_stage *s, struct mr_str data, struct mr_error *err)
{
	struct memsink *m = (struct memsink *)s;

	m->pushes++;
	if (m->pushes_left >= 0 && m->pushes_left-- == 0)
		return mr_fail(err, MR_EIO, "memsink: full");
	mr_buf_add_str(&m->got, data);
	if (m->got.failed)
		bail("the sink in memory is too small");
	return MR_OK;
}

static inline enum mr_err
memsink_finish(struct mr_stage *s, struct mr_error *err)
{
	struct memsink *m = (struct memsink *)s;

	m->finished++;
	return m->finish_fails ? mr_fail(err, MR_EIO, "memsink: cannot finish") : MR_OK;
}

static inline void
memsink_abort(struct mr_stage *s)
{
	((struct memsink *)s)->aborted++;
}

static inline void
memsink_free(struct mr_stage *s)
{
	((struct memsink *)s)->freed++;
}

static const struct mr_stage_ops memsink_ops = {
	.name = "memsink",
	.bytes = memsink_bytes,
	.finish = memsink_finish,
	.abort = memsink_abort,
	.free = memsink_free,
};

/* Empty, and open again; the buffer is the test's to free. */
static inline struct mr_stage *
memsink_open(struct memsink *m)
{
	mr_buf_free(&m->got);
	*m = (struct memsink){ .stage = { .ops = &memsink_ops }, .pushes_left = -1 };
	mr_buf_init(&m->got, MEMSINK_MAX);
	return &m->stage;
}

#endif
