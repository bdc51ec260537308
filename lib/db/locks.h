/*
 * The advisory locks of millrace's database, all in one place, so that no two have the same
 * number. As texts, for SQL; the numbers mean nothing, as long as nobody else in the
 * database uses them.
 */
#ifndef MR_DB_LOCKS_H
#define MR_DB_LOCKS_H

/* One worker or program migrates the schema at a time. */
#define MR_LOCK_MIGRATION "7241862083345902163"

/* One makes partitions at a time; taken by a function of schema/008-partitions.sql. */
#define MR_LOCK_PARTITIONS "7241862083345902164"

/* One export is at work at a time, and no rebind beside it. */
#define MR_LOCK_EXPORT "7241862083345902165"

/* One maintains at a time. */
#define MR_LOCK_MAINTAIN "7241862083345902166"

#endif
