/*
 * The partitions of events: making those that are to come. See schema/008-partitions.sql for
 * how that keeps out of the way of who stores and who reads.
 */
#ifndef MR_DB_PARTITIONS_H
#define MR_DB_PARTITIONS_H

#include <stdbool.h>

#include "base/error.h"
#include "conf/conf.h"
#include "db/connection.h"

/* Of a caller that has time: a second or two in all. */
#define MR_PARTITIONS_TRIES 10

/*
 * Makes what [database] asks for, from today (UTC) on, each in a transaction of its own. One
 * that somebody's lock is in the way of is tried again, `tries` times in all, after a pause.
 * *made (NULL: not wanted): how many it were. The error is that of the first one that could
 * not be made; the others are, all the same.
 */
enum mr_err mr_partitions_make(struct mr_db *db, const struct mr_conf *conf, int tries,
    int *made, struct mr_error *err);

/* How many it would make. As mr_db_ask(). */
enum mr_err mr_partitions_missing(struct mr_db *db, const struct mr_conf *conf, int *missing,
    struct mr_error *err);

/*
 * Moves what days that are over have left in the default partition to partitions of their own,
 * a day in each transaction. *moved grows by how many rows it were. As mr_db_ask(); what could
 * not be moved stays where it is.
 */
enum mr_err mr_partitions_move_default(struct mr_db *db, int64_t *moved, struct mr_error *err);

/*
 * After a statement about partitions that failed: ends the transaction, if there is one. When
 * somebody's lock was in the way and a try is left, takes that, waits a little, and is true.
 */
bool mr_partitions_try_again(struct mr_db *db, int *tries);

/* As mr_partitions_make(); that it cannot be done is logged, and no reason to stop. */
void mr_partitions_keep(struct mr_db *db, const struct mr_conf *conf, int tries);

#endif
