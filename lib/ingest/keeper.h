/*
 * The keeper: the thread of a writer that does what no request should wait for.
 * It connects again when the database was away, and applies the migrations; it
 * replays the spool and closes the breaker; once an hour it makes partitions and
 * tidies the ledger. Its connection lives as long as there is such work.
 */
#ifndef MR_INGEST_KEEPER_H
#define MR_INGEST_KEEPER_H

#include "base/error.h"
#include "conf/conf.h"
#include "db/connection.h"
#include "ingest/breaker.h"

struct mr_keeper;

/*
 * Starts the thread. The configuration, the instance and the breaker must stay. With
 * ingest = spool it only closes segments, so that they can be replayed.
 */
enum mr_err mr_keeper_start(struct mr_keeper **keeper, const struct mr_conf *conf,
    const char *application, const uint8_t instance[MR_UUID_BYTES], struct mr_breaker *breaker,
    struct mr_error *err);

/* Ends the thread, after the statement that it is in, and frees the keeper. */
void mr_keeper_stop(struct mr_keeper *keeper);

/* Removes what is too old in the ledger. True: nothing is left to do. */
bool mr_keeper_purge(struct mr_db *db, const struct mr_conf *conf);

#endif
