/*
 * An S3 client: objects are put, whole or in parts, and read back.
 *
 * In the normal path it needs s3:PutObject and s3:AbortMultipartUpload and no
 * other permission. Whatever may pass is tried again, after a random pause of
 * up to 200 ms that doubles to 20 s; a clock that is off is corrected by the
 * server's; credentials that expired are replaced, once. What remains is an
 * error that names the bucket, the operation and S3's error code, and says
 * what to do: MR_EAGAIN when a later run may succeed, else MR_EINVAL. A client
 * and its uploads belong to one thread.
 */
#ifndef MR_S3_S3_H
#define MR_S3_S3_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "conf/words.h"
#include "s3/creds.h"

#define MR_S3_PART_BYTES (INT64_C(8) << 20)
#define MR_S3_MIN_PART_BYTES (INT64_C(5) << 20) /* as S3 has it, of all parts but the last */
#define MR_S3_MAX_PART_BYTES (INT64_C(64) << 20)
#define MR_S3_MAX_PARTS 10000
#define MR_S3_MAX_KEY 1024
#define MR_S3_MAX_UPLOAD_ID 1024

enum mr_s3_style {
	MR_S3_AUTO,   /* virtual hosts on AWS, unless the bucket has a dot; else paths */
	MR_S3_PATH,   /* https://host/bucket/key */
	MR_S3_VIRTUAL /* https://bucket.host/key */
};

/* NULL, "" and 0 mean the default. Strings are copied. */
struct mr_s3_options {
	const char *endpoint;       /* "https://host[:port]"; default: AWS, of the region */
	const char *region;         /* default us-east-1 */
	enum mr_s3_style style;
	const char *ca_file;
	bool insecure;              /* see http.h */
	const char *sse;            /* "AES256", "aws:kms" or "aws:kms:dsse" */
	const char *kms_key_id;     /* with KMS; default: the account's key */
	const char *storage_class;  /* "STANDARD_IA" */
	const char *tags;           /* "key=value, key=value" */
	const char *acl;            /* a canned one: "bucket-owner-full-control" */
	bool requester_pays;        /* agrees to pay for the requests */
	enum mr_object_lock object_lock; /* objects are kept for so many days, at least 1 */
	int64_t object_lock_days;
	bool legal_hold;            /* and until somebody takes that off */
	/*
	 * Of each object and part; see checksum.h. AUTO: the SHA-256, which is signed anyway,
	 * and MD5 from the first request on that the server refuses because of that.
	 */
	enum mr_checksum checksum;
	bool if_none_match;         /* refuse to replace an object */
	int64_t part_bytes;         /* default MR_S3_PART_BYTES; also the memory of an upload */
	int64_t max_attempts;       /* of each request; default 8 */
	int64_t backoff_ms;         /* default 200 */
	int64_t backoff_most_ms;    /* default 20000; of what a Retry-After asks for, too */
	int64_t connect_timeout_ms; /* default 10000 */
	int64_t stall_timeout_s;    /* default 30 */
	/* Once non-zero: the request and the waiting end, with MR_EAGAIN. May be NULL. */
	const volatile sig_atomic_t *stop;
	struct mr_creds_chain *creds; /* not owned */
	/*
	 * What a later run needs to know after a crash. `creating`: a multipart
	 * upload is about to be created; until its id is known it has to be looked
	 * for, with mr_s3_abort_key(). `created`: nothing of it was sent yet, and
	 * there is no other under that key. `ended`: it was completed or aborted.
	 * An error of the first two ends the upload. Each may be NULL.
	 */
	enum mr_err (*creating)(void *arg, const char *bucket, const char *key,
	    struct mr_error *err);
	enum mr_err (*created)(void *arg, const char *bucket, const char *key, const char *id,
	    struct mr_error *err);
	void (*ended)(void *arg, const char *bucket, const char *key, const char *id);
	void *arg;
};

