/* s3/s3.h, as far as no server is needed; the rest is in the integration tests. */
#include "s3/s3.h"

#include "../tap.h"
#include "s3/s3call.h"

static struct mr_error err;

static void
check_options(void)
{
	static const struct {
		int line;
		struct mr_s3_options options;
		const char *reason; /* NULL: good */
	} rows[] = {
		{ __LINE__, { .endpoint = NULL }, NULL },
		{ __LINE__, { .endpoint = "" }, NULL },
		{ __LINE__, { .endpoint = "https://s3.example.com" }, NULL },
		{ __LINE__, { .endpoint = "https://s3.example.com:9000/" }, NULL },
		{ __LINE__, { .endpoint = "https://[::1]:9000" }, NULL },
		{ __LINE__, { .endpoint = "http://s3.example.com", .insecure = true }, NULL },
		{ __LINE__, { .endpoint = "http://s3.example.com" }, "insecure" },
		{ __LINE__, { .endpoint = "s3.example.com" }, "https://host" },
		{ __LINE__, { .endpoint = "https://" }, "https://host" },
		{ __LINE__, { .endpoint = "https:///" }, "https://host" },
		{ __LINE__, { .endpoint = "https://a.example/path" }, "https://host" },
		{ __LINE__, { .endpoint = "https://a.example?x" }, "https://host" },
		{ __LINE__, { .endpoint = "https://user@a.example" }, "https://host" },
		{ __LINE__, { .sse = "AES256" }, NULL },
		{ __LINE__, { .sse = "aws:kms", .kms_key_id = "k" }, NULL },
		{ __LINE__, { .sse = "aws:kms:dsse", .kms_key_id = "k" }, NULL },
		{ __LINE__, { .sse = "aes" }, "AES256" },
		{ __LINE__, { .acl = "bucket-owner-full-control" }, NULL },
		{ __LINE__, { .acl = "mine" }, "acl: 'mine'" },
		{ __LINE__, { .tags = "team=data, kind = raw events," }, NULL },
		{ __LINE__, { .tags = " , " }, NULL },
		{ __LINE__, { .tags = "team=data, kind" }, "tags: 'kind'" },
		{ __LINE__, { .tags = "=data" }, "tags: '=data'" },
		{ __LINE__, { .object_lock = MR_LOCK_COMPLIANCE, .object_lock_days = 1 }, NULL },
		{ __LINE__, { .object_lock = MR_LOCK_GOVERNANCE }, "object_lock_days" },
		{ __LINE__, { .object_lock_days = 1 }, "object_lock" },
		{ __LINE__, { .legal_hold = true, .checksum = MR_CHECKSUM_NONE }, "checksum" },
		{ __LINE__, { .sse = "AES256", .kms_key_id = "k" }, "aws:kms" },
		{ __LINE__, { .kms_key_id = "k" }, "aws:kms" },
		{ __LINE__, { .part_bytes = MR_S3_MIN_PART_BYTES }, NULL },
		{ __LINE__, { .part_bytes = MR_S3_MIN_PART_BYTES - 1 }, "part" },
		{ __LINE__, { .part_bytes = MR_S3_MAX_PART_BYTES + 1 }, "part" },
	};
	struct mr_s3 *s3;
	enum mr_err e;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		e = mr_s3_new(&s3, &rows[i].options, &err);
		is_int(e, rows[i].reason == NULL ? MR_OK : MR_EINVAL, "a client or none");
		if (e != MR_OK)
			is_part(err.text, rows[i].reason != NULL ? rows[i].reason : "", "the reason");
		mr_s3_free(s3);
	}
	row(0);
	mr_s3_free(NULL);
}

