/*
 * Where a client's events go, a folder or a bucket, as the configuration has
 * it (struct mr_conf_bucket): what it is called, and how it is reached. The
 * export and all that tries a destination take both from here.
 */
#ifndef MR_EXPORT_TARGET_H
#define MR_EXPORT_TARGET_H

#include <stdbool.h>

#include "base/error.h"
#include "conf/conf.h"
#include "s3/creds.h"
#include "s3/s3.h"

#define MR_TARGET_MAX_PREFIX 255

/* Whether its bucket is a folder (file://…), which needs no keys and has no region. */
bool mr_target_is_folder(const struct mr_conf_bucket *bucket);

struct mr_target {
	char *url;          /* for people: file:///… or s3://…, with the prefix */
	const char *folder; /* NULL: it is S3; part of the configuration */
	const char *bucket; /* NULL: it is a folder; part of the configuration */
	char *prefix;       /* without slashes around it */
};

/*
 * Fills *target from the configuration, which must outlive it. MR_EINVAL: the
 * prefix cannot be one; MR_ENOMEM. Then there is nothing to free.
 */
enum mr_err mr_target_open(struct mr_target *target, const struct mr_conf_bucket *conf,
    struct mr_error *err);
void mr_target_free(struct mr_target *target);

/* What the configuration says of its credentials. */
struct mr_creds_options mr_target_creds_options(const struct mr_conf *conf,
    const struct mr_conf_bucket *bucket);

/* And of the way to it; creds, stop and the callbacks are left to the caller. */
struct mr_s3_options mr_target_s3_options(const struct mr_conf_bucket *bucket);

#endif
