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

/*
 * A connection for replays, the keeper's own and those of a program without one:
 * with the tables and the statements; what it commits lasts, whatever [database]
 * says, since a segment is removed then. NULL: no memory.
 */
struct mr_db *mr_keeper_db_new(const struct mr_conf *conf, const char *application);

/*
 * For a program without a keeper: what a connection that stores needs besides
 * the session, the tables. conf: the struct mr_conf. See struct mr_db_options.
 */
enum mr_err mr_keeper_on_connect(struct mr_db *db, void *conf, struct mr_error *err);

/* Removes what is too old in the ledger. True: nothing is left to do. */
bool mr_keeper_purge(struct mr_db *db, const struct mr_conf *conf);

#endif