static void
check_verdicts(void)
{
	static const struct {
		int line;
		int status;
		const char *code;
		enum mr_s3_verdict verdict;
	} rows[] = {
		{ __LINE__, 503, "SlowDown", MR_S3_RETRY },
		{ __LINE__, 400, "RequestTimeout", MR_S3_RETRY },
		{ __LINE__, 500, "InternalError", MR_S3_RETRY },
		{ __LINE__, 500, "", MR_S3_RETRY },
		{ __LINE__, 502, "", MR_S3_RETRY },
		{ __LINE__, 503, "Whatever", MR_S3_RETRY },
		{ __LINE__, 429, "", MR_S3_RETRY },
		{ __LINE__, 408, "", MR_S3_RETRY },
		{ __LINE__, 400, "BadDigest", MR_S3_RETRY },
		{ __LINE__, 409, "OperationAborted", MR_S3_RETRY },
		{ __LINE__, 501, "", MR_S3_FINAL },
		{ __LINE__, 501, "NotImplemented", MR_S3_FINAL },
		{ __LINE__, 400, "", MR_S3_FINAL },
		{ __LINE__, 403, "", MR_S3_FINAL },
		{ __LINE__, 403, "AccessDenied", MR_S3_FINAL },
		{ __LINE__, 403, "SignatureDoesNotMatch", MR_S3_FINAL },
		{ __LINE__, 404, "NoSuchBucket", MR_S3_FINAL },
		{ __LINE__, 412, "PreconditionFailed", MR_S3_FINAL },
		{ __LINE__, 301, "PermanentRedirect", MR_S3_FINAL },
		{ __LINE__, 307, "", MR_S3_FINAL },
		{ __LINE__, 403, "RequestTimeTooSkewed", MR_S3_SKEWED },
		{ __LINE__, 400, "ExpiredToken", MR_S3_EXPIRED },
		{ __LINE__, 400, "InvalidToken", MR_S3_EXPIRED },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(mr_s3_judge(rows[i].status, rows[i].code), rows[i].verdict, rows[i].code);
	}
	row(0);
}

/* Names that nothing is sent for; the chain would find credentials. */
static void
check_names(void)
{
	static const struct mr_creds_options creds = { .access_key = NULL };
	static char key[MR_S3_MAX_KEY + 2];
	static const struct {
		int line;
		const char *bucket, *key, *reason;
	} rows[] = {
		{ __LINE__, "", "k", "bucket" },
		{ __LINE__, "ab", "k", "bucket" },
		{ __LINE__, "a/b", "k", "bucket" },
		{ __LINE__, "a b c", "k", "bucket" },
		{ __LINE__, "b.example/@", "k", "bucket" },
		{ __LINE__, "bucket", "", "key" },
		{ __LINE__, "bucket", key, "key of 1025 bytes" },
	};
	struct mr_s3_options options = { .endpoint = "https://127.0.0.1:1", .max_attempts = 1 };
	struct mr_s3 *s3;

	memset(key, 'k', MR_S3_MAX_KEY + 1);
	setenv("AWS_ACCESS_KEY_ID", "A", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	if (mr_creds_new(&options.creds, &creds, &err) != MR_OK ||
	    mr_s3_new(&s3, &options, &err) != MR_OK)
		bail("no client: %s", err.text);
	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(mr_s3_put(s3, rows[i].bucket, rows[i].key, NULL, MR_STR_LIT("x"), &err),
		    MR_EINVAL, "refused");
		is_part(err.text, rows[i].reason, "the reason");
	}
	row(0);
	key[MR_S3_MAX_KEY] = '\0';
	is_int(mr_s3_put(s3, "bucket", key, NULL, MR_STR_LIT("x"), &err), MR_EAGAIN,
	    "the longest key is sent, and nobody listens");
	is_part(err.text, "127.0.0.1:1", "the reason names the host");
	mr_s3_free(s3);
	mr_creds_free(options.creds);
}

static void
check_misuse(void)
{
	const struct mr_s3_options options = { .endpoint = NULL };
	struct mr_s3_upload *u;
	struct mr_s3 *s3;

	if (mr_s3_new(&s3, &options, &err) != MR_OK)
		bail("no client: %s", err.text);
	u = mr_s3_upload_new(s3);
	is_int(mr_s3_upload_add(u, "x", 1, &err), MR_EINVAL, "add before begin");
	is_int(mr_s3_upload_finish(u, &err), MR_EINVAL, "finish before begin");
	is_int(mr_s3_upload_abort(u, &err), MR_OK, "abort before begin");
	is_int(mr_s3_upload_begin(u, "bucket", "key", NULL, &err), MR_OK, "begin");
	is_int(mr_s3_upload_begin(u, "bucket", "key", NULL, &err), MR_EINVAL, "begin again");
	is_int(mr_s3_upload_add(u, "x", 1, &err), MR_OK, "add sends nothing yet");
	is_int(mr_s3_upload_abort(u, &err), MR_OK, "abort sends nothing either");
	is_int(mr_s3_upload_begin(u, "bucket", "key", NULL, &err), MR_OK, "then it may begin anew");
	mr_s3_upload_free(u);
	mr_s3_upload_free(NULL);
	mr_s3_free(s3);
}

int
main(void)
{
	check_options();
	check_verdicts();
	check_names();
	check_misuse();
	return done();
}
