/*
 * Configuration: see conf.h. The only user of inih.
 *
 * inih reads lines into a fixed buffer (200 bytes in Debian's build), cuts a
 * longer one silently, cuts the name of a section at 49 bytes and gives the
 * handler no line number. So the lines are fed to it by read_line(), which
 * counts them, refuses what would be cut and keeps the section's whole name.
 * It also takes the indentation off, since inih would read an indented line as
 * the continuation of the value before it.
 */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <ini.h>

enum type { T_INT, T_SIZE, T_BOOL, T_CHOICE, T_TEXT, T_SITE, T_SHA256, T_LIST, T_BLOCKS };

/* A site's name is a column of every event. */
#define MAX_SITE 255

struct choice {
	const char *text;
	int64_t value;
};

struct key {
	const char *section;
	const char *name;
	enum type type;
	size_t offset;                /* of the member of struct mr_conf */
	const char *default_text;
	int64_t least, most;          /* T_INT, T_SIZE */
	const struct choice *choices; /* T_CHOICE; ends with text == NULL */
	const char *env;              /* a variable that overrides, or NULL */
};

static const struct choice environments[] = { { "development", MR_DEVELOPMENT },
	{ "production", MR_PRODUCTION }, { NULL, 0 } };
static const struct choice log_levels[] = { { "debug", MR_LOG_DEBUG }, { "info", MR_LOG_INFO },
	{ "warning", MR_LOG_WARNING }, { "error", MR_LOG_ERROR }, { NULL, 0 } };
static const struct choice ip_privacies[] = { { "none", MR_IP_KEEP },
	{ "truncate", MR_IP_TRUNCATE }, { "drop", MR_IP_DROP }, { NULL, 0 } };

#define AT(member) offsetof(struct mr_conf, member)
#define MiB (INT64_C(1) << 20)

static const struct key table[] = {
	{ "millrace", "environment", T_CHOICE, AT(environment), "development", 0, 0, environments,
	    "ENVIRONMENT" },
	{ "millrace", "log", T_TEXT, AT(log), "stderr", 0, 0, NULL, NULL },
	{ "millrace", "log_level", T_CHOICE, AT(log_level), "info", 0, 0, log_levels, NULL },
	{ "database", "url", T_TEXT, AT(database_url), "postgresql:///millrace", 0, 0, NULL,
	    "DATABASE_URL" },
	{ "database", "connect_timeout_ms", T_INT, AT(connect_timeout_ms), "3000", 100, 60000,
	    NULL, NULL },
	{ "database", "query_timeout_ms", T_INT, AT(query_timeout_ms), "3000", 100, 600000, NULL,
	    NULL },
	{ "database", "recycle_s", T_INT, AT(recycle_s), "3600", 0, 604800, NULL, NULL },
	{ "database", "idle_check_s", T_INT, AT(idle_check_s), "30", 0, 86400, NULL, NULL },
	{ "database", "synchronous_commit", T_BOOL, AT(synchronous_commit), "on", 0, 0, NULL,
	    NULL },
	{ "database", "partitions_ahead", T_INT, AT(partitions_ahead), "7", 0, 366, NULL, NULL },
	{ "collector", "threads", T_INT, AT(threads), "32", 1, 1024, NULL, NULL },
	{ "collector", "max_body", T_SIZE, AT(max_body_bytes), "1M", 1024, 64 * MiB, NULL, NULL },
	{ "collector", "max_batch_events", T_INT, AT(max_batch_events), "1000", 1, 20000, NULL,
	    NULL },
	{ "collector", "group_max_rows", T_INT, AT(group_max_rows), "4000", 1, 100000, NULL,
	    NULL },
	{ "collector", "group_max_bytes", T_SIZE, AT(group_max_bytes), "4M", 65536, 64 * MiB,
	    NULL, NULL },
	{ "collector", "retry_after_s", T_INT, AT(retry_after_s), "5", 1, 3600, NULL, NULL },
	{ "collector", "default_site", T_SITE, AT(default_site), "default", 0, 0, NULL, NULL },
	{ "collector", "trusted_proxies", T_BLOCKS, AT(trusted_proxies), "", 0, 0, NULL, NULL },
	{ "collector", "origins", T_LIST, AT(origins), "*", 0, 0, NULL, NULL },
	{ "privacy", "anonymize_ip", T_CHOICE, AT(client_ip), "none", 0, 0, ip_privacies, NULL },
	{ "admin", "token_sha256", T_SHA256, AT(token_sha256), "", 0, 0, NULL, NULL },
};
#define N_KEYS (sizeof table / sizeof table[0])

