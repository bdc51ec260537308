/* Limits: see limits.h. The table is the only state, and has its own lock. */
#include "limits.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/rates.h"
#include "base/seldom.h"
#include "secret/secret.h"

/* Addresses and sites that are counted at a time, each in up to two ways: 1 MiB. */
#define KEYS 65536

enum kind { ADDRESS_REQUESTS, ADDRESS_BYTES, SITE_REQUESTS, SITE_BYTES, N_KINDS };

static const char *const names[N_KINDS] = {
	[ADDRESS_REQUESTS] = "requests_per_address",
	[ADDRESS_BYTES] = "bytes_per_address",
	[SITE_REQUESTS] = "requests_per_site",
	[SITE_BYTES] = "bytes_per_site",
};

struct mr_limits {
	unsigned char key[MR_SHORT_HASH_KEY_BYTES];
	struct mr_rates *rates;
	int64_t per_s[N_KINDS]; /* 0: no limit */
	int64_t burst_us;
};

static bool
any(const int64_t per_s[N_KINDS])
{
	for (int i = 0; i < N_KINDS; i++)
		if (per_s[i] > 0)
			return true;
	return false;
}

enum mr_err
mr_limits_new(struct mr_limits **limits, const struct mr_conf *conf, struct mr_error *err)
{
	const struct mr_limits wanted = { .burst_us = conf->limit_burst_s * MR_US_PER_S,
		.per_s = { [ADDRESS_REQUESTS] = conf->address_requests,
		    [ADDRESS_BYTES] = conf->address_bytes, [SITE_REQUESTS] = conf->site_requests,
		    [SITE_BYTES] = conf->site_bytes } };
	struct mr_limits *l;

	*limits = NULL;
	if (!any(wanted.per_s))
		return MR_OK;
	if ((l = malloc(sizeof *l)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for [limits]");
	*l = wanted;
	if ((l->rates = mr_rates_new(KEYS)) == NULL) {
		free(l);
		return mr_fail(err, MR_ENOMEM, "no memory for [limits]");
	}
	mr_secret_random(l->key, sizeof l->key);
	*limits = l;
	return MR_OK;
}

void
mr_limits_free(struct mr_limits *limits)
{
	if (limits != NULL)
		mr_rates_free(limits->rates);
	free(limits);
}

/* 0, or the microseconds until so much more may come. */
static int64_t
take(struct mr_limits *l, enum kind kind, uint64_t who, size_t amount)
{
	static struct mr_seldom beyond[N_KINDS] = { MR_SELDOM("requests beyond the limit", 60),
		MR_SELDOM("requests beyond the limit", 60), MR_SELDOM("requests beyond the limit", 60),
		MR_SELDOM("requests beyond the limit", 60) };
	int64_t cost, wait;

	if (l->per_s[kind] == 0 || amount == 0)
		return 0;
	cost = (int64_t)amount * MR_US_PER_S / l->per_s[kind];
	wait = mr_rates_take(l->rates, who + (uint64_t)kind, cost > 0 ? cost : 1, l->burst_us,
	    mr_clock_mono_us());
	if (wait > 0)
		mr_seldom_log(&beyond[kind], MR_LOG_WARNING, "a request was refused: it is beyond %s "
		    "under [limits]", names[kind]);
	return wait;
}

int64_t
mr_limits_address(struct mr_limits *l, const struct mr_ip *client, size_t bytes)
{
	uint64_t who;
	int64_t wait;

	if (l == NULL)
		return 0;
	who = mr_secret_short_hash(l->key, mr_ip_owner(client));
	wait = take(l, ADDRESS_REQUESTS, who, 1);
	if (wait == 0)
		wait = take(l, ADDRESS_BYTES, who, bytes);
	return mr_rates_seconds(wait);
}

static int64_t
take_site(struct mr_limits *l, struct mr_str site, size_t bytes)
{
	uint64_t who = mr_secret_short_hash(l->key, site);
	int64_t wait = take(l, SITE_REQUESTS, who, 1);

	return wait > 0 ? wait : take(l, SITE_BYTES, who, bytes);
}

int64_t
mr_limits_sites(struct mr_limits *l, const struct mr_batch *batch)
{
	int64_t wait = 0;
	size_t bytes;

	if (l == NULL || (l->per_s[SITE_REQUESTS] == 0 && l->per_s[SITE_BYTES] == 0))
		return 0;
	for (size_t i = 0, end; i < batch->n_rows && wait == 0; i = end) {
		bytes = 0;
		for (end = i; end < batch->n_rows &&
		    mr_str_eq(batch->rows[end].site_id, batch->rows[i].site_id); end++)
			bytes += batch->rows[end].payload.n;
		wait = take_site(l, batch->rows[i].site_id, bytes);
	}
	return mr_rates_seconds(wait);
}
