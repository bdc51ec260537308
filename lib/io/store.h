/*
 * Batches into tables: a group of them with one statement and one commit.
 *
 * The statement is an INSERT … SELECT unnest(…), … over binary arrays, one
 * array a column. Groups that bring batchIds or refused events use a longer
 * form of it, which stores those too and leaves out what is a repetition.
 */
#ifndef MR_IO_STORE_H
#define MR_IO_STORE_H

#include <stdbool.h>

#include "base/error.h"
#include "format/event.h"
#include "io/db.h"

/* The statements that a connection must have prepared, in this order. */
extern const char *const mr_store_statements[];
extern const int mr_store_n_statements;

struct mr_store;

/* max_bytes: of all values of one group. NULL: no memory. */
struct mr_store *mr_store_new(size_t max_bytes);
void mr_store_free(struct mr_store *store);

/*
 * Stores the batches batches[0..n), in their order. duplicate[i] becomes true
 * for a batch whose (site, batchId) was stored before, of which nothing is
 * stored again. No two batches of a group may have the same (site, batchId).
 * The connection must be ensured. Either everything is committed (MR_DB_OK)
 * or, unless it is MR_DB_UNKNOWN, nothing.
 */
enum mr_db_class mr_store_group(struct mr_store *store, struct mr_db *db,
    const struct mr_batch *const *batches, size_t n, bool *duplicate, struct mr_error *err);

/*
 * The parameters of the plain statement for these batches, as mr_store_group
 * would send them; valid until the store's next use. Returns their number, or
 * 0 when there is no memory. For measuring what the database alone can do.
 */
int mr_store_plain_params(struct mr_store *store, const struct mr_batch *const *batches,
    size_t n, const struct mr_db_param **params);

#endif
