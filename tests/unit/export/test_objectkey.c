/* Unit tests of format/objectkey. */
#include "export/objectkey.h"

#include <stdio.h>

#include "../tap.h"

#define HOUR INT64_C(1750593600000000) /* 2025-06-22T12:00:00Z */

static void
check(int line, const char *prefix, const char *folder, const char *site, const char *want)
{
	struct mr_buf key;

	row(line);
	mr_buf_init(&key, 4096);
	mr_objectkey_put(&key, prefix, folder, mr_str(site), HOUR, mr_str("B"), 7, ".csv.gz");
	is_str(mr_buf_str(&key), want, "the key");
	mr_buf_free(&key);
	row(0);
}

/* A long name is cut to something that is still a name, and that no other has. */
static void
test_long(const char *unit)
{
	char site[256] = "", other[256];
	struct mr_buf a, b;
	size_t start = strlen("site_id="), end;

	while (strlen(site) + strlen(unit) < sizeof site)
		strcat(site, unit);
	strcpy(other, site);
	other[strlen(other) - 1] ^= 1;
	mr_buf_init(&a, 4096);
	mr_buf_init(&b, 4096);
	mr_objectkey_put(&a, "", "", mr_str(site), HOUR, mr_str("B"), 0, "");
	mr_objectkey_put(&b, "", "", mr_str(other), HOUR, mr_str("B"), 0, "");
	end = (size_t)((const char *)memchr(a.p, '/', a.len) - a.p);
	ok(end - start <= MR_OBJECTKEY_SITE, "a long name of %s takes %zu bytes", unit, end - start);
	ok(!mr_str_eq(mr_buf_str(&a), mr_buf_str(&b)), "its neighbour has another key");
	for (size_t i = start; i < end; i++)
		if (a.p[i] == '%' && (a.p[i + 1] == '~' || a.p[i + 2] == '~'))
			ok(false, "%s: an escape is cut: %.*s", unit, (int)end, a.p);
	mr_buf_free(&a);
	mr_buf_free(&b);
}

int
main(void)
{
	struct mr_buf key;

	check(__LINE__, "", "", "shop", "site_id=shop/date=2025-06-22/hour=12/B-7.csv.gz");
	check(__LINE__, "a/b", "", "shop", "a/b/site_id=shop/date=2025-06-22/hour=12/B-7.csv.gz");
	check(__LINE__, "a", "manual/x", "s.h_o-p",
	    "a/manual/x/site_id=s.h_o-p/date=2025-06-22/hour=12/B-7.csv.gz");
	check(__LINE__, "", "", "a/../b c=%\xc3\xa9~",
	    "site_id=a%2F..%2Fb%20c%3D%25%C3%A9%7E/date=2025-06-22/hour=12/B-7.csv.gz");
	check(__LINE__, "", "", "", "site_id=/date=2025-06-22/hour=12/B-7.csv.gz");
	test_long("x");
	test_long("x/");
	test_long("xy/");
	test_long("\xc3\xa9");

	mr_buf_init(&key, 4096);
	mr_objectkey_put_manifest(&key, "p", "", mr_str("B"));
	is_str(mr_buf_str(&key), "p/_manifest/B.json", "a manifest");
	mr_buf_reset(&key, 0);
	mr_objectkey_put_manifest(&key, "", "manual/x", mr_str("B"));
	is_str(mr_buf_str(&key), "manual/x/_manifest/B.json", "that of a manual run");
	mr_buf_free(&key);
	return done();
}
