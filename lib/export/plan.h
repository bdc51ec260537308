/*
 * Planning batches: what a client's destinations are to receive next.
 *
 * Everything happens in one transaction and is committed before a row is read
 * for export. The cluster has to be the one that the client's chain was begun
 * with; in another, ids of transactions mean something else.
 */
#ifndef MR_EXPORT_PLAN_H
#define MR_EXPORT_PLAN_H

#include "base/error.h"
#include "conf/conf.h"
#include "export/planned.h"

struct mr_plan_request {
	const char *client;
	const char *run_id;
	const struct mr_conf_list *sites;  /* NULL: all except those below */
	const struct mr_conf_list *except; /* sites that other clients list */
	const char *const *destinations;   /* names of its cursors */
	const char *const *urls;           /* of the same */
	size_t n_destinations;
	const char *format;
	const char *compression;
	int64_t level;
	bool csv_guard;
	const char *parquet_codec;
	bool drops_keys; /* partition_columns = drop */
	bool parquet_json;
	int encoder_version;
	enum mr_frequency frequency;
	int64_t max_rows;  /* of a batch, unless one transaction has more */
	int64_t since_us;  /* of a manual export; INT64_MIN: none */
	int64_t until_us;  /* INT64_MAX: none */
	bool dry_run;      /* the transaction is rolled back */
};

struct mr_plan_result {
	int64_t batches;
	int64_t objects; /* of one destination, without manifests */
	int64_t rows;
};

/*
 * Plans what the chain is to go on with, and what a new site or destination
 * has missed. Nothing is planned when the client is not due, or when there is
 * nothing new and this hour has a batch already.
 */
enum mr_err mr_plan_chain(struct mr_db *db, const struct mr_plan_request *request,
    struct mr_plan_result *result, struct mr_error *err);

/* Plans a manual export: all rows of the span that are there now. */
enum mr_err mr_plan_manual(struct mr_db *db, const struct mr_plan_request *request,
    struct mr_plan_result *result, struct mr_error *err);

#endif
