/* What all stages have in common: see stage.h. */
#include "stage/stage.h"

/* A stage that failed, finished or was aborted takes nothing more. */
static enum mr_err
refuse(const struct mr_stage *s, struct mr_error *err)
{
	static const char *const states[] = { "is open", "has failed", "is finished",
		"was aborted" };

	return mr_fail(err, MR_EINVAL, "%s: %s and takes nothing more", s->ops->name,
	    states[s->state]);
}

static enum mr_err
settle(struct mr_stage *s, enum mr_err e)
{
	if (e != MR_OK)
		s->state = MR_STAGE_FAILED;
	return e;
}

enum mr_err
mr_stage_rows(struct mr_stage *s, const struct mr_export_row *rows, size_t n,
    struct mr_error *err)
{
	if (s->state != MR_STAGE_OPEN)
		return refuse(s, err);
	if (s->ops->rows == NULL)
		return settle(s, mr_fail(err, MR_EINVAL, "%s: takes no rows", s->ops->name));
	s->rows += n;
	return settle(s, s->ops->rows(s, rows, n, err));
}

enum mr_err
mr_stage_bytes(struct mr_stage *s, struct mr_str data, struct mr_error *err)
{
	if (s->state != MR_STAGE_OPEN)
		return refuse(s, err);
	if (s->ops->bytes == NULL)
		return settle(s, mr_fail(err, MR_EINVAL, "%s: takes no bytes", s->ops->name));
	s->bytes += data.n;
	return settle(s, data.n > 0 ? s->ops->bytes(s, data, err) : MR_OK);
}

enum mr_err
mr_stage_finish(struct mr_stage *s, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	if (s->state != MR_STAGE_OPEN)
		return refuse(s, err);
	if (s->ops->finish != NULL)
		e = s->ops->finish(s, err);
	if (e == MR_OK && s->next != NULL)
		e = mr_stage_finish(s->next, err);
	if (e == MR_OK)
		s->state = MR_STAGE_FINISHED;
	return settle(s, e);
}

void
mr_stage_abort(struct mr_stage *s)
{
	if (s->state == MR_STAGE_OPEN || s->state == MR_STAGE_FAILED) {
		s->state = MR_STAGE_ABORTED;
		if (s->ops->abort != NULL)
			s->ops->abort(s);
	}
	if (s->next != NULL)
		mr_stage_abort(s->next);
}

void
mr_stage_free(struct mr_stage *s)
{
	struct mr_stage *next;

	if (s == NULL)
		return;
	mr_stage_abort(s);
	for (; s != NULL; s = next) {
		next = s->next;
		s->ops->free(s);
	}
}
