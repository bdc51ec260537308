/*
 * The balance of the books: whether everything that was accepted is somewhere.
 *
 *   accepted = stored + duplicate + rejected + spooled + quarantined
 *
 * accepted is what the slots of the books say (books.h); the first three are
 * the sums of the ledger for this instance; the last two are counted in the
 * spool, leaving out what is in the ledger as well.
 */
#ifndef MR_INGEST_BALANCE_H
#define MR_INGEST_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"
#include "db/connection.h"
#include "format/jsonwriter.h"

struct mr_balance {
	int64_t accepted;
	int64_t in_flight;     /* events of groups under way, or not settled */
	int64_t stored, duplicate, rejected;
	int64_t spooled;
	int64_t quarantined;   /* events that could still be read in damaged bytes */
	size_t unreadable;     /* damaged pieces in which none could be; their events are missing */
	size_t unsettled;      /* groups whose fate could not be found out */
	bool moving;           /* workers were at it meanwhile, so only a range was checked */
	int64_t difference;    /* accepted less all the others; 0: the books balance */
};

/*
 * Settles the groups that dead lanes have left, then computes. The counters
 * must be open (counters/shared.h). spool_dir "": no spool;
 * instance: that of the counters. Errors: MR_EAGAIN when
 * the database cannot be asked; MR_EINVAL when there is no file of counters;
 * MR_EIO, MR_ENOMEM.
 */
enum mr_err mr_balance_take(struct mr_db *db, const char *spool_dir,
    const uint8_t instance[MR_UUID_BYTES], struct mr_balance *balance, struct mr_error *err);

/* Puts what was accepted and where it is, as members of the object that is open. */
void mr_balance_put_amounts(struct mr_json_writer *w, const struct mr_balance *balance);

/* Only the first of mr_balance_take(), when there is something to settle. *left: what could not be. */
enum mr_err mr_balance_settle(struct mr_db *db, const char *spool_dir,
    const uint8_t instance[MR_UUID_BYTES], size_t *left, struct mr_error *err);

/* Whether there is. Costs no I/O but for a lock. */
bool mr_balance_needed(void);

/* The tables against the ledger, over all instances. */
struct mr_balance_rows {
	int64_t events, events_ledger;
	int64_t rejected, rejected_ledger;
	bool dropped; /* partitions were, so the events cannot be compared */
};

/* Counts all rows, which takes its time. Errors: MR_EAGAIN. */
enum mr_err mr_balance_count_rows(struct mr_db *db, struct mr_balance_rows *rows,
    struct mr_error *err);

#endif
