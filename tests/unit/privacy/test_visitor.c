/* Cookieless visitors: privacy/visitor.h. */
#include "privacy/visitor.h"

#include "../tap.h"
#include "base/clock.h"

/* 2026-01-02T00:00:00Z */
#define MIDNIGHT (INT64_C(1767312000) * MR_US_PER_S)
#define MINUTE (60 * MR_US_PER_S)

static const unsigned char monday[MR_SALT_BYTES] = "monday's salt of thirty-two byte";
static const unsigned char tuesday[MR_SALT_BYTES] = "tuesday's salt, also of 32 bytes";
static const unsigned char wednesday[MR_SALT_BYTES] = "wednesday's salt, a third of 32.";

static struct mr_visitors *visitors;

struct text {
	char p[MR_VISITOR_TEXT];
};

static struct text
id(const unsigned char *today, const unsigned char *yesterday, int64_t now_us, const char *site,
    const char *address, const char *user_agent)
{
	struct mr_ip ip = { 0 };
	struct text text;

	if (address != NULL && !mr_ip_parse(mr_str(address), &ip))
		bail("no address");
	mr_visitor_id(visitors, now_us, today, yesterday, mr_str(site), &ip,
	    user_agent != NULL ? mr_str(user_agent) : MR_STR_NULL, text.p);
	return text;
}

static bool
same(struct text a, struct text b)
{
	return strcmp(a.p, b.p) == 0;
}

static void
fresh(void)
{
	mr_visitors_free(visitors);
	visitors = mr_visitors_new();
	if (visitors == NULL)
		bail("no memory");
}

static void
test_parts(void)
{
	const int64_t now = MIDNIGHT - 60 * MINUTE;
	const struct text one = id(monday, NULL, now, "a.test", "192.0.2.1", "agent");
	static const struct {
		int line;
		const char *site, *ip, *agent;
	} others[] = {
		{ __LINE__, "b.test", "192.0.2.1", "agent" },
		{ __LINE__, "a.test", "192.0.2.2", "agent" },
		{ __LINE__, "a.test", "2001:db8::1", "agent" },
		{ __LINE__, "a.test", NULL, "agent" },
		{ __LINE__, "a.test", "192.0.2.1", "agent2" },
		{ __LINE__, "a.test", "192.0.2.1", NULL },
	};

	is_int((long long)strlen(one.p), 32, "32 characters");
	is_int((long long)strspn(one.p, "0123456789abcdef"), 32, "of hex");
	ok(same(id(monday, NULL, now + MINUTE, "a.test", "192.0.2.1", "agent"), one),
	    "the same visitor, the same identifier");
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		ok(!same(id(monday, NULL, now, others[i].site, others[i].ip, others[i].agent),
		    one), "line %d: another visitor, another identifier", others[i].line);
	ok(!same(id(tuesday, NULL, now, "a.test", "192.0.2.1", "agent"), one),
	    "another salt, another identifier");
	/* HMAC-SHA-256 over "a.test", NUL, 4, the address in 16 bytes, "agent", NUL. */
	is_str(mr_str(one.p), "9f98c9be013a426cc4b31d357c2a2610", "as computed elsewhere");
}

static void
test_midnight(void)
{
	struct text before, visit;

	fresh();
	before = id(monday, NULL, MIDNIGHT - 10 * MINUTE, "a.test", "192.0.2.1", "agent");
	visit = id(tuesday, monday, MIDNIGHT + 15 * MINUTE, "a.test", "192.0.2.1", "agent");
	ok(same(visit, before), "a visit goes on over midnight");
	visit = id(tuesday, monday, MIDNIGHT + 44 * MINUTE, "a.test", "192.0.2.1", "agent");
	ok(same(visit, before), "for as long as it does not pause");
	visit = id(tuesday, monday, MIDNIGHT + 75 * MINUTE, "a.test", "192.0.2.1", "agent");
	ok(!same(visit, before), "after a pause it is a new day's visitor");
	ok(same(id(tuesday, monday, MIDNIGHT + 76 * MINUTE, "a.test", "192.0.2.1", "agent"),
	    visit), "and stays it");
	visit = id(tuesday, monday, MIDNIGHT + 77 * MINUTE, "a.test", "192.0.2.9", "agent");
	ok(!same(visit, id(monday, NULL, MIDNIGHT + 77 * MINUTE, "a.test", "192.0.2.9", "agent")),
	    "who was not there before midnight is a new day's visitor");
	ok(same(id(wednesday, tuesday, MIDNIGHT + 80 * MINUTE, "a.test", "192.0.2.9", "agent"),
	    visit), "the same over the next midnight");
}

static void
test_many(void)
{
	struct text before;
	char site[32];

	fresh();
	before = id(monday, NULL, MIDNIGHT - MINUTE, "a.test", "192.0.2.1", "agent");
	for (int i = 0; i < 1000; i++) {
		snprintf(site, sizeof site, "%d.test", i);
		(void)id(monday, NULL, MIDNIGHT - MINUTE / 2, site, "192.0.2.1", "agent");
	}
	ok(same(id(tuesday, monday, MIDNIGHT, "a.test", "192.0.2.1", "agent"), before),
	    "1,000 others do not make it forget");
	for (int i = 0; i < 1000000; i++) {
		snprintf(site, sizeof site, "%d.test", i);
		(void)id(monday, NULL, MIDNIGHT + 1, site, "192.0.2.1", "agent");
	}
	ok(!same(id(tuesday, monday, MIDNIGHT + 2, "a.test", "192.0.2.1", "agent"), before),
	    "of a million it remembers the latest");
}

static void
test_long(void)
{
	static char longest[5000];

	memset(longest, 'x', sizeof longest - 1);
	is_int((long long)strlen(id(monday, NULL, MIDNIGHT, longest, "192.0.2.1", longest).p), 32,
	    "texts that are too long are cut");
}

int
main(void)
{
	fresh();
	test_parts();
	test_midnight();
	test_many();
	test_long();
	mr_visitors_free(visitors);
	return done();
}
