/* Configuration values: see value.h. */
#include "conf/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A site's name is a column of every event. */
#define MAX_SITE 255
#define MAX_HEADER 64

static void
list_free(struct mr_conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct mr_conf_list){ NULL, 0 };
}

static enum mr_err
list_add(struct mr_conf_list *list, const char *p, size_t n)
{
	char **items = realloc(list->items, (list->n + 1) * sizeof *items);
	char *item = strndup(p, n);

	if (items != NULL)
		list->items = items;
	if (items == NULL || item == NULL) {
		free(item);
		return MR_ENOMEM;
	}
	list->items[list->n++] = item;
	return MR_OK;
}

static const char separators[] = ", \t";

static enum mr_err
set_list(struct mr_conf_list *list, const char *text)
{
	size_t n;

	list_free(list);
	while (*(text += strspn(text, separators)) != '\0') {
		n = strcspn(text, separators);
		if (list_add(list, text, n) != MR_OK)
			return MR_ENOMEM;
		text += n;
	}
	return MR_OK;
}

/* "scheme://host" or "scheme://host:port" as browsers send it, in lower case, or "*". */
static bool
is_origin(const char *text)
{
	const char *host = strstr(text, "://");

	if (strcmp(text, "*") == 0)
		return true;
	return host != NULL && host != text && host[3] != '\0' &&
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == (size_t)(host - text) &&
	    host[3 + strspn(host + 3, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]")] == '\0';
}

static enum mr_err
set_origins(struct mr_conf_list *list, const char *text, struct mr_error *err)
{
	if (set_list(list, text) != MR_OK)
		return mr_fail(err, MR_ENOMEM, "no memory for the configuration");
	for (size_t i = 0; i < list->n; i++)
		if (!is_origin(list->items[i]))
			return mr_fail(err, MR_EINVAL, "'%s' is neither * nor an origin such as "
			    "https://www.example.com (lower case, no path, no closing slash)",
			    list->items[i]);
	return MR_OK;
}

static bool
is_header(const char *text)
{
	size_t n = strlen(text);

	/* '_' is left out: a web server cannot tell it from '-'. */
	return n > 0 && n <= MAX_HEADER && strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == n;
}

static enum mr_err
set_headers(struct mr_conf_list *list, const char *text, struct mr_error *err)
{
	if (set_list(list, text) != MR_OK)
		return mr_fail(err, MR_ENOMEM, "no memory for the configuration");
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], "*") != 0 && !is_header(list->items[i]))
			return mr_fail(err, MR_EINVAL, "'%s' is neither * nor the name of a header",
			    list->items[i]);
	return MR_OK;
}

