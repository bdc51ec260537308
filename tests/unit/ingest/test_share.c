/* Who holds how much of the spool: one that floods leaves room for the others. */
#include "ingest/share.h"

#include "../tap.h"

#define SPOOL ((int64_t)1 << 30)
#define RECORD ((int64_t)1 << 20)

static struct mr_share *share;
static int64_t used;

static struct mr_ip
address(const char *text)
{
	struct mr_ip ip = { .family = 0 };

	if (text != NULL && !mr_ip_parse(mr_str(text), &ip))
		bail("no address: %s", text);
	return ip;
}

static bool
take(const char *site, const char *from)
{
	struct mr_ip ip = address(from);

	if (!mr_share_take(share, mr_str(site), &ip, RECORD, used, SPOOL - used))
		return false;
	used += RECORD;
	return true;
}

/* How many records it may have, one by one. */
static int64_t
flood(const char *site, const char *from)
{
	int64_t n = 0;

	while (n < SPOOL / RECORD && take(site, from))
		n++;
	return n;
}

static void
start(int percent)
{
	mr_share_free(share);
	used = 0;
	share = mr_share_new(percent);
	if (share == NULL)
		bail("no memory");
}

static void
floods(void)
{
	start(50);
	is_int(flood("flood.test", "192.0.2.1"), 512, "half of the spool for one");
	ok(!take("other.test", "192.0.2.1"), "its address holds its share under another site, too");
	ok(!take("flood.test", "198.51.100.1"), "its site does from another address");
	ok(take("shop.test", "198.51.100.2"), "another site and address fit");
	is_int(flood("more.test", "203.0.113.9"), 255, "half of what is left for the next");
	ok(take("shop.test", "198.51.100.2"), "and others still fit");
	start(20);
	is_int(flood("flood.test", "192.0.2.1"), 204, "a fifth");
	start(100);
	is_int(flood("flood.test", "192.0.2.1"), 1024, "no bound");
}

static void
addresses(void)
{
	start(50);
	is_int(flood("a.test", NULL), 512, "without an address, by the site alone");
	ok(take("b.test", NULL), "another site without one");
	start(50);
	is_int(flood("a.test", "2001:db8:1:2::1"), 512, "an IPv6 address");
	ok(!take("b.test", "2001:db8:1:2:ffff::9"), "all of a /64 are one");
	ok(take("b.test", "2001:db8:1:3::1"), "the next /64 is another");
}

static void
many(void)
{
	char site[32], from[32];
	int64_t n = 0;

	start(50);
	for (int i = 0; i < 256; i++) {
		snprintf(site, sizeof site, "site%d.test", i);
		snprintf(from, sizeof from, "198.51.100.%d", i);
		n += take(site, from);
	}
	is_int(n, 256, "many small ones do not count for each other");
}

static void
stored_meanwhile(void)
{
	start(50);
	(void)flood("flood.test", "192.0.2.1");
	used = 0;
	is_int(flood("flood.test", "192.0.2.1"), 512, "an empty spool is as at first");
	used /= 2;
	ok(take("flood.test", "192.0.2.1"), "what was stored counts for nobody any more");
}

int
main(void)
{
	floods();
	addresses();
	many();
	stored_meanwhile();
	mr_share_free(share);
	return done();
}
