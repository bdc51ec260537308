/*
 * The parts of millrace-check. Each looks at one thing and says what it finds.
 */
#ifndef MR_CRON_CHECK_H
#define MR_CRON_CHECK_H

#include "conf/conf.h"
#include "db/query.h"

enum level { FINE, WARNING, CRITICAL, UNKNOWN };

/* Takes a finding: what was looked at, and what there is to say of it. */
typedef void check_find(enum level level, const char *what, const char *text);

/* The workers of this host, and the file that they count in. */
void check_counters(const struct mr_conf *conf, check_find *find);

/* Whether the log can be written. */
void check_log(const struct mr_conf *conf, check_find *find);

/* Which destinations fail, and whether exports are run. Nothing without clients. */
void check_export(const struct mr_conf *conf, struct mr_db *db, check_find *find);

/* What keeps events from being dropped, for how long, and how large they are. */
void check_retention(const struct mr_conf *conf, struct mr_db *db, check_find *find);

#endif
