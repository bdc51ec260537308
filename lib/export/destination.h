/*
 * A destination of one client, a folder or a bucket: where a batch goes there, writing and
 * reading its objects, and what is on record of uploads that were begun. Belongs to the
 * thread that delivers.
 */
#ifndef MR_EXPORT_DESTINATION_H
#define MR_EXPORT_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "export/complete.h"
#include "export/context.h"
#include "export/planned.h"
#include "export/target.h"
#include "s3/creds.h"
#include "s3/s3.h"
#include "stage/stage.h"

#define MR_DESTINATIONS 2 /* that a client has at most */

/* Owns what it opens; the texts and *conf are the configuration's. */
struct mr_destination {
	const char *name;   /* "bucket" or "backup" */
	bool is_backup;
	const char *client;
	const struct mr_conf_bucket *conf;
	struct mr_db *db;
	struct mr_target at;
	char *prefix;       /* of the batch that is delivered; see mr_destination_settle() */
	struct mr_creds_chain *creds;
	struct mr_s3 *s3;   /* NULL until it is needed */
	bool stale_uploads; /* an earlier run may have begun an upload to the same key */
	struct mr_complete_list complete; /* objects of the batch that are not recorded yet */
	int64_t cursor;     /* the last batch that is there */
	struct mr_silent *silent; /* the run's */
	bool suspect;       /* failed in an earlier run: must not hold up the others */
	bool failed;        /* in this run */
	bool told;          /* that was said */
	struct mr_error err; /* why */
};

/* Fills *d from the configuration. MR_EINVAL, MR_ENOMEM; nothing to close then. */
enum mr_err mr_destination_open(struct mr_destination *d, const char *name, const char *client,
    const struct mr_conf_bucket *conf, const struct mr_context *x, struct mr_error *err);
void mr_destination_close(struct mr_destination *d);

/*
 * Marks it as failed: nothing more is sent there in this run; nor to its endpoint, if that is
 * one of S3 and did not answer.
 */
void mr_destination_fail(struct mr_destination *d, const struct mr_error *why);

/*
 * Finds out where the batch goes, and notes it: with the prefix with which it was
 * begun, if that was in the same bucket; in another one it begins anew. MR_ENOMEM, or as
 * mr_db_ask().
 */
enum mr_err mr_destination_settle(struct mr_destination *d, const struct mr_planned_batch *batch,
    struct mr_error *err);
/* After a failure: one of which nothing is there may go with another prefix the next time. */
enum mr_err mr_destination_unsettle(struct mr_destination *d,
    const struct mr_planned_batch *batch, struct mr_error *err);

/*
 * A new object there, the caller's to free; NULL: *err says why. The endpoint of a suspect
 * is first asked whether it is there, with less patience. group: that of files, NULL for one
 * that is there when it is finished.
 */
struct mr_stage *mr_destination_sink(struct mr_destination *d, const struct mr_context *x,
    const char *key, const char *content_type, struct mr_filegroup *group, struct mr_error *err);

/*
 * Aborts the multipart uploads that earlier runs left; none of ours may be open.
 * What fails is logged and kept.
 */
void mr_destination_abort_stale(struct mr_destination *d, const struct mr_context *x);

/*
 * Reads an object back, piece by piece; false from take ends it. *missing: it failed
 * because there is no such object, at a destination that can be reached.
 */
enum mr_err mr_destination_read(struct mr_destination *d, const struct mr_context *x,
    const char *key, bool (*take)(void *arg, const char *p, size_t n), void *arg, bool *missing,
    struct mr_error *err);

#endif
