/* The CSV encoder: see enc_csv.h. */
#include "stage/enc_csv.h"

#include "stage/textenc.h"

/* The characters that make a cell need quotes. */
static bool
needs_quotes(struct mr_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\r' || s.p[i] == '\n')
			return true;
	return s.n == 0;
}

/* A text has no NUL, which would be found. */
static bool
is_guarded(const struct mr_textenc *t, struct mr_str s)
{
	return s.n > 0 && strchr(t->guard, s.p[0]) != NULL;
}

/* Each quote twice, between quotes. */
static void
put_quoted(struct mr_buf *out, const char *before, struct mr_str s)
{
	char *to = mr_buf_reserve(out, 2 * s.n + 3), *start = to;

	if (to == NULL)
		return;
	*to++ = '"';
	if (*before != '\0')
		*to++ = *before;
	for (size_t i = 0; i < s.n; i++) {
		*to++ = s.p[i];
		if (s.p[i] == '"')
			*to++ = '"';
	}
	*to++ = '"';
	out->len += (size_t)(to - start);
}

static void
put_text(struct mr_textenc *t, struct mr_str s, bool from_client)
{
	const char *before = from_client && is_guarded(t, s) ? "'" : "";
	struct mr_buf *out = &t->out;

	if (s.p == NULL)
		return;
	if (needs_quotes(s)) {
		put_quoted(out, before, s);
		return;
	}
	mr_buf_add_cstr(out, before);
	mr_buf_add_str(out, s);
}

static void
put_ip(struct mr_buf *out, const struct mr_ip *ip)
{
	char text[MR_IP_TEXT];

	if (ip->family == 0)
		return;
	mr_ip_format(ip, text);
	mr_buf_add_cstr(out, text);
}

static void
put_cell(struct mr_textenc *t, const struct mr_export_row *row, size_t i)
{
	const struct mr_column *c = t->columns.column[i];
	char text[MR_TEXTOUT_TIME > MR_TEXTOUT_INT64 ? MR_TEXTOUT_TIME : MR_TEXTOUT_INT64], *end;

	switch (c->kind) {
	case MR_COLUMN_INT64:
		end = mr_textout_int64(text, mr_row_int64(row, c));
		mr_buf_add(&t->out, text, (size_t)(end - text));
		break;
	case MR_COLUMN_TIME:
		end = mr_textout_time(text, mr_row_int64(row, c), &t->seconds[i]);
		mr_buf_add(&t->out, text, (size_t)(end - text));
		break;
	case MR_COLUMN_IP:
		put_ip(&t->out, mr_row_ip(row, c));
		break;
	case MR_COLUMN_TEXT:
	case MR_COLUMN_JSON:
		put_text(t, mr_row_text(row, c), c->from_client);
		break;
	}
}

static void
put_row(struct mr_textenc *t, const struct mr_export_row *row)
{
	for (size_t i = 0; i < t->columns.n; i++) {
		if (i > 0)
			mr_buf_add_char(&t->out, ',');
		put_cell(t, row, i);
	}
	mr_buf_add(&t->out, "\r\n", 2);
}

static const struct mr_stage_ops ops = {
	.name = "csv",
	.rows = mr_textenc_rows,
	.finish = mr_textenc_finish,
	.free = mr_textenc_free,
};

struct mr_stage *
mr_enc_csv_new(struct mr_stage *next, const char *guard, bool drops_keys, struct mr_error *err)
{
	struct mr_textenc *t = mr_textenc_new(&ops, next, drops_keys, put_row, err);

	if (t == NULL)
		return NULL;
	t->guard = guard != NULL ? guard : "";
	for (size_t i = 0; i < t->columns.n; i++) {
		if (i > 0)
			mr_buf_add_char(&t->out, ',');
		mr_buf_add_cstr(&t->out, t->columns.column[i]->name);
	}
	mr_buf_add(&t->out, "\r\n", 2);
	return &t->stage;
}
