/* CORS headers: see cors.h. */
#include "cors.h"

#include <strings.h>

#include "base/take.h"

/* Bytes of what a preflight asks for. */
#define MAX_WANTED 1024

static const char *const usual[] = { "Content-Type", "Content-Encoding", "Authorization" };

/* The list's own text of that origin, or NULL. */
static const char *
find(const struct mr_conf_list *list, struct mr_str origin)
{
	for (size_t i = 0; i < list->n; i++)
		if (mr_str_eq(mr_str(list->items[i]), origin))
			return list->items[i];
	return NULL;
}

static const char *
find_anywhere(const struct mr_conf *conf, struct mr_str origin)
{
	const char *found = find(&conf->origins, origin);

	for (size_t i = 0; i < conf->n_sites && found == NULL; i++)
		found = find(&conf->sites[i].origins, origin);
	return found;
}

static void
write_origin(const char *match, bool any, bool varies, struct mr_buf *headers)
{
	if (match != NULL)
		mr_buf_printf(headers, "Access-Control-Allow-Origin: %s\r\n"
		    "Access-Control-Allow-Credentials: true\r\n", match);
	else if (any)
		mr_buf_add_cstr(headers, "Access-Control-Allow-Origin: *\r\n");
	if (varies)
		mr_buf_add_cstr(headers, "Vary: Origin\r\n");
}

/* The list's own text of that origin, whichever site's it is, or NULL. */
static const char *
match_anywhere(const struct mr_conf *conf, struct mr_str origin)
{
	if (origin.n == 0 || mr_str_eq(origin, MR_STR_LIT("*")))
		return NULL;
	return find_anywhere(conf, origin);
}

static void
write_any_site(const struct mr_conf *conf, struct mr_str origin, struct mr_buf *headers)
{
	bool any = find_anywhere(conf, MR_STR_LIT("*")) != NULL;
	const char *match = match_anywhere(conf, origin);

	write_origin(match, any, !any || conf->n_sites > 0, headers);
}

void
mr_cors_answer(const struct mr_conf *conf, struct mr_str origin, struct mr_str site,
    struct mr_buf *headers)
{
	const struct mr_conf_list *list = &conf->origins;
	const struct mr_conf_site *own;
	const char *match = NULL;
	bool any;

	if (site.p == NULL) {
		write_any_site(conf, origin, headers);
		return;
	}
	own = mr_conf_site_find(conf, site);
	if (own != NULL && own->origins.n > 0)
		list = &own->origins;
	any = find(list, MR_STR_LIT("*")) != NULL;
	if (origin.n > 0 && !mr_str_eq(origin, MR_STR_LIT("*")))
		match = find(list, origin);
	write_origin(match, any, !any || list->n > 1 || conf->n_sites > 0, headers);
}

/* Whether it is a list of names and nothing else (RFC 9110, section 5.6.2), and no long one. */
static bool
are_names(struct mr_str s)
{
	if (s.n == 0 || s.n > MAX_WANTED)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!mr_is_token(s.p[i]) && memchr(", \t", s.p[i], 3) == NULL)
			return false;
	return true;
}

/* Those that need no asking stand in the answer anyway. */
static bool
is_usual(struct mr_str name)
{
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		if (strlen(usual[i]) == name.n && strncasecmp(usual[i], name.p, name.n) == 0)
			return true;
	return name.n == 0;
}

/* The names of a list that is nothing else. */
static void
write_wanted(struct mr_str wanted, struct mr_buf *headers)
{
	static const char separators[] = ", \t";
	size_t n;

	for (; wanted.n > 0; wanted.p += n, wanted.n -= n) {
		for (n = 0; n < wanted.n && strchr(separators, wanted.p[n]) == NULL; n++)
			;
		if (!is_usual((struct mr_str){ wanted.p, n }))
			mr_buf_printf(headers, ", %.*s", (int)n, wanted.p);
		n += n < wanted.n;
	}
}

/* A page whose fetch is instrumented has headers of its own in each request. */
static void
write_allowed(const struct mr_conf *conf, struct mr_str origin, struct mr_str wanted,
    struct mr_buf *headers)
{
	const struct mr_conf_list *more = &conf->allow_headers;
	bool anybody = find_anywhere(conf, MR_STR_LIT("*")) != NULL &&
	    match_anywhere(conf, origin) == NULL;

	mr_buf_printf(headers, "Access-Control-Allow-Headers: %s, %s, %s", usual[0], usual[1],
	    usual[2]);
	for (size_t i = 0; i < more->n; i++)
		if (strcmp(more->items[i], "*") != 0)
			mr_buf_printf(headers, ", %s", more->items[i]);
	if ((anybody || find(more, MR_STR_LIT("*")) != NULL) && are_names(wanted))
		write_wanted(wanted, headers);
	mr_buf_add_cstr(headers, "\r\n");
}

void
mr_cors_preflight(const struct mr_conf *conf, struct mr_str origin, struct mr_str wanted,
    struct mr_buf *headers)
{
	write_any_site(conf, origin, headers);
	mr_buf_add_cstr(headers, "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n");
	write_allowed(conf, origin, wanted, headers);
	mr_buf_add_cstr(headers, "Access-Control-Max-Age: 86400\r\n");
}