static enum mr_err
add_block(struct mr_conf *conf, struct mr_str text, struct mr_error *err)
{
	struct mr_ip_block *blocks = realloc(conf->trusted_proxies,
	    (conf->n_trusted_proxies + 1) * sizeof *blocks);

	if (blocks == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for the configuration");
	conf->trusted_proxies = blocks;
	if (!mr_ip_block_parse(text, &blocks[conf->n_trusted_proxies]))
		return mr_fail(err, MR_EINVAL, "'%.*s' is neither an address nor a block such as "
		    "10.0.0.0/8", (int)text.n, text.p);
	conf->n_trusted_proxies++;
	return MR_OK;
}

/* Those of a line, up to a comment. */
static enum mr_err
add_blocks(struct mr_conf *conf, const char *text, struct mr_error *err)
{
	enum mr_err e = MR_OK;
	size_t n;

	for (; *(text += strspn(text, separators)) != '\0' && e == MR_OK; text += n) {
		if (*text == '#' || *text == ';')
			break;
		n = strcspn(text, separators);
		e = add_block(conf, (struct mr_str){ text, n }, err);
	}
	return e;
}

/* A file of addresses and blocks, as the operators of proxies publish them. */
static enum mr_err
add_file(struct mr_conf *conf, const char *path, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	FILE *file = fopen(path, "re");
	enum mr_err e = MR_OK;
	char line[256];

	if (file == NULL)
		return mr_fail(err, MR_EINVAL, "file %s: %s", path, strerror(errno));
	for (int i = 1; e == MR_OK && fgets(line, sizeof line, file) != NULL; i++) {
		line[strcspn(line, "\r\n")] = '\0';
		e = add_blocks(conf, line, &why);
		if (e != MR_OK)
			(void)mr_fail(err, e, "file %s, line %d: %.300s", path, i, why.text);
	}
	if (e == MR_OK && ferror(file))
		e = mr_fail(err, MR_EINVAL, "file %s: %s", path, strerror(errno));
	fclose(file);
	return e;
}

/* Sets trusted_proxies, the one list of blocks. */
static enum mr_err
set_blocks(struct mr_conf *conf, const char *text, struct mr_error *err)
{
	struct mr_conf_list items = { NULL, 0 };
	enum mr_err e = MR_OK;

	free(conf->trusted_proxies);
	conf->trusted_proxies = NULL;
	conf->n_trusted_proxies = 0;
	if (set_list(&items, text) != MR_OK)
		e = mr_fail(err, MR_ENOMEM, "no memory for the configuration");
	for (size_t i = 0; i < items.n && e == MR_OK; i++)
		e = items.items[i][0] == '@' ? add_file(conf, items.items[i] + 1, err) :
		    add_block(conf, mr_str(items.items[i]), err);
	list_free(&items);
	return e;
}

static enum mr_err
set_text(char **slot, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return MR_ENOMEM;
	free(*slot);
	*slot = copy;
	return MR_OK;
}

/* A whole number, for sizes with k, M or G behind it. */
static bool
read_number(const char *text, bool size, int64_t *value)
{
	static const char units[] = "kKmMgG";
	const char *unit;
	char *end;
	long long v;
	int shift = 0;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (size && *end != '\0' && (unit = strchr(units, *end)) != NULL) {
		shift = 10 * ((int)(unit - units) / 2 + 1);
		end++;
	}
	if (*end != '\0' || errno != 0 || v > INT64_MAX >> shift)
		return false;
	*value = (int64_t)v << shift;
	return true;
}

static enum mr_err
set_number(const struct mr_conf_key *k, int64_t *slot, const char *text, struct mr_error *err)
{
	int64_t value;

	if (!read_number(text, k->type == MR_T_SIZE, &value))
		return mr_fail(err, MR_EINVAL, "'%s' is not a whole number%s", text,
		    k->type == MR_T_SIZE ? " of bytes (k, M and G are understood)" : "");
	if (value < k->least || value > k->most)
		return mr_fail(err, MR_EINVAL, "%s is out of range; allowed are %lld to %lld",
		    text, (long long)k->least, (long long)k->most);
	*slot = value;
	return MR_OK;
}

/* A whole number with its unit; 0 needs none. */
static bool
read_span(const char *text, int64_t *seconds)
{
	static const char units[] = "smhd";
	static const int64_t worth[] = { 1, 60, 3600, 86400 };
	const char *unit;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 12)
		return false;
	*seconds = strtoll(text, NULL, 10);
	if (text[digits] == '\0')
		return *seconds == 0;
	if ((unit = strchr(units, text[digits])) == NULL || text[digits + 1] != '\0')
		return false;
	*seconds *= worth[unit - units];
	return true;
}

static enum mr_err
set_span(const struct mr_conf_key *k, int64_t *slot, const char *text, struct mr_error *err)
{
	int64_t value;

	if (!read_span(text, &value))
		return mr_fail(err, MR_EINVAL, "'%s' is no time such as 90s, 30m, 24h or 7d", text);
	if (value < k->least || value > k->most)
		return mr_fail(err, MR_EINVAL, "%s is out of range; allowed are %llds to %llds",
		    text, (long long)k->least, (long long)k->most);
	*slot = value;
	return MR_OK;
}

