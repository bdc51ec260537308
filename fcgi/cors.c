/* CORS headers: see cors.h. */
#include "cors.h"

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

static void
write_any_site(const struct mr_conf *conf, struct mr_str origin, struct mr_buf *headers)
{
	bool any = find_anywhere(conf, MR_STR_LIT("*")) != NULL;
	const char *match = NULL;

	if (origin.n > 0 && !mr_str_eq(origin, MR_STR_LIT("*")))
		match = find_anywhere(conf, origin);
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

void
mr_cors_preflight(const struct mr_conf *conf, struct mr_str origin, struct mr_buf *headers)
{
	write_any_site(conf, origin, headers);
	mr_buf_add_cstr(headers, "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
	    "Access-Control-Allow-Headers: Content-Type, Content-Encoding, Authorization\r\n"
	    "Access-Control-Max-Age: 86400\r\n");
}
