/*
 * Credentials for AWS and S3-compatible services: where they come from, and
 * keeping them fresh.
 *
 * The first source that is configured counts; one that is configured and fails
 * is an error and not a reason to try the next:
 *   1. access_key and secret_key of the options, the secret sealed (keyring.h)
 *   2. the environment: CLIENT_S3_ACCESS_KEY and CLIENT_S3_SECRET_KEY; then
 *      AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   3. the shared credentials file, AWS_SHARED_CREDENTIALS_FILE or
 *      ~/.aws/credentials, profile AWS_PROFILE or "default"
 *   4. web identity: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN,
 *      AWS_ROLE_SESSION_NAME
 *   5. the container's: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI,
 *      AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE
 *   6. EC2's metadata service, version 2, unless AWS_EC2_METADATA_DISABLED is
 *      true; AWS_EC2_METADATA_SERVICE_ENDPOINT is understood
 * With role_arn, what was found is used to assume that role. STS is asked at
 * sts_endpoint, else AWS_ENDPOINT_URL_STS, else the region's own.
 *
 * Temporary credentials are replaced five minutes before they expire. All lie
 * in guarded memory; no message has any part of a secret in it. A chain
 * belongs to one thread.
 */
#ifndef MR_S3_CREDS_H
#define MR_S3_CREDS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define MR_CREDS_KEY_MAX 256    /* with the closing NUL */
#define MR_CREDS_TOKEN_MAX 8192

struct mr_creds {
	char access_key[MR_CREDS_KEY_MAX];
	char secret_key[MR_CREDS_KEY_MAX];
	char session_token[MR_CREDS_TOKEN_MAX]; /* "": none */
	int64_t expires_us;                     /* 0: never */
	const char *source;                     /* static text: "environment" */
};

/* NULL and "" mean "not given". All are copied. */
struct mr_creds_options {
	const char *access_key;        /* in the clear or sealed */
	const char *secret_key;        /* sealed; in the clear it is refused */
	const char *key_file;          /* opens what is sealed */
	const char *profile;           /* else AWS_PROFILE */
	const char *role_arn;
	const char *external_id;
	const char *role_session_name; /* else "millrace" */
	int64_t role_duration_s;       /* 0: 3600 */
	const char *region;            /* of STS; else AWS_REGION, else us-east-1 */
	const char *sts_endpoint;
	const char *ca_file;           /* for STS */
	bool insecure;                 /* for STS */
	int64_t connect_timeout_ms;    /* 0: 10 s */
	const volatile sig_atomic_t *stop;
};

struct mr_creds_chain;

/* Looks nothing up yet. */
enum mr_err mr_creds_new(struct mr_creds_chain **chain, const struct mr_creds_options *options,
    struct mr_error *err);

/* Wipes and releases; NULL is allowed. */
void mr_creds_free(struct mr_creds_chain *chain);

/*
 * *creds stays valid until the next call. When a refresh fails, those that have
 * not expired yet serve on. Errors: MR_EAGAIN when a service could not be
 * reached or had a failure of its own; else MR_EINVAL, which also says what
 * was looked for when nothing is configured; MR_EIO for files.
 */
enum mr_err mr_creds_get(struct mr_creds_chain *chain, const struct mr_creds **creds,
    struct mr_error *err);

/*
 * After a service refused them as expired: the next get fetches new ones.
 * False when they are static, so that there is nothing to fetch.
 */
bool mr_creds_expire(struct mr_creds_chain *chain);

#endif
