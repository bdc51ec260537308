/* Unit tests of format/snapshot: reading, cutting, and what lies between two. */
#include "export/snapshot.h"

#include <stdio.h>

#include "../tap.h"

static struct mr_error err;

static void
test_parse(void)
{
	static const struct {
		int line;
		const char *text;
		bool good;
	} rows[] = {
		{ __LINE__, "1:1:", true },
		{ __LINE__, "10:20:10,14,15", true },
		{ __LINE__, "10:20:19", true },
		{ __LINE__, "9223372036854775807:9223372036854775807:", true },
		{ __LINE__, "", false },
		{ __LINE__, "10", false },
		{ __LINE__, "10:20", false },
		{ __LINE__, ":20:", false },
		{ __LINE__, "0:20:", false },
		{ __LINE__, "20:10:", false },
		{ __LINE__, "10:20:9", false },
		{ __LINE__, "10:20:20", false },
		{ __LINE__, "10:20:14,14", false },
		{ __LINE__, "10:20:15,14", false },
		{ __LINE__, "10:20:14,", false },
		{ __LINE__, "10:20:,14", false },
		{ __LINE__, "10:20:14 15", false },
		{ __LINE__, "10:20:x", false },
		{ __LINE__, "10:20:14) OR (true", false },
		{ __LINE__, "-1:20:", false },
		{ __LINE__, " 1:20:", false },
		{ __LINE__, "10:9223372036854775808:", false },
		{ __LINE__, "10:18446744073709551626:", false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_snapshot s;
		struct mr_buf text;

		row(rows[i].line);
		if (!ok((mr_snapshot_parse(mr_str(rows[i].text), &s, &err) == MR_OK) == rows[i].good,
		    "read, or refused"))
			continue;
		if (!rows[i].good)
			continue;
		mr_buf_init(&text, 1000);
		mr_snapshot_put(&text, &s);
		is_str(mr_buf_str(&text), rows[i].text, "and the same when it is written");
		mr_buf_free(&text);
		mr_snapshot_free(&s);
	}
	row(0);
}

static void
test_cut(void)
{
	static const struct {
		int line;
		const char *text;
		uint64_t xmax;
		const char *want;
	} rows[] = {
		{ __LINE__, "10:20:10,14,15", 30, "10:20:10,14,15" },
		{ __LINE__, "10:20:10,14,15", 20, "10:20:10,14,15" },
		{ __LINE__, "10:20:10,14,15", 19, "10:19:10,14,15" },
		{ __LINE__, "10:20:10,14,15", 15, "10:15:10,14" },
		{ __LINE__, "10:20:10,14,15", 14, "10:14:10" },
		{ __LINE__, "10:20:10,14,15", 10, "10:10:" },
		{ __LINE__, "10:20:10,14,15", 5, "5:5:" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_snapshot s, again;
		struct mr_buf text;

		row(rows[i].line);
		if (mr_snapshot_parse(mr_str(rows[i].text), &s, &err) != MR_OK)
			bail("the test's own snapshot is none");
		mr_buf_init(&text, 1000);
		mr_snapshot_cut(&s, rows[i].xmax);
		mr_snapshot_put(&text, &s);
		is_str(mr_buf_str(&text), rows[i].want, "what is left");
		ok(mr_snapshot_parse(mr_buf_str(&text), &again, &err) == MR_OK, "is a snapshot");
		mr_snapshot_free(&again);
		mr_buf_free(&text);
		mr_snapshot_free(&s);
	}
	row(0);
}

static void
test_sees(void)
{
	struct mr_snapshot s;

	if (mr_snapshot_parse(mr_str("10:20:10,14,15"), &s, &err) != MR_OK)
		bail("the test's own snapshot is none");
	for (uint64_t xid = 1; xid < 30; xid++)
		is_int(mr_snapshot_sees(&s, xid), xid < 20 && xid != 10 && xid != 14 && xid != 15,
		    "whether it sees it");
	mr_snapshot_free(&s);
}

static void
test_between(void)
{
	static const struct {
		int line;
		const char *from; /* NULL: none */
		const char *to;
		const char *want;
	} rows[] = {
		{ __LINE__, NULL, "10:20:", "(ingest_xid < 20)" },
		{ __LINE__, NULL, "10:20:10,14", "(ingest_xid < 20 AND "
		    "ingest_xid <> ALL ('{10,14}'::bigint[]))" },
		{ __LINE__, "5:10:", "20:20:", "(ingest_xid >= 10 AND ingest_xid < 20)" },
		/* 5 and 7 had not ended; now 5 has */
		{ __LINE__, "5:10:5,7", "7:20:7,12", "(ingest_xid >= 10 AND ingest_xid < 20 AND "
		    "ingest_xid <> ALL ('{7,12}'::bigint[]) OR ingest_xid = ANY ('{5}'::bigint[]))" },
		{ __LINE__, "5:10:5,7", "20:20:", "(ingest_xid >= 10 AND ingest_xid < 20 "
		    "OR ingest_xid = ANY ('{5,7}'::bigint[]))" },
		{ __LINE__, "5:10:5,7", "5:10:5,7", "(ingest_xid >= 10 AND ingest_xid < 10 AND "
		    "ingest_xid <> ALL ('{5,7}'::bigint[]))" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_snapshot from = { .xip = NULL }, to;
		struct mr_buf sql;

		row(rows[i].line);
		if ((rows[i].from != NULL &&
		    mr_snapshot_parse(mr_str(rows[i].from), &from, &err) != MR_OK) ||
		    mr_snapshot_parse(mr_str(rows[i].to), &to, &err) != MR_OK)
			bail("the test's own snapshot is none");
		mr_buf_init(&sql, 10000);
		mr_snapshot_between(&sql, rows[i].from != NULL ? &from : NULL, &to);
		is_str(mr_buf_str(&sql), rows[i].want, "the condition");
		mr_buf_free(&sql);
		mr_snapshot_free(&from);
		mr_snapshot_free(&to);
	}
	row(0);
}

int
main(void)
{
	test_parse();
	test_cut();
	test_sees();
	test_between();
	return done();
}
