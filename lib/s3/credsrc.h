/*
 * The sources that creds.h lists, one function each; creds.c alone calls them.
 *
 * Each fills *creds and sets creds->source, or leaves access_key empty and
 * returns MR_OK when nothing of it is configured. What is configured and
 * fails is an error.
 */
#ifndef MR_S3_CREDSRC_H
#define MR_S3_CREDSRC_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "s3/creds.h"

/* The environment's variable; NULL when it is missing or empty. */
const char *mr_credsrc_env(const char *name);

enum mr_err mr_credsrc_options(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err);
enum mr_err mr_credsrc_environment(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err);
enum mr_err mr_credsrc_file(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err);
enum mr_err mr_credsrc_web_identity(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err);
enum mr_err mr_credsrc_container(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err);
enum mr_err mr_credsrc_ec2(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err);

/* Replaces *creds by those of o->role_arn. */
enum mr_err mr_credsrc_assume_role(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err);

/* --- parts, for each other and for the tests --- */

/*
 * Finds the profile in the text of a shared credentials file. A profile that
 * is missing leaves access_key empty; MR_EINVAL: it has a line that is none,
 * half a pair of keys, or none of them. path: for the messages.
 */
enum mr_err mr_credsrc_parse_file(struct mr_str text, const char *profile, const char *path,
    struct mr_creds *creds, struct mr_error *err);

/*
 * Reads {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}, which EC2
 * and containers answer with. The text is edited in place.
 */
enum mr_err mr_credsrc_parse_json(struct mr_buf *text, const char *who, struct mr_creds *creds,
    struct mr_error *err);

/*
 * The URL of a container's credentials. Over http:// only the machine itself
 * and the two addresses that ECS and EKS use are allowed.
 */
enum mr_err mr_credsrc_container_url(const char *relative, const char *full,
    struct mr_buf *url, struct mr_error *err);

#endif
