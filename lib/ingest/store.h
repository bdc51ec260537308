/*
 * Batches into tables: a group of them with one statement and one commit.
 *
 * The statement is an INSERT … SELECT unnest(…), … over binary arrays, one
 * array a column. Groups that bring batchIds use a form that stores those too,
 * all or nothing; one with a repetition or with refused events the longest
 * form, which leaves out what is a repetition; so do groups that bring messageIds.
 * All write the group into the ledger (the table ingest_groups) and store nothing when it is
 * there already.
 */
#ifndef MR_INGEST_STORE_H
#define MR_INGEST_STORE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/uuid.h"
#include "db/query.h"
#include "format/event.h"

/* The statements that a connection must have prepared, in this order. */
extern const char *const mr_store_statements[];
extern const int mr_store_n_statements;

/* The first of them without the ledger. For measuring what the ledger costs. */
extern const char mr_store_without_ledger[];

struct mr_store;

/*
 * max_bytes: of all values of one group. instance: the id of this host in the
 * ledger; NULL: none. NULL: no memory.
 */
struct mr_store *mr_store_new(size_t max_bytes, const uint8_t *instance);
void mr_store_free(struct mr_store *store);

/* From now on. */
void mr_store_set_instance(struct mr_store *store, const uint8_t instance[MR_UUID_BYTES]);

/* What is stored with one commit. No two batches may have the same (site, batchId). */
struct mr_group {
	uint8_t id[MR_UUID_BYTES];
	const struct mr_batch *const *batches;
	size_t n;
	/* Filled by storing it: */
	bool known;      /* it was stored before; nothing is stored again */
	bool *duplicate; /* of each batch: its (site, batchId) was stored before, by
	                    another group; nothing of it is stored again */
	size_t *repeated; /* of each batch that is no duplicate: rows whose (site, messageId)
	                     was stored before, or stands before it in this group; they are
	                     not stored again */
	bool trial;       /* messageIds do not matter, as nothing of it will stay */
};

/*
 * Stores the batches in their order. The connection must be ensured. Either
 * everything is committed (MR_DB_OK) or, unless it is MR_DB_UNKNOWN, nothing.
 */
enum mr_db_class mr_store_group(struct mr_store *store, struct mr_db *db,
    struct mr_group *group, struct mr_error *err);

/*
 * Removes rows of the ledger that are older than keep_us, by our clock and by the
 * database's, some at a time, and adds what they counted to the totals of their
 * instance (ingest_totals). *removed: how many; 0: none are left.
 */
enum mr_db_class mr_store_purge(struct mr_db *db, int64_t keep_us, long *removed,
    struct mr_error *err);

/*
 * The parameters of the plain statement for this group, as mr_store_group would
 * send them; valid until the store's next use. Returns their number, or 0 when
 * there is no memory. The one at MR_STORE_PLAIN_ID is the id; those in front of
 * it are all that the statement without the ledger has. For measuring what the
 * database alone can do.
 */
#define MR_STORE_PLAIN_ID 9
int mr_store_plain_params(struct mr_store *store, const struct mr_group *group,
    const struct mr_db_param **params);

#endif
