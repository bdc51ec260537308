/* Keys: see objectkey.h. */
#include "export/objectkey.h"

#include <strings.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "format/utf8.h"

#define SUM_BYTES 9 /* "~" and 8 hex digits */

static void
put_folder(struct mr_buf *to, const char *folder)
{
	if (folder[0] == '\0')
		return;
	mr_buf_add_cstr(to, folder);
	mr_buf_add_char(to, '/');
}

static bool
is_plain(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    c == '.' || c == '_' || c == '-';
}

/* Names that readers of such folders take for NULL: DuckDB the first, Hive and Spark the other. */
static bool
reads_as_null(struct mr_str site)
{
	return (site.n == 4 && strncasecmp(site.p, "null", 4) == 0) ||
	    mr_str_eq(site, MR_STR_LIT("__HIVE_DEFAULT_PARTITION__"));
}

/* Whether byte i of the site stands in a key as %XX. */
static bool
is_escaped(struct mr_str site, size_t i, int version)
{
	return !is_plain(site.p[i]) ||
	    (i == 0 && version >= MR_OBJECTKEY_READABLE && reads_as_null(site));
}

/* How many bytes of the site take no more than `room` in a key; a character is not divided. */
static size_t
that_fit(struct mr_str site, size_t room, int version)
{
	size_t n = 0, width;

	for (; n < site.n; n++, room -= width)
		if ((width = is_escaped(site, n, version) ? 3 : 1) > room)
			break;
	return version < MR_OBJECTKEY_READABLE ? n : mr_utf8_cut(site.p, site.n, n);
}

static void
put_site(struct mr_buf *to, struct mr_str site, int version)
{
	size_t n = that_fit(site, MR_OBJECTKEY_SITE, version);
	bool whole = n == site.n;

	if (!whole)
		n = that_fit(site, MR_OBJECTKEY_SITE - SUM_BYTES, version);
	for (size_t i = 0; i < n; i++) {
		if (is_escaped(site, i, version))
			mr_buf_printf(to, "%%%02X", (unsigned)(unsigned char)site.p[i]);
		else
			mr_buf_add_char(to, site.p[i]);
	}
	if (!whole)
		mr_buf_printf(to, "~%08x", (unsigned)mr_crc32c(0, site.p, site.n));
}

void
mr_objectkey_put(struct mr_buf *to, const char *prefix, const char *folder, struct mr_str site,
    int64_t hour_us, struct mr_str batch, int number, const char *suffix, int version)
{
	char time[MR_CLOCK_TEXT];

	mr_clock_format(hour_us, time);
	put_folder(to, prefix);
	put_folder(to, folder);
	mr_buf_add_cstr(to, "site_id=");
	put_site(to, site, version);
	mr_buf_printf(to, "/date=%.10s/hour=%.2s/", time, time + 11);
	mr_buf_add_str(to, batch);
	mr_buf_printf(to, "-%d%s", number, suffix);
}

void
mr_objectkey_put_manifest(struct mr_buf *to, const char *prefix, const char *folder,
    struct mr_str batch)
{
	put_folder(to, prefix);
	put_folder(to, folder);
	mr_buf_add_cstr(to, "_manifest/");
	mr_buf_add_str(to, batch);
	mr_buf_add_cstr(to, ".json");
}
