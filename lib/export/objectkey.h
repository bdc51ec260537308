/* The keys of exported objects, which follow from the plan alone. Pure. */
#ifndef MR_EXPORT_OBJECTKEY_H
#define MR_EXPORT_OBJECTKEY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * A site's name takes no more bytes of a key; a longer one is cut and told apart by a sum
 * of all of it, behind a tilde, which no other name has.
 */
#define MR_OBJECTKEY_SITE 180

/*
 * The first encoder version whose keys every reader takes: those before cut a name within
 * a character, and had names that read as NULL.
 */
#define MR_OBJECTKEY_READABLE 3

#define MR_OBJECTKEY_MAX 4096 /* bytes; S3 takes fewer, a folder's path may have more */

/*
 * Appends "PREFIX/FOLDER/site_id=SITE/date=YYYY-MM-DD/hour=HH/BATCH-NUMBER.EXT",
 * by UTC. prefix and folder may be "". In the site every byte but A-Z a-z 0-9
 * . _ - becomes %XX, as Hive and Spark have it, so that it is one name; so does the
 * first one of a name that would be read as NULL. version: of the encoder that the batch
 * was planned with, so that what was begun ends under the same keys.
 */
void mr_objectkey_put(struct mr_buf *to, const char *prefix, const char *folder,
    struct mr_str site, int64_t hour_us, struct mr_str batch, int number, const char *suffix,
    int version);

/* Appends "PREFIX/FOLDER/_manifest/BATCH.json". */
void mr_objectkey_put_manifest(struct mr_buf *to, const char *prefix, const char *folder,
    struct mr_str batch);

#endif
