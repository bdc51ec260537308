/* Reading rows from COPY: see copyout.h. */
#include "export/copyout.h"

#include "db/class.h"
#include "db/copy.h"

/* Of the file: a signature of 11 bytes, flags, and the length of an extension. */
#define SIGNATURE "PGCOPY\n\377\r\n"
#define SIGNATURE_BYTES 11
#define HEADER_BYTES 19
#define TRAILER "\377\377"

/* PostgreSQL counts from 2000-01-01. */
#define EPOCH_US INT64_C(946684800000000)

/* inet: family, prefix length, is_cidr, length of the address, address. */
#define INET_HEAD 4
#define INET_4 2
#define INET_6 3

#define JSONB_VERSION 1

static uint32_t
be32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static int64_t
be64(const char *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static bool
set_int64(int64_t *to, struct mr_str field)
{
	if (field.n != 8 || field.p == NULL)
		return false;
	*to = be64(field.p);
	return true;
}

/* Infinity becomes a time that mr_row_check() refuses. */
static bool
set_time(int64_t *to, struct mr_str field)
{
	if (!set_int64(to, field))
		return false;
	*to = *to > INT64_MAX - EPOCH_US ? INT64_MAX : *to + EPOCH_US;
	return true;
}

static bool
set_ip(struct mr_ip *to, struct mr_str field)
{
	size_t n;

	to->family = 0;
	if (field.p == NULL)
		return true;
	if (field.n < INET_HEAD || (field.p[0] != INET_4 && field.p[0] != INET_6))
		return false;
	n = field.p[0] == INET_4 ? 4 : 16;
	if (field.n != INET_HEAD + n || (unsigned char)field.p[3] != n)
		return false;
	to->family = field.p[0] == INET_4 ? 4 : 6;
	memcpy(to->bytes, field.p + INET_HEAD, n);
	return true;
}

/* json is text; jsonb is text behind its version, a byte that no JSON begins with. */
static bool
set_json(struct mr_str *to, struct mr_str field)
{
	*to = field;
	if (field.p == NULL)
		return true;
	if (field.n > 0 && field.p[0] == JSONB_VERSION) {
		to->p++;
		to->n--;
	}
	return to->n > 0 && (unsigned char)to->p[0] >= '\t';
}

static bool
set_fields(struct mr_export_row *row, const struct mr_str f[MR_COLUMNS])
{
	struct mr_event *e = &row->event;

	e->site_id = f[4];
	e->event_type = f[5];
	e->session_id = f[6];
	e->visitor_id = f[7];
	e->user_agent = f[9];
	return set_int64(&row->id, f[0]) && set_time(&row->created_us, f[1]) &&
	    set_time(&e->received_us, f[2]) && set_time(&e->event_us, f[3]) &&
	    set_ip(&e->client_ip, f[8]) && set_json(&e->payload, f[10]);
}

enum mr_err
mr_copyout_tuple(struct mr_str t, struct mr_export_row *row, struct mr_error *err)
{
	struct mr_str fields[MR_COLUMNS];
	size_t at = 2;

	if (t.n < 2 || ((unsigned char)t.p[0] << 8 | (unsigned char)t.p[1]) != MR_COLUMNS)
		return mr_fail(err, MR_EINVAL, "database: a row of COPY has not %d columns",
		    MR_COLUMNS);
	for (int i = 0; i < MR_COLUMNS; i++) {
		uint32_t n;

		if (t.n - at < 4)
			return mr_fail(err, MR_EINVAL, "database: a row of COPY is cut off");
		n = be32(t.p + at);
		at += 4;
		if (n == UINT32_MAX) {
			fields[i] = MR_STR_NULL;
			continue;
		}
		if (n > t.n - at)
			return mr_fail(err, MR_EINVAL, "database: a row of COPY is cut off");
		fields[i] = (struct mr_str){ t.p + at, n };
		at += n;
	}
	if (at != t.n || !set_fields(row, fields))
		return mr_fail(err, MR_EINVAL, "database: a row of COPY is not one of the table "
		    "events");
	return MR_OK;
}

enum mr_err
mr_copyout_start(struct mr_copyout *c, struct mr_db *db, const char *sql, struct mr_error *err)
{
	enum mr_db_class class = mr_db_copy_start(db, sql, err);

	*c = (struct mr_copyout){ .db = db };
	return class == MR_DB_OK ? MR_OK : class == MR_DB_OPERATOR ? MR_EIO : MR_EAGAIN;
}

/* Takes the header of the file off the front of the first message. */
static enum mr_err
skip_header(struct mr_str *m, struct mr_error *err)
{
	size_t n;

	if (m->n < HEADER_BYTES || memcmp(m->p, SIGNATURE, SIGNATURE_BYTES) != 0)
		return mr_fail(err, MR_EINVAL, "database: COPY has no header");
	n = be32(m->p + HEADER_BYTES - 4);
	if (n > m->n - HEADER_BYTES)
		return mr_fail(err, MR_EINVAL, "database: COPY has a header that is cut off");
	m->p += HEADER_BYTES + n;
	m->n -= HEADER_BYTES + n;
	return MR_OK;
}

enum mr_err
mr_copyout_raw(struct mr_copyout *c, struct mr_str *tuple, struct mr_error *err)
{
	enum mr_err e;

	for (;;) {
		if (mr_db_copy_next(c->db, tuple, err) != MR_DB_OK)
			return MR_EAGAIN;
		if (tuple->p == NULL)
			return MR_OK;
		if (!c->begun) {
			if ((e = skip_header(tuple, err)) != MR_OK)
				return e;
			c->begun = true;
		}
		/* Neither the trailer, nor a header that came by itself. */
		if (tuple->n != 0 && (tuple->n != 2 || memcmp(tuple->p, TRAILER, 2) != 0))
			return MR_OK;
	}
}
