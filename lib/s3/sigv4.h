/*
 * AWS Signature Version 4 as S3 wants it (Amazon S3 API Reference,
 * "Authenticating Requests: Using the Authorization Header"): the path is
 * encoded once and not normalised, the query is sorted, the body's SHA-256 is
 * signed. Other services' requests with the path "/", such as those of STS,
 * come out the same. Pure: sends nothing, reads no clock.
 */
#ifndef MR_S3_SIGV4_H
#define MR_S3_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "s3/creds.h"
#include "s3/http.h"
#include "secret/secret.h"

#define MR_SIGV4_MAX_PAIRS 24 /* of the query; headers, those that are added included */

struct mr_sigv4_request {
	const char *method;
	struct mr_str host;            /* as the header Host has it */
	struct mr_str path;            /* not encoded; begins with '/' */
	const struct mr_pair *query;   /* not encoded, in any order */
	size_t n_query;
	const struct mr_pair *headers; /* all are signed; without those of the answer */
	size_t n_headers;
	const char *body_sha256;       /* hex, of the whole body, an empty one too */
	const char *region;
	const char *service;           /* "s3", "sts" */
	int64_t now_us;
};

/* What the request has to be sent with. */
struct mr_sigv4_signed {
	struct mr_buf target;        /* "/path?query", encoded; goes behind the host */
	struct mr_buf authorization; /* the value of the header Authorization */
	/*
	 * All headers to send: Host, x-amz-date, x-amz-content-sha256,
	 * x-amz-security-token where the credentials have one, Authorization,
	 * and the request's own. The values point into the request, the
	 * credentials, and this struct.
	 */
	struct mr_pair headers[MR_SIGV4_MAX_PAIRS];
	size_t n_headers;
	char date[17];               /* "20130524T000000Z" */
};

void mr_sigv4_init(struct mr_sigv4_signed *s);
void mr_sigv4_free(struct mr_sigv4_signed *s);

/*
 * Signs. *signed_as was initialised and may have been used before. Errors:
 * MR_ELIMIT (too many pairs, too long), MR_ENOMEM.
 */
enum mr_err mr_sigv4_sign(const struct mr_sigv4_request *request, const struct mr_creds *creds,
    struct mr_sigv4_signed *signed_as, struct mr_error *err);

/*
 * Appends s with every byte but A-Z a-z 0-9 - . _ ~ as %XX in upper case;
 * slashes stay as they are when keep_slashes.
 */
void mr_sigv4_encode(struct mr_buf *to, struct mr_str s, bool keep_slashes);

#endif
