/*
 * What S3's answers mean, and what to do about them (Amazon S3 API Reference,
 * "Error responses"; RADOS Gateway's own codes too). See s3call.h.
 */
#include "s3/s3call.h"

#include <stdio.h>

#include "s3/xml.h"

static const struct {
	const char *name, *method, *permission;
} ops[] = {
	[MR_S3_PUT_OBJECT] = { "PutObject", "PUT", "s3:PutObject" },
	[MR_S3_CREATE_UPLOAD] = { "CreateMultipartUpload", "POST", "s3:PutObject" },
	[MR_S3_UPLOAD_PART] = { "UploadPart", "PUT", "s3:PutObject" },
	[MR_S3_COMPLETE_UPLOAD] = { "CompleteMultipartUpload", "POST", "s3:PutObject" },
	[MR_S3_ABORT_UPLOAD] = { "AbortMultipartUpload", "DELETE", "s3:AbortMultipartUpload" },
	[MR_S3_GET_OBJECT] = { "GetObject", "GET", "s3:GetObject" },
	[MR_S3_HEAD_OBJECT] = { "HeadObject", "HEAD", "s3:GetObject" },
	[MR_S3_HEAD_BUCKET] = { "HeadBucket", "HEAD", "s3:ListBucket" },
	[MR_S3_LIST_UPLOADS] = { "ListMultipartUploads", "GET", "s3:ListBucketMultipartUploads" },
};

const char *
mr_s3_op_name(enum mr_s3_op op)
{
	return ops[op].name;
}

const char *
mr_s3_op_method(enum mr_s3_op op)
{
	return ops[op].method;
}

static const struct {
	const char *code;
	enum mr_s3_verdict verdict;
	const char *advice; /* NULL: by the code, see mr_s3_advise() */
} codes[] = {
	{ "AccessDenied", MR_S3_FINAL, NULL },
	{ "AccountProblem", MR_S3_FINAL, "the account needs its owner's attention" },
	{ "AllAccessDisabled", MR_S3_FINAL, "the bucket was disabled; ask its owner" },
	{ "AuthorizationHeaderMalformed", MR_S3_FINAL, NULL },
	{ "BadDigest", MR_S3_RETRY, "the data were damaged on the way" },
	{ "ConditionalRequestConflict", MR_S3_RETRY, "something else writes the same key" },
	{ "EntityTooLarge", MR_S3_FINAL, "the server takes no object of that size" },
	{ "EntityTooSmall", MR_S3_FINAL, "the server wants larger parts; raise the part size" },
	{ "ExpiredToken", MR_S3_EXPIRED, "the session token has expired; renew it" },
	{ "ExpiredTokenException", MR_S3_EXPIRED, "the session token has expired; renew it" },
	{ "IllegalLocationConstraintException", MR_S3_FINAL, NULL },
	{ "IncompleteBody", MR_S3_RETRY, "the connection loses data" },
	{ "InternalError", MR_S3_RETRY, "the server has a fault; try again later" },
	{ "InvalidAccessKeyId", MR_S3_FINAL, "this access key does not exist there; check it and "
	    "the endpoint" },
	{ "InvalidBucketName", MR_S3_FINAL, "check the bucket's name" },
	{ "InvalidPart", MR_S3_FINAL, "the server lost a part; upload again" },
	{ "InvalidStorageClass", MR_S3_FINAL, "check storage_class" },
	{ "InvalidToken", MR_S3_EXPIRED, "the session token is not valid; renew it" },
	{ "KMS.DisabledException", MR_S3_FINAL, "the KMS key is disabled" },
	{ "KMS.NotFoundException", MR_S3_FINAL, "check kms_key_id" },
	{ "NoSuchBucket", MR_S3_FINAL, "the bucket does not exist there; check its name, the region "
	    "and the endpoint, or make it" },
	{ "NoSuchKey", MR_S3_FINAL, "there is no such object" },
	{ "NoSuchUpload", MR_S3_FINAL, "the upload was aborted or completed meanwhile; does a "
	    "lifecycle rule or another run abort it? Upload again" },
	{ "NotImplemented", MR_S3_FINAL, "the server does not know a header or an operation; check "
	    "sse, storage_class, checksum and if_none_match" },
	{ "OperationAborted", MR_S3_RETRY, "something else changes the bucket; try again later" },
	{ "PermanentRedirect", MR_S3_FINAL, NULL },
	{ "PreconditionFailed", MR_S3_FINAL, "the object exists already and if_none_match is set" },
	{ "QuotaExceeded", MR_S3_FINAL, "the bucket or its owner has used up the quota" },
	{ "Redirect", MR_S3_FINAL, NULL },
	{ "RequestExpired", MR_S3_SKEWED, "this machine's clock is off; set it" },
	{ "RequestThrottled", MR_S3_RETRY, "the server is busy; try again later" },
	{ "RequestTimeTooSkewed", MR_S3_SKEWED, "this machine's clock is off; set it" },
	{ "RequestTimeout", MR_S3_RETRY, "the connection is too slow" },
	{ "ServiceUnavailable", MR_S3_RETRY, "the server is down or busy; try again later" },
	{ "SignatureDoesNotMatch", MR_S3_FINAL, "the secret key is not that of the access key; seal "
	    "the right one" },
	{ "SlowDown", MR_S3_RETRY, "the server is busy; try again later" },
	{ "TemporaryRedirect", MR_S3_FINAL, NULL },
	{ "Throttling", MR_S3_RETRY, "the server is busy; try again later" },
	{ "ThrottlingException", MR_S3_RETRY, "the server is busy; try again later" },
	{ "TokenRefreshRequired", MR_S3_EXPIRED, "the session token has expired; renew it" },
	{ "XAmzContentSHA256Mismatch", MR_S3_RETRY, "the data were damaged on the way" },
};
#define N_CODES (sizeof codes / sizeof codes[0])

