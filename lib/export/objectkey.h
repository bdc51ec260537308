/* The keys of exported objects, which follow from the plan alone. Pure. */
#ifndef MR_EXPORT_OBJECTKEY_H
#define MR_EXPORT_OBJECTKEY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* A site's name takes no more bytes of a key; a longer one is cut and told apart by a sum. */
#define MR_OBJECTKEY_SITE 180

#define MR_OBJECTKEY_MAX 4096 /* bytes; S3 takes fewer, a folder's path may have more */

/*
 * Appends "PREFIX/FOLDER/site_id=SITE/date=YYYY-MM-DD/hour=HH/BATCH-NUMBER.EXT",
 * by UTC. prefix and folder may be "". In the site every byte but A-Z a-z 0-9
 * . _ - becomes %XX, as Hive and Spark have it, so that it is one name.
 */
void mr_objectkey_put(struct mr_buf *to, const char *prefix, const char *folder,
    struct mr_str site, int64_t hour_us, struct mr_str batch, int number, const char *suffix);

/* Appends "PREFIX/FOLDER/_manifest/BATCH.json". */
void mr_objectkey_put_manifest(struct mr_buf *to, const char *prefix, const char *folder,
    struct mr_str batch);

#endif
