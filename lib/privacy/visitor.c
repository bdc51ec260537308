/* Cookieless visitors: see visitor.h. */
#include "privacy/visitor.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "secret/secret.h"

#define MAX_SITE 255
#define MAX_USER_AGENT 1024
#define ID_BYTES 16

/* How long a visit may pause, as in the tracker. */
#define VISIT_S 1800

/* 64 Ki visitors in 1 MiB; when a row is full, who was away longest is forgotten. */
#define ROWS 8192
#define WAYS 8

struct seen {
	uint64_t key; /* the first half of an identifier */
	int64_t at_s; /* 0: free */
};

struct mr_visitors {
	pthread_mutex_t lock;
	struct seen table[ROWS][WAYS]; /* guarded by lock */
};

struct mr_visitors *
mr_visitors_new(void)
{
	struct mr_visitors *visitors = calloc(1, sizeof *visitors);

	if (visitors != NULL)
		pthread_mutex_init(&visitors->lock, NULL);
	return visitors;
}

void
mr_visitors_free(struct mr_visitors *visitors)
{
	if (visitors == NULL)
		return;
	pthread_mutex_destroy(&visitors->lock);
	free(visitors);
}

/* A NUL stands between the parts, which have none in them. */
static size_t
add(unsigned char *to, struct mr_str s, size_t most)
{
	size_t n = s.n < most ? s.n : most;

	if (n > 0)
		memcpy(to, s.p, n);
	to[n] = '\0';
	return n + 1;
}

static void
digest(const unsigned char salt[MR_SALT_BYTES], struct mr_str site, const struct mr_ip *ip,
    struct mr_str user_agent, unsigned char id[MR_SHA256_BYTES])
{
	unsigned char data[MAX_SITE + sizeof *ip + MAX_USER_AGENT + 3];
	size_t n = add(data, site, MAX_SITE);

	memcpy(data + n, &ip->family, 1);
	memcpy(data + n + 1, ip->bytes, sizeof ip->bytes);
	n += 1 + sizeof ip->bytes;
	n += add(data + n, user_agent, MAX_USER_AGENT);
	mr_hmac_sha256((struct mr_str){ (const char *)salt, MR_SALT_BYTES },
	    (struct mr_str){ (const char *)data, n }, id);
}

/*
 * With the lock. Notes that an identifier is seen now, and tells whether it was
 * within VISIT_S. only_known: if it was not, it is not noted either.
 */
static bool
note(struct mr_visitors *visitors, const unsigned char *id, int64_t now_s, bool only_known)
{
	struct seen *row, *oldest;
	uint64_t key;

	memcpy(&key, id, sizeof key);
	row = visitors->table[key % ROWS];
	oldest = row;
	for (struct seen *s = row; s < row + WAYS; s++) {
		if (s->at_s != 0 && s->key == key && now_s - s->at_s <= VISIT_S) {
			s->at_s = now_s;
			return true;
		}
		if (s->at_s < oldest->at_s)
			oldest = s;
	}
	if (!only_known)
		*oldest = (struct seen){ key, now_s };
	return false;
}

void
mr_visitor_id(struct mr_visitors *visitors, int64_t now_us,
    const unsigned char today[MR_SALT_BYTES], const unsigned char *yesterday,
    struct mr_str site, const struct mr_ip *ip, struct mr_str user_agent,
    char id[MR_VISITOR_TEXT])
{
	unsigned char new[MR_SHA256_BYTES], old[MR_SHA256_BYTES];
	int64_t now_s = now_us / MR_US_PER_S;
	bool stays = false;

	digest(today, site, ip, user_agent, new);
	if (yesterday != NULL)
		digest(yesterday, site, ip, user_agent, old);
	pthread_mutex_lock(&visitors->lock);
	if (yesterday != NULL)
		stays = note(visitors, old, now_s, true);
	if (!stays)
		(void)note(visitors, new, now_s, false);
	pthread_mutex_unlock(&visitors->lock);
	mr_secret_hex(stays ? old : new, ID_BYTES, id);
}
