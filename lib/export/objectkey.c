/* Keys: see objectkey.h. */
#include "export/objectkey.h"

#include "base/clock.h"
#include "base/crc32c.h"

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

static void
put_site(struct mr_buf *to, struct mr_str site)
{
	size_t start = to->len;

	for (size_t i = 0; i < site.n; i++) {
		if (is_plain(site.p[i]))
			mr_buf_add_char(to, site.p[i]);
		else
			mr_buf_printf(to, "%%%02X", (unsigned)(unsigned char)site.p[i]);
	}
	if (to->failed || to->len - start <= MR_OBJECTKEY_SITE)
		return;
	to->len = start + MR_OBJECTKEY_SITE - SUM_BYTES;
	/* Not in the middle of a %XX. */
	for (size_t back = 1; back <= 2; back++)
		if (to->p[to->len - back] == '%')
			to->len -= back;
	mr_buf_printf(to, "~%08x", (unsigned)mr_crc32c(0, site.p, site.n));
}

void
mr_objectkey_put(struct mr_buf *to, const char *prefix, const char *folder, struct mr_str site,
    int64_t hour_us, struct mr_str batch, int number, const char *suffix)
{
	char time[MR_CLOCK_TEXT];

	mr_clock_format(hour_us, time);
	put_folder(to, prefix);
	put_folder(to, folder);
	mr_buf_add_cstr(to, "site_id=");
	put_site(to, site);
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