struct mr_s3;

enum mr_err mr_s3_new(struct mr_s3 **s3, const struct mr_s3_options *options,
    struct mr_error *err);

/* All uploads must be freed before. NULL is allowed. */
void mr_s3_free(struct mr_s3 *s3);

/* S3's code of the last failure ("AccessDenied"), "" when it had none. */
const char *mr_s3_error_code(const struct mr_s3 *s3);

/* Whether the last request had an answer, whatever it said. */
bool mr_s3_was_answered(const struct mr_s3 *s3);

/* How far the server's clock is ahead of ours, as far as that had to be corrected. */
int64_t mr_s3_clock_skew_s(const struct mr_s3 *s3);

/* Requests that were tried again since the client was made. */
int64_t mr_s3_retries(const struct mr_s3 *s3);

/* PutObject. content_type may be NULL. */
enum mr_err mr_s3_put(struct mr_s3 *s3, const char *bucket, const char *key,
    const char *content_type, struct mr_str body, struct mr_error *err);

/*
 * GetObject, which needs s3:GetObject: hands the object over piece by piece.
 * It is not tried again once a piece was handed over. false from take ends it
 * with MR_EIO.
 */
enum mr_err mr_s3_get(struct mr_s3 *s3, const char *bucket, const char *key,
    bool (*take)(void *arg, const char *p, size_t n), void *arg, struct mr_error *err);

/* HeadBucket, which needs s3:ListBucket. */
enum mr_err mr_s3_head_bucket(struct mr_s3 *s3, const char *bucket, struct mr_error *err);

/*
 * Proves that both permissions are there: puts a small object under the key,
 * begins a multipart upload to it and aborts that.
 */
enum mr_err mr_s3_canary(struct mr_s3 *s3, const char *bucket, const char *key,
    struct mr_error *err);

/* AbortMultipartUpload by id; one that is gone already is fine. */
enum mr_err mr_s3_abort_upload(struct mr_s3 *s3, const char *bucket, const char *key,
    const char *id, struct mr_error *err);

/*
 * Aborts every multipart upload that was begun to this very key but `keep` (NULL:
 * none is kept): also those whose ids nobody was told because the answer that
 * had them was lost. Needs s3:ListBucketMultipartUploads.
 */
enum mr_err mr_s3_abort_key(struct mr_s3 *s3, const char *bucket, const char *key,
    const char *keep, struct mr_error *err);

/* --- an object as a stream ---
 *
 * begin, add as often as needed, then finish or abort; then it may begin anew.
 * One buffer of a part grows to part_bytes and is reused. An object of up to
 * part_bytes is one PutObject; a larger one has parts of exactly part_bytes,
 * and a last one, so that equal bytes make an equal object. Nothing is visible
 * under the key before finish succeeds.
 *
 * When the answer to the beginning of a multipart upload was lost, one may exist
 * that nobody knows the id of. It is looked for and aborted where the
 * permission to list is given; else a lifecycle rule of the bucket has to.
 */
struct mr_s3_upload;

/* NULL: no memory. */
struct mr_s3_upload *mr_s3_upload_new(struct mr_s3 *s3);

/* Aborts nothing by itself. NULL is allowed. */
void mr_s3_upload_free(struct mr_s3_upload *u);

enum mr_err mr_s3_upload_begin(struct mr_s3_upload *u, const char *bucket, const char *key,
    const char *content_type, struct mr_error *err);

/* After an error only abort makes sense. */
enum mr_err mr_s3_upload_add(struct mr_s3_upload *u, const void *data, size_t n,
    struct mr_error *err);
enum mr_err mr_s3_upload_finish(struct mr_s3_upload *u, struct mr_error *err);

/* Gives up what was begun, on the server too. MR_OK when there is nothing to give up. */
enum mr_err mr_s3_upload_abort(struct mr_s3_upload *u, struct mr_error *err);

#endif
