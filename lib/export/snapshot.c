/* Snapshots: see snapshot.h. */
#include "export/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>

/* Takes a number off the front of *text; false: there is none, or it is too large. */
static bool
take_number(struct mr_str *text, uint64_t *value)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++) {
		uint64_t digit = (uint64_t)(text->p[n] - '0');

		/* The ids go into a bigint column. */
		if (v > (INT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	text->p += n;
	text->n -= n;
	*value = v;
	return n > 0;
}

static bool
take_char(struct mr_str *text, char c)
{
	if (text->n == 0 || text->p[0] != c)
		return false;
	text->p++;
	text->n--;
	return true;
}

static bool
parse(struct mr_str text, struct mr_snapshot *s)
{
	uint64_t last = 0;

	if (!take_number(&text, &s->xmin) || !take_char(&text, ':') ||
	    !take_number(&text, &s->xmax) || !take_char(&text, ':') || s->xmin == 0 ||
	    s->xmin > s->xmax)
		return false;
	while (text.n > 0) {
		uint64_t xid;

		if ((s->n_xip > 0 && !take_char(&text, ',')) || !take_number(&text, &xid) ||
		    xid < s->xmin || xid >= s->xmax || xid <= last)
			return false;
		s->xip[s->n_xip++] = last = xid;
	}
	return true;
}

enum mr_err
mr_snapshot_parse(struct mr_str text, struct mr_snapshot *s, struct mr_error *err)
{
	size_t most = 1;

	for (size_t i = 0; i < text.n; i++)
		most += text.p[i] == ',';
	*s = (struct mr_snapshot){ .xip = NULL };
	if (most > MR_SNAPSHOT_MAX_XIP)
		return mr_fail(err, MR_ELIMIT, "a snapshot has more than %d transactions in progress",
		    MR_SNAPSHOT_MAX_XIP);
	if ((s->xip = calloc(most, sizeof *s->xip)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a snapshot");
	if (parse(text, s))
		return MR_OK;
	mr_snapshot_free(s);
	return mr_fail(err, MR_EINVAL, "'%.*s' is no snapshot of PostgreSQL",
	    text.n > 60 ? 60 : (int)text.n, text.p);
}

void
mr_snapshot_free(struct mr_snapshot *s)
{
	free(s->xip);
	*s = (struct mr_snapshot){ .xip = NULL };
}

enum mr_err
mr_snapshot_copy(const struct mr_snapshot *from, struct mr_snapshot *to, struct mr_error *err)
{
	uint64_t *xip = calloc(from->n_xip + 1, sizeof *xip);

	*to = (struct mr_snapshot){ .xip = NULL };
	if (xip == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a snapshot");
	if (from->n_xip > 0)
		memcpy(xip, from->xip, from->n_xip * sizeof *xip);
	*to = *from;
	to->xip = xip;
	return MR_OK;
}

void
mr_snapshot_cut(struct mr_snapshot *s, uint64_t xmax)
{
	if (xmax >= s->xmax)
		return;
	s->xmax = xmax;
	while (s->n_xip > 0 && s->xip[s->n_xip - 1] >= xmax)
		s->n_xip--;
	if (s->xmin > xmax)
		s->xmin = xmax;
}

static void
put_list(struct mr_buf *to, const uint64_t *xids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mr_buf_printf(to, "%s%" PRIu64, i > 0 ? "," : "", xids[i]);
}

void
mr_snapshot_put(struct mr_buf *to, const struct mr_snapshot *s)
{
	mr_buf_printf(to, "%" PRIu64 ":%" PRIu64 ":", s->xmin, s->xmax);
	put_list(to, s->xip, s->n_xip);
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

bool
mr_snapshot_sees(const struct mr_snapshot *s, uint64_t xid)
{
	return xid < s->xmax &&
	    (s->n_xip == 0 || bsearch(&xid, s->xip, s->n_xip, sizeof xid, compare) == NULL);
}

/* "OR" the transactions that were in progress in `from` and had ended in `to`. */
static void
put_late(struct mr_buf *sql, const struct mr_snapshot *from, const struct mr_snapshot *to)
{
	bool first = true;

	for (size_t i = 0; i < from->n_xip; i++) {
		if (!mr_snapshot_sees(to, from->xip[i]))
			continue;
		mr_buf_add_cstr(sql, first ? " OR ingest_xid = ANY ('{" : ",");
		put_list(sql, &from->xip[i], 1);
		first = false;
	}
	if (!first)
		mr_buf_add_cstr(sql, "}'::bigint[])");
}

void
mr_snapshot_between(struct mr_buf *sql, const struct mr_snapshot *from,
    const struct mr_snapshot *to)
{
	mr_buf_add_char(sql, '(');
	if (from != NULL)
		mr_buf_printf(sql, "ingest_xid >= %" PRIu64 " AND ", from->xmax);
	mr_buf_printf(sql, "ingest_xid < %" PRIu64, to->xmax);
	if (to->n_xip > 0) {
		mr_buf_add_cstr(sql, " AND ingest_xid <> ALL ('{");
		put_list(sql, to->xip, to->n_xip);
		mr_buf_add_cstr(sql, "}'::bigint[])");
	}
	if (from != NULL)
		put_late(sql, from, to);
	mr_buf_add_char(sql, ')');
}
