/*
 * One S3 request with its retries: what s3.c and s3upload.c are made of.
 */
#ifndef MR_S3_S3CALL_H
#define MR_S3_S3CALL_H

#include "s3/checksum.h"
#include "s3/http.h"
#include "s3/s3.h"

#define MR_S3_MAX_ANSWER 65536

enum mr_s3_op {
	MR_S3_PUT_OBJECT,
	MR_S3_CREATE_UPLOAD,
	MR_S3_UPLOAD_PART,
	MR_S3_COMPLETE_UPLOAD,
	MR_S3_ABORT_UPLOAD,
	MR_S3_GET_OBJECT,
	MR_S3_HEAD_OBJECT,
	MR_S3_HEAD_BUCKET,
	MR_S3_LIST_UPLOADS
};

struct mr_s3_call {
	enum mr_s3_op op;
	const char *bucket;
	const char *key;          /* NULL: the bucket itself; of a list: the prefix */
	const char *content_type; /* may be NULL */
	int part;                 /* MR_S3_UPLOAD_PART: from 1 */
	const char *upload_id;
	struct mr_str body;       /* p == NULL: none */
	bool (*take)(void *arg, const char *p, size_t n);
	void *take_arg;
};

/* What became of a call, apart from its error. */
struct mr_s3_outcome {
	int status;     /* of the last answer; 0: none */
	bool uncertain; /* an attempt before the last may have been carried out */
	char checksum[MR_S3_CHECKSUM_TEXT]; /* that it was sent with; "": none */
};

struct mr_s3 {
	struct mr_s3_options options; /* the strings are ours */
	const char *scheme;           /* "https://" */
	char *authority;              /* of the endpoint: "host:port" */
	bool aws;
	struct mr_buf tagging;        /* the tags as a header has them; empty: none */
	struct mr_http *http;
	struct mr_http_response response; /* the last answer */
	int64_t skew_us;                  /* the server's clock minus ours */
	int64_t retries;
	char code[64];
};

/*
 * Sends it until it succeeds, fails for good or attempts run out. The answer
 * is in s3->response. outcome may be NULL.
 */
enum mr_err mr_s3_do(struct mr_s3 *s3, const struct mr_s3_call *call,
    struct mr_s3_outcome *outcome, struct mr_error *err);

/* --- what answers mean (s3error.c) --- */

enum mr_s3_verdict {
	MR_S3_FINAL,  /* the same request would fail again */
	MR_S3_RETRY,  /* it may pass */
	MR_S3_SKEWED, /* our clock is off */
	MR_S3_EXPIRED, /* the credentials are */
	MR_S3_CHECKSUM /* the server does not know the kind of checksum */
};

/* The operation's name in S3's API, and its HTTP method. */
const char *mr_s3_op_name(enum mr_s3_op op);
const char *mr_s3_op_method(enum mr_s3_op op);

enum mr_s3_verdict mr_s3_judge(int status, const char *code);

/* Appends what to do about it: "; …", or nothing. */
void mr_s3_advise(const struct mr_s3 *s3, const struct mr_s3_call *call, char *to, size_t size);

#endif