#undef AT
#define AT(member) offsetof(struct mr_conf_site, member)
static const struct key site_table[] = {
	{ "site NAME", "origins", T_LIST, AT(origins), "", 0, 0, NULL, NULL },
};
#undef AT
#define N_SITE_KEYS (sizeof site_table / sizeof site_table[0])
#define SITE_PREFIX "site "

/* One file being read. */
struct reader {
	struct mr_conf *conf;
	const char *path;
	FILE *file;
	int line;                    /* of the line that inih works on */
	char section[256];           /* the section that it is in; longer than any line */
	int first_line[N_KEYS];      /* where a key was set; 0: not yet */
	enum mr_err failed;          /* the first error, which stands in err */
	int failed_line;
	struct mr_error *err;
};

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

/* Sets trusted_proxies, the one list of blocks. */
static enum mr_err
set_blocks(struct mr_conf *conf, const char *text, struct mr_error *err)
{
	struct mr_ip_block *blocks;
	size_t n;

	free(conf->trusted_proxies);
	conf->trusted_proxies = NULL;
	conf->n_trusted_proxies = 0;
	for (; *(text += strspn(text, separators)) != '\0'; text += n) {
		n = strcspn(text, separators);
		blocks = realloc(conf->trusted_proxies,
		    (conf->n_trusted_proxies + 1) * sizeof *blocks);
		if (blocks == NULL)
			return mr_fail(err, MR_ENOMEM, "no memory for the configuration");
		conf->trusted_proxies = blocks;
		if (!mr_ip_block_parse((struct mr_str){ text, n },
		    &blocks[conf->n_trusted_proxies]))
			return mr_fail(err, MR_EINVAL, "'%.*s' is neither an address nor a "
			    "block such as 10.0.0.0/8", (int)n, text);
		conf->n_trusted_proxies++;
	}
	return MR_OK;
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
set_number(const struct key *k, int64_t *slot, const char *text, struct mr_error *err)
{
	int64_t value;

	if (!read_number(text, k->type == T_SIZE, &value))
		return mr_fail(err, MR_EINVAL, "'%s' is not a whole number%s", text,
		    k->type == T_SIZE ? " of bytes (k, M and G are understood)" : "");
	if (value < k->least || value > k->most)
		return mr_fail(err, MR_EINVAL, "%s is out of range; allowed are %lld to %lld",
		    text, (long long)k->least, (long long)k->most);
	*slot = value;
	return MR_OK;
}

static enum mr_err
check_text(const struct key *k, const char *text, struct mr_error *err)
{
	size_t n = strlen(text);

	if (k->type == T_SITE && (n == 0 || n > MAX_SITE))
		return mr_fail(err, MR_EINVAL, "it must have 1 to %d bytes", MAX_SITE);
	if (k->type == T_SHA256 && n > 0 &&
	    (n != 64 || strspn(text, "0123456789abcdefABCDEF") != n))
		return mr_fail(err, MR_EINVAL, "it is not a SHA-256 in hex (64 digits)");
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
set_choice(const struct key *k, int64_t *slot, const char *text, struct mr_error *err)
{
	char allowed[128] = "";
	size_t used = 0;

	for (const struct choice *c = k->choices; c->text != NULL; c++) {
		if (strcmp(c->text, text) == 0) {
			*slot = c->value;
			return MR_OK;
		}
		used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s",
		    used > 0 ? ", " : "", c->text);
	}
	return mr_fail(err, MR_EINVAL, "'%s' is not one of %s", text, allowed);
}

/* Reads text into the member of base that the key describes. */
static enum mr_err
set_value(const struct key *k, void *base, const char *text, struct mr_error *err)
{
	void *slot = (char *)base + k->offset;
	enum mr_err e = MR_OK;

	switch (k->type) {
	case T_INT:
	case T_SIZE:
		return set_number(k, slot, text, err);
	case T_BOOL:
		return set_bool(slot, text, err);
	case T_CHOICE:
		return set_choice(k, slot, text, err);
	case T_BLOCKS:
		return set_blocks(base, text, err);
	case T_TEXT:
	case T_SITE:
	case T_SHA256:
		if ((e = check_text(k, text, err)) != MR_OK)
			return e;
		e = set_text(slot, text);
		break;
	case T_LIST:
		e = set_list(slot, text);
		break;
	}
	return e == MR_OK ? MR_OK : mr_fail(err, e, "no memory for the configuration");
}

static const struct key *
find_key(const struct key *keys, size_t n, const char *section, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static bool
section_known(const char *section)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (strcmp(table[i].section, section) == 0)
			return true;
	return false;
}

/* The [site NAME] of that name, made when it is new. */
static struct mr_conf_site *
site_of(struct mr_conf *conf, const char *name)
{
	struct mr_conf_site *sites;

	for (size_t i = 0; i < conf->n_sites; i++)
		if (strcmp(conf->sites[i].name, name) == 0)
			return &conf->sites[i];
	sites = realloc(conf->sites, (conf->n_sites + 1) * sizeof *sites);
	if (sites == NULL)
		return NULL;
	conf->sites = sites;
	sites[conf->n_sites] = (struct mr_conf_site){ .name = strdup(name) };
	return sites[conf->n_sites].name != NULL ? &sites[conf->n_sites++] : NULL;
}

static enum mr_err
take_site(struct reader *r, const char *site_name, const char *name, const char *value,
    struct mr_error *why)
{
	const struct key *k = find_key(site_table, N_SITE_KEYS, "site NAME", name);
	struct mr_conf_site *site;

	if (k == NULL)
		return mr_fail(why, MR_EINVAL, "unknown key '%s' in [site %s]", name, site_name);
	if (site_name[0] == '\0')
		return mr_fail(why, MR_EINVAL, "[site NAME] needs a name");
	site = site_of(r->conf, site_name);
	if (site == NULL)
		return mr_fail(why, MR_ENOMEM, "no memory for the configuration");
	if ((site->keys_set & 1U << (k - site_table)) != 0)
		return mr_fail(why, MR_EINVAL, "%s was already set for site %s", name,
		    site_name);
	site->keys_set |= 1U << (k - site_table);
	return set_value(k, site, value, why);
}

static enum mr_err
take(struct reader *r, const char *section, const char *name, const char *value,
    struct mr_error *why)
{
	const struct key *k;
	struct mr_error detail = MR_ERROR_INIT;
	size_t i;

	if (strncmp(section, SITE_PREFIX, sizeof SITE_PREFIX - 1) == 0)
		return take_site(r, section + sizeof SITE_PREFIX - 1, name, value, why);
	k = find_key(table, N_KEYS, section, name);
	if (k == NULL && section[0] == '\0')
		return mr_fail(why, MR_EINVAL, "key '%s' stands before any [section]", name);
	if (k == NULL && !section_known(section))
		return mr_fail(why, MR_EINVAL, "unknown section [%s]", section);
	if (k == NULL)
		return mr_fail(why, MR_EINVAL, "unknown key '%s' in [%s]", name, section);
	i = (size_t)(k - table);
	if (r->first_line[i] != 0)
		return mr_fail(why, MR_EINVAL, "%s was already set in line %d", name,
		    r->first_line[i]);
	r->first_line[i] = r->line;
	if (set_value(k, r->conf, value, &detail) == MR_OK)
		return MR_OK;
	return mr_fail(why, detail.code, "%s: %.400s", name, detail.text);
}

/* inih calls it for each pair; 0 stops nothing, so only the first error counts. */
static int
handle(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *r = arg;
	struct mr_error why = MR_ERROR_INIT;

	(void)section;
	if (r->failed != MR_OK)
		return 0;
	r->failed = take(r, r->section, name, value, &why);
	if (r->failed == MR_OK)
		return 1;
	r->failed_line = r->line;
	(void)mr_fail(r->err, r->failed, "%s:%d: %.400s", r->path, r->line, why.text);
	return 0;
}

static char *
refuse_line(struct reader *r, const char *what)
{
	r->failed_line = r->line;
	r->failed = mr_fail(r->err, MR_EINVAL, "%s:%d: %s", r->path, r->line, what);
	return NULL;
}

/* Remembers the name in "[name]". */
static void
note_section(struct reader *r, const char *line)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *end;
	size_t n;

	if (strncmp(line, bom, sizeof bom - 1) == 0)
		line += sizeof bom - 1;
	end = strchr(line, ']');
	if (line[0] != '[' || end == NULL)
		return;
	n = (size_t)(end - line) - 1;
	if (n >= sizeof r->section)
		n = sizeof r->section - 1;
	memcpy(r->section, line + 1, n);
	r->section[n] = '\0';
}