static enum mr_err
check_text(const struct mr_conf_key *k, const char *text, struct mr_error *err)
{
	size_t n = strlen(text);

	if (k->type == MR_T_SITE && (n == 0 || n > MAX_SITE))
		return mr_fail(err, MR_EINVAL, "it must have 1 to %d bytes", MAX_SITE);
	if (k->type == MR_T_SHA256 && n > 0 &&
	    (n != 64 || strspn(text, "0123456789abcdefABCDEF") != n))
		return mr_fail(err, MR_EINVAL, "it is not a SHA-256 in hex (64 digits)");
	if (k->type == MR_T_HEADER && !is_header(text))
		return mr_fail(err, MR_EINVAL, "'%s' is not the name of a header, such as "
		    "X-Real-IP", text);
	return MR_OK;
}

static enum mr_err
set_bool(bool *slot, const char *text, struct mr_error *err)
{
	static const char *const words[2][4] = { { "off", "no", "false", "0" },
		{ "on", "yes", "true", "1" } };

	for (int value = 0; value < 2; value++) {
		for (int i = 0; i < 4; i++) {
			if (strcmp(text, words[value][i]) == 0) {
				*slot = value != 0;
				return MR_OK;
			}
		}
	}
	return mr_fail(err, MR_EINVAL, "'%s' is neither on nor off", text);
}

static enum mr_err
find_choice(const struct mr_conf_key *k, int64_t *value, const char *text, struct mr_error *err)
{
	char allowed[128] = "";
	size_t used = 0;

	for (const struct mr_conf_choice *c = k->choices; c->text != NULL; c++) {
		if (strcmp(c->text, text) == 0) {
			*value = c->value;
			return MR_OK;
		}
		used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s",
		    used > 0 ? ", " : "", c->text);
	}
	return mr_fail(err, MR_EINVAL, "'%s' is not one of %s", text, allowed);
}

enum mr_err
mr_conf_set(const struct mr_conf_key *k, void *base, const char *text, struct mr_error *err)
{
	void *slot = (char *)base + k->offset;
	enum mr_err e = MR_OK;
	int64_t unused;

	switch (k->type) {
	case MR_T_INT:
	case MR_T_SIZE:
		return set_number(k, slot, text, err);
	case MR_T_SPAN:
		return set_span(k, slot, text, err);
	case MR_T_BOOL:
		return set_bool(slot, text, err);
	case MR_T_CHOICE:
		return find_choice(k, slot, text, err);
	case MR_T_LIST:
		e = set_list(slot, text);
		break;
	case MR_T_ORIGINS:
		return set_origins(slot, text, err);
	case MR_T_BLOCKS:
		return set_blocks(base, text, err);
	case MR_T_WORD:
		if ((e = find_choice(k, &unused, text, err)) != MR_OK)
			return e;
		e = set_text(slot, text);
		break;
	case MR_T_HEADERS:
		return set_headers(slot, text, err);
	case MR_T_TEXT:
	case MR_T_SITE:
	case MR_T_HEADER:
	case MR_T_SHA256:
		if ((e = check_text(k, text, err)) != MR_OK)
			return e;
		e = set_text(slot, text);
		break;
	}
	return e == MR_OK ? MR_OK : mr_fail(err, e, "no memory for the configuration");
}

void
mr_conf_clear_text(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void
mr_conf_clear(const struct mr_conf_key *k, void *base)
{
	void *slot = (char *)base + k->offset;

	switch (k->type) {
	case MR_T_ORIGINS:
	case MR_T_HEADERS:
	case MR_T_LIST:
		list_free(slot);
		break;
	case MR_T_TEXT:
	case MR_T_WORD:
	case MR_T_SITE:
	case MR_T_HEADER:
	case MR_T_SHA256:
		mr_conf_clear_text(slot);
		break;
	case MR_T_INT:
	case MR_T_SIZE:
	case MR_T_SPAN:
	case MR_T_BOOL:
	case MR_T_CHOICE:
	case MR_T_BLOCKS:
		break;
	}
}
