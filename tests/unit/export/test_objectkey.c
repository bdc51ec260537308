/* Unit tests of format/objectkey. */
#include "export/objectkey.h"

#include <stdio.h>

#include "../tap.h"
#include "format/utf8.h"

#define HOUR INT64_C(1750593600000000) /* 2025-06-22T12:00:00Z */

static void
check(int line, const char *prefix, const char *folder, const char *site, const char *want)
{
	struct mr_buf key;

	row(line);
	mr_buf_init(&key, 4096);
	mr_objectkey_put(&key, prefix, folder, mr_str(site), HOUR, mr_str("B"), 7, ".csv.gz",
	    MR_OBJECTKEY_READABLE);
	is_str(mr_buf_str(&key), want, "the key");
	mr_buf_free(&key);
	row(0);
}

/* Whether the site's part of a key, up to the tilde, is UTF-8 once its escapes are undone. */
static bool
is_whole(const char *p, size_t n)
{
	char text[256];
	size_t used = 0;
	unsigned byte;

	for (size_t i = 0; i < n && p[i] != '~'; i++) {
		if (p[i] == '%' && (i + 2 >= n || sscanf(p + i + 1, "%2X", &byte) != 1))
			return false;
		text[used++] = p[i] == '%' ? (char)byte : p[i];
		i += p[i] == '%' ? 2 : 0;
	}
	for (size_t at = 0, length; at < used; at += length)
		if ((length = mr_utf8_length(text + at, used - at)) == 0)
			return false;
	return true;
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
	mr_objectkey_put(&a, "", "", mr_str(site), HOUR, mr_str("B"), 0, "",
	    MR_OBJECTKEY_READABLE);
	mr_objectkey_put(&b, "", "", mr_str(other), HOUR, mr_str("B"), 0, "",
	    MR_OBJECTKEY_READABLE);
	end = (size_t)((const char *)memchr(a.p, '/', a.len) - a.p);
	ok(end - start <= MR_OBJECTKEY_SITE, "a long name of %s takes %zu bytes", unit, end - start);
	ok(!mr_str_eq(mr_buf_str(&a), mr_buf_str(&b)), "its neighbour has another key");
	ok(is_whole(a.p + start, end - start), "%s: neither an escape nor a character is cut: %.*s",
	    unit, (int)end, a.p);
	mr_buf_free(&a);
	mr_buf_free(&b);
}

/* Names that a reader would take for NULL have an escape that makes them texts; others have none. */
static void
test_names(void)
{
#define AS(name) "site_id=" name "/date=2025-06-22/hour=12/B-7.csv.gz"
	check(__LINE__, "", "", "null", AS("%6Eull"));
	check(__LINE__, "", "", "NULL", AS("%4EULL"));
	check(__LINE__, "", "", "nUll", AS("%6EUll"));
	check(__LINE__, "", "", "nulls", AS("nulls"));
	check(__LINE__, "", "", "__HIVE_DEFAULT_PARTITION__", AS("%5F_HIVE_DEFAULT_PARTITION__"));
	check(__LINE__, "", "", "__HIVE_DEFAULT_PARTITION_", AS("__HIVE_DEFAULT_PARTITION_"));
	check(__LINE__, "", "", "007", AS("007"));
	check(__LINE__, "", "", "2025-06-22", AS("2025-06-22"));
	check(__LINE__, "", "", " ", AS("%20"));
#undef AS
}

/* What an earlier version planned keeps the keys that it had. */
static void
test_old(void)
{
	struct mr_buf key;
	char site[256] = "", want[300] = "site_id=";

	for (int i = 0; i < 127; i++)
		strcat(site, "\xc3\xa9");
	for (int i = 0; i < 28; i++)
		strcat(want, "%C3%A9");
	strcat(want, "%C3~");
	mr_buf_init(&key, 4096);
	mr_objectkey_put(&key, "", "", mr_str(site), HOUR, mr_str("B"), 0, "", 2);
	ok(key.len > strlen(want) && memcmp(key.p, want, strlen(want)) == 0, "a long name: %.*s",
	    (int)key.len, key.p);
	mr_buf_reset(&key, 0);
	mr_objectkey_put(&key, "", "", MR_STR_LIT("null"), HOUR, mr_str("B"), 0, "", 2);
	is_str(mr_buf_str(&key), "site_id=null/date=2025-06-22/hour=12/B-0", "null");
	mr_buf_free(&key);
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
	test_long("\xe6\x9d\xb1");
	test_long("\xf0\x9f\x98\x80");
	test_long("x\xf0\x9f\x98\x80");
	test_names();
	test_old();

	mr_buf_init(&key, 4096);
	mr_objectkey_put_manifest(&key, "p", "", mr_str("B"));
	is_str(mr_buf_str(&key), "p/_manifest/B.json", "a manifest");
	mr_buf_reset(&key, 0);
	mr_objectkey_put_manifest(&key, "", "manual/x", mr_str("B"));
	is_str(mr_buf_str(&key), "manual/x/_manifest/B.json", "that of a manual run");
	mr_buf_free(&key);
	return done();
}