/* fgets() for inih: one whole line or an error, the indentation taken off. */
static char *
read_line(char *buf, int size, void *arg)
{
	struct reader *r = arg;
	int c = EOF, n = 0;

	if (r->failed != MR_OK)
		return NULL;
	while (n < size - 1 && (c = getc(r->file)) != EOF) {
		if (n == 0 && (c == ' ' || c == '\t'))
			continue;
		if (c == '\0') {
			r->line++;
			return refuse_line(r, "the line has a NUL byte");
		}
		buf[n++] = (char)c;
		if (c == '\n')
			break;
	}
	if (n == 0)
		return NULL;
	r->line++;
	if (n == size - 1 && c != '\n' && (c = getc(r->file)) != EOF)
		return refuse_line(r, "the line is too long: the INI reader takes 198 bytes");
	buf[n] = '\0';
	note_section(r, buf);
	return buf;
}

static enum mr_err
read_file(struct mr_conf *conf, const char *path, struct mr_error *err)
{
	struct reader r = { .conf = conf, .path = path, .err = err };
	struct stat st;
	int bad_line;

	r.file = fopen(path, "re");
	if (r.file == NULL)
		return mr_fail(err, MR_EIO, "configuration %s: %s", path, strerror(errno));
	if (fstat(fileno(r.file), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(r.file);
		return mr_fail(err, MR_EIO, "configuration %s: is a directory", path);
	}
	bad_line = ini_parse_stream(read_line, &r, handle, &r);
	if (r.failed == MR_OK && ferror(r.file))
		r.failed = mr_fail(err, MR_EIO, "configuration %s: %s", path, strerror(errno));
	else if (bad_line > 0 && (r.failed == MR_OK || bad_line < r.failed_line))
		r.failed = mr_fail(err, MR_EINVAL, "%s:%d: expected [section] or key = value",
		    path, bad_line);
	fclose(r.file);
	return r.failed;
}

static enum mr_err
set_defaults(struct mr_conf *conf, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < N_KEYS && e == MR_OK; i++)
		e = set_value(&table[i], conf, table[i].default_text, err);
	return e;
}

