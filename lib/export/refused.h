/*
 * Rows of a batch that no format can hold, as someone wrote them into the table by hand: times
 * outside the years 1 to 9999, or too much text. See mr_row_check() in format/row.h.
 */
#ifndef MR_EXPORT_REFUSED_H
#define MR_EXPORT_REFUSED_H

#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"
#include "export/planned.h"

/*
 * Copies them to rejected_events, each once however many batches have it, with the reason; the
 * books say that they are there. From now on the batch is without them: its slices are
 * counted anew, and *batch says so, too. *n: how many they were; 0: nothing was changed. In
 * one transaction. MR_ENOMEM, or as mr_db_ask(); a transaction may be open then.
 */
enum mr_err mr_refused_take_out(struct mr_db *db, struct mr_planned_batch *batch, int64_t *n,
    struct mr_error *err);

#endif
