/*
 * Finding the rows of one batch that the database refuses.
 */
#ifndef MR_INGEST_ISOLATE_H
#define MR_INGEST_ISOLATE_H

#include "base/arena.h"
#include "base/error.h"
#include "db/class.h"
#include "format/event.h"
#include "ingest/store.h"

/*
 * Moves each row that PostgreSQL refuses (MR_DB_DATA) from batch->rows to
 * batch->rejects, with its reason and SQLSTATE; n_rows may become 0. Tries
 * halves of the batch in transactions that are rolled back, so nothing is
 * stored. err holds the last refusal. Another class than MR_DB_OK: it could
 * not be finished, and the batch is as before.
 */
enum mr_db_class mr_isolate(struct mr_store *store, struct mr_db *db, struct mr_batch *batch,
    struct mr_arena *arena, struct mr_error *err);

#endif