static enum mr_err
read_environment(struct mr_conf *conf, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	const char *value;

	for (size_t i = 0; i < N_KEYS; i++) {
		if (table[i].env == NULL || (value = getenv(table[i].env)) == NULL ||
		    value[0] == '\0')
			continue;
		if (set_value(&table[i], conf, value, &why) != MR_OK)
			return mr_fail(err, why.code, "environment variable %s: %.400s",
			    table[i].env, why.text);
	}
	return MR_OK;
}

/* What no single key can tell. */
static enum mr_err
check_whole(const struct mr_conf *conf, struct mr_error *err)
{
	if (conf->environment == MR_PRODUCTION && conf->token_sha256[0] == '\0')
		return mr_fail(err, MR_EINVAL, "environment is production and [admin] "
		    "token_sha256 is not set; make a token and put its SHA-256 there");
	return MR_OK;
}

enum mr_err
mr_conf_load(struct mr_conf *conf, const char *path, struct mr_error *err)
{
	enum mr_err e;

	*conf = (struct mr_conf){ .log = NULL };
	if ((e = set_defaults(conf, err)) != MR_OK ||
	    (path != NULL && (e = read_file(conf, path, err)) != MR_OK) ||
	    (e = read_environment(conf, err)) != MR_OK || (e = check_whole(conf, err)) != MR_OK)
		mr_conf_free(conf);
	return e;
}

static void
free_value(const struct key *k, void *base)
{
	void *slot = (char *)base + k->offset;
	char **text;

	if (k->type == T_LIST)
		list_free(slot);
	if (k->type != T_TEXT && k->type != T_SITE && k->type != T_SHA256)
		return;
	text = slot;
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void
mr_conf_free(struct mr_conf *conf)
{
	for (size_t i = 0; i < N_KEYS; i++)
		free_value(&table[i], conf);
	for (size_t s = 0; s < conf->n_sites; s++) {
		for (size_t i = 0; i < N_SITE_KEYS; i++)
			free_value(&site_table[i], &conf->sites[s]);
		free(conf->sites[s].name);
	}
	free(conf->sites);
	free(conf->trusted_proxies);
	*conf = (struct mr_conf){ .log = NULL };
}

const struct mr_conf_site *
mr_conf_site_find(const struct mr_conf *conf, struct mr_str name)
{
	for (size_t i = 0; i < conf->n_sites; i++)
		if (mr_str_eq(mr_str(conf->sites[i].name), name))
			return &conf->sites[i];
	return NULL;
}

void
mr_conf_each_key(void (*visit)(void *arg, const char *section, const char *key,
    const char *default_text), void *arg)
{
	for (size_t i = 0; i < N_KEYS; i++)
		visit(arg, table[i].section, table[i].name, table[i].default_text);
	for (size_t i = 0; i < N_SITE_KEYS; i++)
		visit(arg, site_table[i].section, site_table[i].name,
		    site_table[i].default_text);
}
