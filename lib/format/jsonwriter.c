/* Writing JSON piece by piece: see jsonwriter.h. */
#include "format/jsonwriter.h"

#include <inttypes.h>

#include "format/jsonout.h"

void
mr_json_begin(struct mr_json_writer *w, struct mr_buf *to)
{
	*w = (struct mr_json_writer){ .to = to };
}

static uint32_t
bit(const struct mr_json_writer *w)
{
	return UINT32_C(1) << (w->depth - 1);
}

/* What stands in front of a value; false, and it has failed: there may be none here. */
static bool
put_front(struct mr_json_writer *w, const char *key)
{
	bool in_object = w->depth > 0 && (w->arrays & bit(w)) == 0;

	if ((key != NULL) != in_object || (w->depth == 0 && w->begun))
		w->to->failed = true;
	if (w->to->failed)
		return false;
	w->begun = true;
	if (w->depth > 0 && (w->filled & bit(w)) != 0)
		mr_buf_add_char(w->to, ',');
	if (w->depth > 0)
		w->filled |= bit(w);
	if (key != NULL) {
		mr_jsonout_string(w->to, mr_str(key));
		mr_buf_add_char(w->to, ':');
	}
	return true;
}

static void
begin(struct mr_json_writer *w, const char *key, bool array)
{
	if (w->depth == MR_JSON_WRITER_DEPTH)
		w->to->failed = true;
	if (!put_front(w, key))
		return;
	w->depth++;
	w->filled &= ~bit(w);
	w->arrays = array ? w->arrays | bit(w) : w->arrays & ~bit(w);
	mr_buf_add_char(w->to, array ? '[' : '{');
}

void
mr_json_object(struct mr_json_writer *w, const char *key)
{
	begin(w, key, false);
}

void
mr_json_array(struct mr_json_writer *w, const char *key)
{
	begin(w, key, true);
}

void
mr_json_end(struct mr_json_writer *w)
{
	if (w->depth == 0) {
		w->to->failed = true;
		return;
	}
	mr_buf_add_char(w->to, (w->arrays & bit(w)) != 0 ? ']' : '}');
	w->depth--;
}

void
mr_json_text(struct mr_json_writer *w, const char *key, struct mr_str s)
{
	if (put_front(w, key))
		mr_jsonout_string(w->to, s);
}

void
mr_json_int(struct mr_json_writer *w, const char *key, int64_t value)
{
	if (put_front(w, key))
		mr_buf_printf(w->to, "%" PRId64, value);
}

void
mr_json_uint(struct mr_json_writer *w, const char *key, uint64_t value)
{
	if (put_front(w, key))
		mr_buf_printf(w->to, "%" PRIu64, value);
}

void
mr_json_bool(struct mr_json_writer *w, const char *key, bool value)
{
	if (put_front(w, key))
		mr_buf_add_cstr(w->to, value ? "true" : "false");
}

void
mr_json_time(struct mr_json_writer *w, const char *key, int64_t us)
{
	if (put_front(w, key))
		mr_jsonout_time(w->to, us);
}

void
mr_json_as_is(struct mr_json_writer *w, const char *key, struct mr_str json)
{
	if (put_front(w, key))
		mr_buf_add_str(w->to, json);
}

bool
mr_json_done(struct mr_json_writer *w)
{
	if (w->depth > 0 || !w->begun)
		w->to->failed = true;
	return !w->to->failed;
}
