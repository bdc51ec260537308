/* The chain of credentials: see creds.h. */
#include "s3/creds.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "s3/credsrc.h"
#include "secret/copies.h"
#include "secret/secret.h"

#define REFRESH_AHEAD_US (300 * MR_US_PER_S)
#define RETRY_PAUSE_US (60 * MR_US_PER_S) /* between refreshes that fail */

static enum mr_err (*const sources[])(const struct mr_creds_options *, struct mr_creds *,
    struct mr_error *) = {
	mr_credsrc_options,
	mr_credsrc_environment,
	mr_credsrc_file,
	mr_credsrc_web_identity,
	mr_credsrc_container,
	mr_credsrc_ec2,
};

struct mr_creds_chain {
	struct mr_creds_options options; /* the strings are ours */
	struct mr_creds *now;            /* guarded; access_key is empty before the first get */
	struct mr_creds *next;           /* guarded; what a refresh fills */
	int64_t retry_us;                /* no refresh before, while `now` is good */
	bool expired;                    /* whatever expires_us says */
};

static const size_t strings[] = {
	offsetof(struct mr_creds_options, access_key),
	offsetof(struct mr_creds_options, secret_key),
	offsetof(struct mr_creds_options, key_file),
	offsetof(struct mr_creds_options, profile),
	offsetof(struct mr_creds_options, role_arn),
	offsetof(struct mr_creds_options, external_id),
	offsetof(struct mr_creds_options, role_session_name),
	offsetof(struct mr_creds_options, region),
	offsetof(struct mr_creds_options, sts_endpoint),
	offsetof(struct mr_creds_options, ca_file),
};
#define N_STRINGS (sizeof strings / sizeof strings[0])

enum mr_err
mr_creds_new(struct mr_creds_chain **out, const struct mr_creds_options *options,
    struct mr_error *err)
{
	struct mr_creds_chain *c = calloc(1, sizeof *c);

	*out = NULL;
	if (c != NULL)
		c->options = *options;
	if (c == NULL || !mr_copies_make(&c->options, strings, N_STRINGS) ||
	    (c->now = mr_secret_alloc(sizeof *c->now)) == NULL ||
	    (c->next = mr_secret_alloc(sizeof *c->next)) == NULL) {
		mr_creds_free(c);
		return mr_fail(err, MR_ENOMEM, "no memory for credentials");
	}
	*out = c;
	return MR_OK;
}

void
mr_creds_free(struct mr_creds_chain *c)
{
	if (c == NULL)
		return;
	mr_copies_free(&c->options, strings, N_STRINGS);
	mr_secret_free(c->now);
	mr_secret_free(c->next);
	free(c);
}

static enum mr_err
fetch(struct mr_creds_chain *c, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		mr_secret_wipe(c->next, sizeof *c->next);
		if ((e = sources[i](&c->options, c->next, err)) != MR_OK ||
		    c->next->access_key[0] != '\0')
			break;
	}
	if (e != MR_OK)
		return e;
	if (c->next->access_key[0] == '\0')
		return mr_fail(err, MR_EINVAL, "no credentials: neither access_key and secret_key, "
		    "nor the environment (AWS_ACCESS_KEY_ID, CLIENT_S3_ACCESS_KEY), nor a shared "
		    "credentials file, nor a web identity, a container's or an EC2 role");
	if (c->options.role_arn != NULL)
		return mr_credsrc_assume_role(&c->options, c->next, err);
	return MR_OK;
}

static bool
is_fresh(const struct mr_creds_chain *c, int64_t now_us)
{
	if (c->now->access_key[0] == '\0' || c->expired)
		return false;
	return c->now->expires_us == 0 || now_us < c->now->expires_us - REFRESH_AHEAD_US;
}

static bool
still_good(const struct mr_creds_chain *c, int64_t now_us)
{
	return c->now->access_key[0] != '\0' && !c->expired && now_us < c->now->expires_us;
}

enum mr_err
mr_creds_get(struct mr_creds_chain *c, const struct mr_creds **creds, struct mr_error *err)
{
	int64_t now_us = mr_clock_now_us();
	struct mr_creds *fetched;
	enum mr_err e;

	*creds = c->now;
	if (is_fresh(c, now_us) || (still_good(c, now_us) && now_us < c->retry_us))
		return MR_OK;
	e = fetch(c, err);
	if (e != MR_OK) {
		mr_secret_wipe(c->next, sizeof *c->next);
		c->retry_us = now_us + RETRY_PAUSE_US;
		return still_good(c, now_us) ? MR_OK : e;
	}
	fetched = c->next;
	c->next = c->now;
	c->now = fetched;
	c->expired = false;
	mr_secret_wipe(c->next, sizeof *c->next);
	*creds = c->now;
	return MR_OK;
}

bool
mr_creds_expire(struct mr_creds_chain *c)
{
	if (c->now->expires_us == 0)
		return false;
	c->expired = true;
	return true;
}
