/* IP addresses: see ip.h. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <stdlib.h>

static struct mr_str
trim(struct mr_str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool
is_port(const char *p, size_t n)
{
	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

/* Takes "[…]", "[…]:port" and "a.b.c.d:port" down to the address. */
static bool
strip_port(struct mr_str *s)
{
	const char *end;
	size_t rest;

	if (s->n > 0 && s->p[0] == '[') {
		end = memchr(s->p, ']', s->n);
		if (end == NULL)
			return false;
		rest = s->n - (size_t)(end + 1 - s->p);
		if (rest > 0 && (end[1] != ':' || !is_port(end + 2, rest - 1)))
			return false;
		*s = (struct mr_str){ s->p + 1, (size_t)(end - s->p) - 1 };
		return true;
	}
	end = s->n > 0 ? memchr(s->p, ':', s->n) : NULL;
	if (end == NULL || memchr(s->p, '.', (size_t)(end - s->p)) == NULL)
		return true;
	if (!is_port(end + 1, s->n - (size_t)(end + 1 - s->p)))
		return false;
	s->n = (size_t)(end - s->p);
	return true;
}

bool
mr_ip_parse(struct mr_str s, struct mr_ip *ip)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char text[MR_IP_TEXT];
	struct mr_ip out = { .family = 0 };

	if (s.p == NULL)
		return false;
	s = trim(s);
	if (!strip_port(&s) || s.n == 0 || s.n >= sizeof text || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, out.bytes) == 1) {
		out.family = 4;
	} else if (inet_pton(AF_INET6, text, out.bytes) == 1) {
		out.family = 6;
		if (memcmp(out.bytes, mapped, sizeof mapped) == 0) {
			out.family = 4;
			memmove(out.bytes, out.bytes + 12, 4);
			memset(out.bytes + 4, 0, 12);
		}
	} else {
		return false;
	}
	*ip = out;
	return true;
}

bool
mr_ip_block_parse(struct mr_str s, struct mr_ip_block *block)
{
	const char *slash;
	struct mr_ip_block out;
	unsigned bits = 0, most;
	size_t n;

	if (s.p == NULL)
		return false;
	slash = s.n > 0 ? memchr(s.p, '/', s.n) : NULL;
	n = slash != NULL ? (size_t)(slash - s.p) : s.n;
	if (!mr_ip_parse((struct mr_str){ s.p, n }, &out.ip))
		return false;
	most = out.ip.family == 4 ? 32 : 128;
	out.bits = (uint8_t)most;
	if (slash != NULL) {
		if (n + 1 == s.n || s.n - n - 1 > 3)
			return false;
		for (size_t i = n + 1; i < s.n; i++) {
			if (s.p[i] < '0' || s.p[i] > '9')
				return false;
			bits = bits * 10 + (unsigned)(s.p[i] - '0');
		}
		if (bits > most)
			return false;
		out.bits = (uint8_t)bits;
	}
	*block = out;
	return true;
}

static bool
in_block(const struct mr_ip *ip, const struct mr_ip_block *block)
{
	unsigned whole = block->bits / 8, rest = block->bits % 8;
	unsigned mask = (0xff00U >> rest) & 0xffU;

	if (ip->family != block->ip.family)
		return false;
	if (memcmp(ip->bytes, block->ip.bytes, whole) != 0)
		return false;
	return rest == 0 || ((ip->bytes[whole] ^ block->ip.bytes[whole]) & mask) == 0;
}

bool
mr_ip_in(const struct mr_ip *ip, const struct mr_ip_block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_block(ip, &blocks[i]))
			return true;
	return false;
}

bool
mr_ip_is_loopback(const struct mr_ip *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (ip->family == 4)
		return ip->bytes[0] == 127;
	return ip->family == 6 && memcmp(ip->bytes, one, sizeof one) == 0;
}

struct mr_str
mr_ip_owner(const struct mr_ip *ip)
{
	_Static_assert(offsetof(struct mr_ip, bytes) == 1, "the family is in front");

	return (struct mr_str){ (const char *)ip, 1 + (ip->family == 4 ? 4 : 8) };
}

/* Written here for its speed: exports write one for each row. */
static void
format_ipv4(const uint8_t bytes[4], char *to)
{
	for (int i = 0; i < 4; i++) {
		uint8_t v = bytes[i];

		if (v >= 100)
			*to++ = (char)('0' + v / 100);
		if (v >= 10)
			*to++ = (char)('0' + v / 10 % 10);
		*to++ = (char)('0' + v % 10);
		*to++ = i < 3 ? '.' : '\0';
	}
}

void
mr_ip_format(const struct mr_ip *ip, char text[MR_IP_TEXT])
{
	text[0] = '\0';
	if (ip->family == 4)
		format_ipv4(ip->bytes, text);
	else if (ip->family != 0)
		(void)inet_ntop(AF_INET6, ip->bytes, text, MR_IP_TEXT);
}

/* Takes the last entry, which may be empty, off the list. False: there is none. */
static bool
take_last(struct mr_str *list, struct mr_str *entry)
{
	size_t start = list->n;

	if (list->p == NULL)
		return false;
	while (start > 0 && list->p[start - 1] != ',')
		start--;
	*entry = trim((struct mr_str){ list->p + start, list->n - start });
	*list = start > 0 ? (struct mr_str){ list->p, start - 1 } : MR_STR_NULL;
	return true;
}

/*
 * The client; *whole says whether the header, where there is one, was believed and had nothing
 * but addresses as far as it was read.
 */
static struct mr_ip
follow(const struct mr_ip *peer, struct mr_str forwarded, const struct mr_ip_block *trusted,
    size_t n_trusted, bool *whole)
{
	struct mr_ip client = *peer, next;
	struct mr_str entry;

	*whole = forwarded.p == NULL || mr_ip_in(peer, trusted, n_trusted);
	while (mr_ip_in(&client, trusted, n_trusted) && take_last(&forwarded, &entry)) {
		bool good = mr_ip_parse(entry, &next);

		*whole = *whole && good;
		if (good)
			client = next;
		else if (entry.n > 0)
			break;
	}
	return client;
}

struct mr_ip
mr_ip_client(const struct mr_ip *peer, struct mr_str forwarded,
    const struct mr_ip_block *trusted, size_t n_trusted)
{
	bool whole;

	return follow(peer, forwarded, trusted, n_trusted, &whole);
}

bool
mr_ip_client_is_loopback(const struct mr_ip *peer, struct mr_str forwarded,
    const struct mr_ip_block *trusted, size_t n_trusted)
{
	bool whole;
	struct mr_ip client = follow(peer, forwarded, trusted, n_trusted, &whole);

	return whole && mr_ip_is_loopback(&client);
}

void
mr_ip_anonymize(struct mr_ip *ip, enum mr_ip_privacy how)
{
	size_t keep = ip->family == 4 ? 3 : 6;

	if (how == MR_IP_DROP)
		*ip = (struct mr_ip){ .family = 0 };
	else if (how == MR_IP_TRUNCATE)
		memset(ip->bytes + keep, 0, sizeof ip->bytes - keep);
}
