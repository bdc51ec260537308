/* Who holds how much of the spool: see share.h. */
#include "ingest/share.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "secret/secret.h"

#define PLACES 4096
#define KEY_BYTES 32

/* What one site or address holds is the lesser of its two numbers. */
struct tally {
	int64_t bytes[2][PLACES];
};

struct mr_share {
	int64_t percent;
	unsigned char key[KEY_BYTES]; /* of the hash */
	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct tally sites;
	struct tally addresses;
	int64_t total; /* of all that was taken */
};

/* Where a site or address is counted. */
struct places {
	int64_t *at[2];
};

struct mr_share *
mr_share_new(int64_t percent)
{
	struct mr_share *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->percent = percent;
	mr_secret_random(s->key, sizeof s->key);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
mr_share_free(struct mr_share *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct places
find(const struct mr_share *s, struct tally *tally, struct mr_str name)
{
	unsigned char digest[MR_SHA256_BYTES];
	uint32_t first, second;

	mr_hmac_sha256((struct mr_str){ (const char *)s->key, KEY_BYTES }, name, digest);
	memcpy(&first, digest, sizeof first);
	memcpy(&second, digest + sizeof first, sizeof second);
	return (struct places){ { &tally->bytes[0][first % PLACES],
		&tally->bytes[1][second % PLACES] } };
}

static struct mr_str
name_of(const struct mr_ip *ip)
{
	return (struct mr_str){ (const char *)ip->bytes, ip->family == 4 ? 4 : 8 };
}

static bool
fits(const struct mr_share *s, const struct places *p, int64_t bytes, int64_t left)
{
	int64_t held = *p->at[0] < *p->at[1] ? *p->at[0] : *p->at[1];

	return held + bytes <= (left + held) * s->percent / 100;
}

static void
count(struct places *p, int64_t bytes)
{
	*p->at[0] += bytes;
	*p->at[1] += bytes;
}

static void
scale(struct tally *tally, double factor)
{
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < PLACES; k++)
			tally->bytes[i][k] = (int64_t)((double)tally->bytes[i][k] * factor);
}

/*
 * The spool holds less than was taken, since some was stored meanwhile: of
 * everybody's in proportion. Not for each byte, as all tallies are gone through.
 */
static void
follow(struct mr_share *s, int64_t used)
{
	double factor = s->total > 0 ? (double)used / (double)s->total : 1;

	if (used > 0 && s->total - used <= s->total / 8)
		return;
	scale(&s->sites, factor);
	scale(&s->addresses, factor);
	s->total = used < s->total ? used : s->total;
}

bool
mr_share_take(struct mr_share *s, struct mr_str site, const struct mr_ip *ip, int64_t bytes,
    int64_t used, int64_t left)
{
	struct places by_site, by_address;
	bool good;

	if (s->percent >= 100)
		return true;
	pthread_mutex_lock(&s->lock);
	if (s->total > used)
		follow(s, used);
	by_site = find(s, &s->sites, site);
	good = fits(s, &by_site, bytes, left);
	if (good && ip->family != 0) {
		by_address = find(s, &s->addresses, name_of(ip));
		good = fits(s, &by_address, bytes, left);
		if (good)
			count(&by_address, bytes);
	}
	if (good) {
		count(&by_site, bytes);
		s->total += bytes;
	}
	pthread_mutex_unlock(&s->lock);
	return good;
}
