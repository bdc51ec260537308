/* The exported row: see row.h. */
#include "format/row.h"

#include <inttypes.h>

/* 0001-01-01T00:00:00Z, and the last microsecond of the year 9999. */
#define FIRST_US (INT64_C(-62135596800) * 1000000)
#define LAST_US (INT64_C(253402300800) * 1000000 - 1)

#define COLUMN(name, kind, member, nullable, from_client, in_key) \
	{ name, ",\"" name "\":", sizeof(",\"" name "\":") - 1, kind, \
	    offsetof(struct mr_export_row, member), nullable, from_client, in_key }

const struct mr_column mr_columns[MR_COLUMNS] = {
	COLUMN("id", MR_COLUMN_INT64, id, false, false, false),
	COLUMN("created_at", MR_COLUMN_TIME, created_us, false, false, false),
	COLUMN("received_at", MR_COLUMN_TIME, event.received_us, false, false, false),
	COLUMN("event_time", MR_COLUMN_TIME, event.event_us, false, false, false),
	COLUMN("site_id", MR_COLUMN_TEXT, event.site_id, false, true, true),
	COLUMN("event_type", MR_COLUMN_TEXT, event.event_type, false, true, false),
	COLUMN("session_id", MR_COLUMN_TEXT, event.session_id, true, true, false),
	COLUMN("visitor_id", MR_COLUMN_TEXT, event.visitor_id, true, true, false),
	COLUMN("client_ip", MR_COLUMN_IP, event.client_ip, true, false, false),
	COLUMN("user_agent", MR_COLUMN_TEXT, event.user_agent, true, true, false),
	COLUMN("payload", MR_COLUMN_JSON, event.payload, false, false, false),
};

bool
mr_row_can_have(int64_t us)
{
	return us >= FIRST_US && us <= LAST_US;
}

void
mr_row_choose(struct mr_row_columns *columns, bool drops_keys)
{
	columns->n = 0;
	for (const struct mr_column *c = mr_columns; c < mr_columns + MR_COLUMNS; c++)
		if (!drops_keys || !c->in_key)
			columns->column[columns->n++] = c;
}

static enum mr_err
bad_value(const struct mr_export_row *row, const struct mr_column *c, const char *why,
    struct mr_error *err)
{
	return mr_fail(err, MR_EINVAL, "event %" PRId64 ": %s %s", row->id, c->name,
	    why);
}

enum mr_err
mr_row_check(const struct mr_export_row *row, struct mr_error *err)
{
	size_t bytes = 0;

	for (const struct mr_column *c = mr_columns; c < mr_columns + MR_COLUMNS; c++) {
		if (c->kind == MR_COLUMN_TIME) {
			if (!mr_row_can_have(mr_row_int64(row, c)))
				return bad_value(row, c, "is outside the years 1 to 9999", err);
		} else if (c->kind == MR_COLUMN_TEXT || c->kind == MR_COLUMN_JSON) {
			struct mr_str s = mr_row_text(row, c);

			if (s.p == NULL && !c->nullable)
				return bad_value(row, c, "is null", err);
			if (s.n > MR_ROW_MAX_BYTES - bytes)
				return mr_fail(err, MR_ELIMIT,
				    "event %" PRId64 ": is larger than %zu bytes", row->id,
				    MR_ROW_MAX_BYTES);
			bytes += s.n;
		}
	}
	return MR_OK;
}
