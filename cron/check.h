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

/* What keeps events from being dropped, for how long, and how large they are. */
void check_retention(const struct mr_conf *conf, struct mr_db *db, check_find *find);

#endif