static size_t
find_code(const char *code)
{
	size_t i = 0;

	while (i < N_CODES && strcmp(codes[i].code, code) != 0)
		i++;
	return i;
}

enum mr_s3_verdict
mr_s3_judge(int status, const char *code)
{
	size_t i = find_code(code);

	if (i < N_CODES)
		return codes[i].verdict;
	if ((status >= 500 && status != 501) || status == 429 || status == 408)
		return MR_S3_RETRY;
	return MR_S3_FINAL;
}

/* Where the bucket is, when the answer tells. */
static void
advise_region(const struct mr_s3 *s3, char *to, size_t size)
{
	struct mr_str header = mr_http_header(&s3->response, "x-amz-bucket-region");
	struct mr_str body = mr_buf_str(&s3->response.body);
	char text[128];

	if (header.n > 0 && header.n < 64)
		snprintf(to, size, "; set region = %.*s", (int)header.n, header.p);
	else if (mr_xml_text(body, "Region", text, sizeof text) && text[0] != '\0')
		snprintf(to, size, "; set region = %s", text);
	else if (mr_xml_text(body, "Endpoint", text, sizeof text) && text[0] != '\0')
		snprintf(to, size, "; set endpoint to https://%s and the region that goes with it",
		    text);
	else
		snprintf(to, size, "; check region and endpoint");
}

static void
advise_access(const struct mr_s3 *s3, const struct mr_s3_call *call, char *to, size_t size)
{
	const char *sse = s3->options.sse != NULL ? s3->options.sse : "";

	/* RADOS Gateway with STS says AccessDenied of wrong keys, too. */
	snprintf(to, size, "; the credentials lack %s on %s%.64s%s%s%s", ops[call->op].permission,
	    s3->aws ? "arn:aws:s3:::" : "bucket ", call->bucket,
	    s3->aws && call->key != NULL ? "/*" : "",
	    s3->aws ? "" : ", or the keys are wrong",
	    sse[0] == 'a' ? ", or may not use the KMS key" : "");
}

void
mr_s3_advise(const struct mr_s3 *s3, const struct mr_s3_call *call, char *to, size_t size)
{
	int status = s3->response.status;
	size_t i = find_code(s3->code);

	to[0] = '\0';
	if (i < N_CODES && codes[i].advice != NULL)
		snprintf(to, size, "; %s", codes[i].advice);
	else if (status == 403)
		advise_access(s3, call, to, size);
	else if (i < N_CODES || (status >= 300 && status < 400))
		advise_region(s3, to, size);
	else if (status == 404)
		snprintf(to, size, "; check the bucket's name and the endpoint");
	else if (status == 0 || status >= 500 || status == 429)
		snprintf(to, size, "; try again later");
	else
		snprintf(to, size, "; is the endpoint that of an S3 service?");
}
