/*
 * A planned batch as it stands in the database, and the condition that selects
 * its rows. See schema/004-export.sql for the tables.
 */
#ifndef MR_EXPORT_PLANNED_H
#define MR_EXPORT_PLANNED_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "db/query.h"
#include "export/snapshot.h"

enum mr_planned_sites {
	MR_SITES_ALL,
	MR_SITES_LISTED, /* in `sites` */
	MR_SITES_EXCEPT  /* all but those in `except_sites` */
};

/* What of the rows between two snapshots a batch takes. */
struct mr_planned_filter {
	int64_t batch; /* the lists stand in export_batches */
	enum mr_planned_sites sites;
	int64_t since_us; /* INT64_MIN: no such limit; of created_at */
	int64_t until_us; /* INT64_MAX: no such limit; exclusive */
	bool good_only;   /* without rows that cannot be exported */
};

/* Whether a row can be exported, as SQL: what mr_row_check() takes. */
#define MR_PLANNED_GOOD_TIME(column) "(" column " >= '0001-01-01T00:00:00Z'::timestamptz AND " \
	column " < '10000-01-01T00:00:00Z'::timestamptz)"
#define MR_PLANNED_GOOD MR_PLANNED_GOOD_TIME("created_at") " AND " \
	MR_PLANNED_GOOD_TIME("received_at") " AND " MR_PLANNED_GOOD_TIME("event_time") \
	" AND octet_length(concat(site_id, event_type, session_id, visitor_id, user_agent))::bigint + " \
	"octet_length(payload::text) <= 268435456"

/* Texts are valid until the batch is freed. */
struct mr_planned_batch {
	int64_t id;
	struct mr_str name;
	struct mr_str client;
	struct mr_str destination; /* the only one that it is for; p == NULL: for all */
	struct mr_str kind;
	struct mr_str run_id;
	struct mr_str format;
	struct mr_str compression;
	int level;
	bool csv_guard;
	struct mr_str parquet_codec;
	bool drops_keys;
	bool parquet_json;
	int encoder_version;
	int64_t rows;
	struct mr_snapshot from; /* xmax 0: from the first row on */
	struct mr_snapshot to;
	struct mr_str from_text; /* p == NULL: from the first row on */
	struct mr_str to_text;
	struct mr_planned_filter filter;
	struct mr_db_rows *result;
};

#define MR_PLANNED_HOUR_US INT64_C(3600000000)

/* One object to be: the rows of one site and hour. Slices are numbered from 0 without gaps. */
struct mr_planned_slice {
	int number;
	struct mr_str site_id;
	int64_t hour_us;
	int64_t rows;
	struct mr_str partition; /* where its rows lay, as SQL; p == NULL: not known */
	uint32_t first_page;
	uint32_t last_page;
};

/* Appends the WHERE condition of a batch's rows; nothing in it is text that a client chose. */
void mr_planned_put_where(struct mr_buf *sql, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter);

/* The two halves of it: by when a row came, and by its site (not for MR_SITES_ALL). */
void mr_planned_put_span(struct mr_buf *sql, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter);
void mr_planned_put_sites(struct mr_buf *sql, const struct mr_planned_filter *filter);

/* Appends a time as an SQL expression that is evaluated once a query. */
void mr_planned_put_time(struct mr_buf *sql, int64_t us);

/*
 * The oldest batch of the client's chain behind `after` that one of the
 * destinations is to have (a text[] literal). batch->id == 0: there is none.
 */
enum mr_err mr_planned_next(struct mr_db *db, const char *client, int64_t after,
    const char *destinations, struct mr_planned_batch *batch, struct mr_error *err);

/* The oldest batch of a client in a manual run behind `after`; as above. */
enum mr_err mr_planned_next_of_run(struct mr_db *db, const char *run_id, const char *client,
    int64_t after, struct mr_planned_batch *batch, struct mr_error *err);

/* By its id; MR_EINVAL when it is no longer known. */
enum mr_err mr_planned_load(struct mr_db *db, int64_t id, struct mr_planned_batch *batch,
    struct mr_error *err);

void mr_planned_free(struct mr_planned_batch *batch);

/* Whether it is of a manual export, which is apart from the client's chain. */
bool mr_planned_is_manual(const struct mr_planned_batch *batch);

/* Its slices in the order of their numbers. *slices is to be freed; its texts are *result's. */
enum mr_err mr_planned_slices(struct mr_db *db, int64_t batch, struct mr_planned_slice **slices,
    size_t *n, struct mr_db_rows **result, struct mr_error *err);

/*
 * Appends an SQL array literal ({"a","b"}) of the list; the parameter of a
 * text[].
 */
void mr_planned_put_array(struct mr_buf *to, const struct mr_conf_list *list);

#endif
