/* Destinations as they are configured: see target.h. */
#include "export/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SCHEME "file://"
#define S3_SCHEME "s3://"

bool
mr_target_is_folder(const struct mr_conf_bucket *bucket)
{
	return strncmp(bucket->bucket, FILE_SCHEME, sizeof FILE_SCHEME - 1) == 0;
}

/* The prefix without slashes at its ends; NULL: it cannot be one. */
static char *
clean_prefix(const char *prefix)
{
	char *copy;
	size_t n;

	prefix += strspn(prefix, "/");
	n = strlen(prefix);
	while (n > 0 && prefix[n - 1] == '/')
		n--;
	copy = n <= MR_TARGET_MAX_PREFIX ? strndup(prefix, n) : NULL;
	if (copy != NULL && (strstr(copy, "//") != NULL || strstr(copy, "..") != NULL)) {
		free(copy);
		return NULL;
	}
	return copy;
}

static char *
make_url(const struct mr_target *t)
{
	const char *scheme = t->folder != NULL ? FILE_SCHEME : S3_SCHEME;
	const char *place = t->folder != NULL ? t->folder : t->bucket;
	size_t n = strlen(scheme) + strlen(place) + strlen(t->prefix) + 2;
	char *url = malloc(n);

	if (url != NULL)
		(void)snprintf(url, n, "%s%s%s%s", scheme, place, t->prefix[0] != '\0' ? "/" : "",
		    t->prefix);
	return url;
}

enum mr_err
mr_target_open(struct mr_target *t, const struct mr_conf_bucket *conf, struct mr_error *err)
{
	const char *bucket = conf->bucket;

	*t = (struct mr_target){ .url = NULL };
	if (mr_target_is_folder(conf))
		t->folder = bucket + sizeof FILE_SCHEME - 1;
	else
		t->bucket = bucket + (strncmp(bucket, S3_SCHEME, sizeof S3_SCHEME - 1) == 0 ?
		    sizeof S3_SCHEME - 1 : 0);
	t->prefix = clean_prefix(conf->prefix);
	if (t->prefix == NULL)
		return mr_fail(err, MR_EINVAL, "the prefix is longer than %d bytes or has '//' or "
		    "'..' in it", MR_TARGET_MAX_PREFIX);
	t->url = make_url(t);
	if (t->url != NULL)
		return MR_OK;
	mr_target_free(t);
	return mr_fail(err, MR_ENOMEM, "no memory");
}

void
mr_target_free(struct mr_target *t)
{
	free(t->url);
	free(t->prefix);
	*t = (struct mr_target){ .url = NULL };
}

struct mr_creds_options
mr_target_creds_options(const struct mr_conf *conf, const struct mr_conf_bucket *c)
{
	return (struct mr_creds_options){
		.access_key = c->access_key,
		.secret_key = c->secret_key,
		.key_file = conf->key_file,
		.profile = c->profile,
		.role_arn = c->role_arn,
		.external_id = c->external_id,
		.region = c->region,
		.sts_endpoint = c->sts_endpoint,
		.ca_file = c->ca_file,
		.insecure = c->insecure,
	};
}

struct mr_s3_options
mr_target_s3_options(const struct mr_conf_bucket *c)
{
	static const enum mr_s3_style styles[] = { [MR_PATH_STYLE_AUTO] = MR_S3_AUTO,
		[MR_PATH_STYLE_ON] = MR_S3_PATH, [MR_PATH_STYLE_OFF] = MR_S3_VIRTUAL };

	return (struct mr_s3_options){
		.endpoint = c->endpoint,
		.region = c->region,
		.style = styles[c->path_style],
		.ca_file = c->ca_file,
		.insecure = c->insecure,
		.sse = c->sse,
		.kms_key_id = c->kms_key_id,
		.storage_class = c->storage_class,
		.tags = c->tags,
		.acl = c->acl,
		.requester_pays = c->requester_pays,
		.object_lock = (enum mr_object_lock)c->object_lock,
		.object_lock_days = c->object_lock_days,
		.legal_hold = c->legal_hold,
		.checksum = (enum mr_checksum)c->checksum,
		.if_none_match = c->if_none_match,
		.part_bytes = c->part_bytes,
	};
}
