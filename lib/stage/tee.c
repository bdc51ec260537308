/* The tee: see tee.h. */
#include "stage/tee.h"

#include <stdlib.h>

struct tee {
	struct mr_stage stage; /* next is NULL */
	size_t n;
	struct {
		struct mr_stage *stage;
		enum mr_err result; /* MR_OK while it takes part */
		struct mr_error err;
	} outputs[MR_TEE_MAX];
};

/* What is done to each output that takes part. */
typedef enum mr_err step_fn(struct mr_stage *output, struct mr_str data, struct mr_error *err);

/* Fails, with the last output's error, when none is left. */
static enum mr_err
for_each(struct tee *t, step_fn *step, struct mr_str data, struct mr_error *err)
{
	size_t failed = 0;

	for (size_t i = 0; i < t->n; i++) {
		enum mr_err *result = &t->outputs[i].result;

		if (*result == MR_OK &&
		    (*result = step(t->outputs[i].stage, data, &t->outputs[i].err)) != MR_OK)
			mr_stage_abort(t->outputs[i].stage);
		failed += *result != MR_OK;
	}
	if (failed < t->n)
		return MR_OK;
	if (err != NULL)
		*err = t->outputs[t->n - 1].err;
	return t->outputs[t->n - 1].result;
}

static enum mr_err
finish_step(struct mr_stage *output, struct mr_str data, struct mr_error *err)
{
	(void)data;
	return mr_stage_finish(output, err);
}

static enum mr_err
tee_bytes(struct mr_stage *s, struct mr_str data, struct mr_error *err)
{
	return for_each((struct tee *)s, mr_stage_bytes, data, err);
}

static enum mr_err
tee_finish(struct mr_stage *s, struct mr_error *err)
{
	return for_each((struct tee *)s, finish_step, MR_STR_NULL, err);
}

static void
tee_abort(struct mr_stage *s)
{
	struct tee *t = (struct tee *)s;

	for (size_t i = 0; i < t->n; i++)
		mr_stage_abort(t->outputs[i].stage);
}

static void
tee_free(struct mr_stage *s)
{
	struct tee *t = (struct tee *)s;

	for (size_t i = 0; i < t->n; i++)
		mr_stage_free(t->outputs[i].stage);
	free(t);
}

static const struct mr_stage_ops ops = {
	.name = "tee",
	.bytes = tee_bytes,
	.finish = tee_finish,
	.abort = tee_abort,
	.free = tee_free,
};

struct mr_stage *
mr_tee_new(struct mr_stage *const *outputs, size_t n, struct mr_error *err)
{
	struct tee *t;

	if (n == 0 || n > MR_TEE_MAX) {
		mr_fail(err, MR_EINVAL, "%zu destinations at once; 1 to %d are possible", n,
		    MR_TEE_MAX);
		return NULL;
	}
	t = calloc(1, sizeof *t);
	if (t == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for the tee");
		return NULL;
	}
	t->stage.ops = &ops;
	t->n = n;
	for (size_t i = 0; i < n; i++) {
		t->outputs[i].stage = outputs[i];
		t->outputs[i].err = (struct mr_error)MR_ERROR_INIT;
	}
	return &t->stage;
}

enum mr_err
mr_tee_result(const struct mr_stage *tee, size_t i, struct mr_error *err)
{
	const struct tee *t = (const struct tee *)tee;

	if (err != NULL)
		*err = t->outputs[i].err;
	return t->outputs[i].result;
}
