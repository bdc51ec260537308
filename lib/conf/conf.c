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
#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <ini.h>

#include "conf/client.h"
#include "conf/value.h"

static const struct mr_conf_choice environments[] = { { "development", MR_DEVELOPMENT },
	{ "production", MR_PRODUCTION }, { NULL, 0 } };
static const struct mr_conf_choice log_levels[] = { { "debug", MR_LOG_DEBUG }, { "info", MR_LOG_INFO },
	{ "warning", MR_LOG_WARNING }, { "error", MR_LOG_ERROR }, { NULL, 0 } };
static const struct mr_conf_choice ingests[] = { { "direct", MR_INGEST_DIRECT },
	{ "spool", MR_INGEST_SPOOL }, { NULL, 0 } };
static const struct mr_conf_choice ip_privacies[] = { { "none", MR_IP_KEEP },
	{ "truncate", MR_IP_TRUNCATE }, { "drop", MR_IP_DROP }, { NULL, 0 } };

static const struct mr_conf_choice visitors[] = { { "client", MR_VISITOR_CLIENT },
	{ "hash", MR_VISITOR_HASH }, { "none", MR_VISITOR_NONE }, { NULL, 0 } };

static const struct mr_conf_choice unclaimeds[] = { { "keep", MR_UNCLAIMED_KEEP },
	{ "drop", MR_UNCLAIMED_DROP }, { NULL, 0 } };
static const struct mr_conf_choice write_keys[] = { { "open", MR_WRITE_KEYS_OPEN },
	{ "listed", MR_WRITE_KEYS_LISTED }, { NULL, 0 } };

#define AT(member) offsetof(struct mr_conf, member)
#define MOST_S (INT64_C(36500) * 86400)
#define MiB (INT64_C(1) << 20)

static const struct mr_conf_key table[] = {
	{ "millrace", "environment", MR_T_CHOICE, AT(environment), "development", 0, 0, environments,
	    "ENVIRONMENT" },
	{ "millrace", "log", MR_T_TEXT, AT(log), "stderr", 0, 0, NULL, NULL },
	{ "millrace", "log_level", MR_T_CHOICE, AT(log_level), "info", 0, 0, log_levels, NULL },
	{ "database", "url", MR_T_TEXT, AT(database_url), "postgresql:///millrace", 0, 0, NULL,
	    "DATABASE_URL" },
	{ "database", "connections", MR_T_INT, AT(connections), "2", 1, 16, NULL, NULL },
	{ "database", "connect_timeout_ms", MR_T_INT, AT(connect_timeout_ms), "3000", 100, 60000,
	    NULL, NULL },
	{ "database", "query_timeout_ms", MR_T_INT, AT(query_timeout_ms), "3000", 100, 600000, NULL,
	    NULL },
	{ "database", "recycle_s", MR_T_INT, AT(recycle_s), "3600", 0, 604800, NULL, NULL },
	{ "database", "idle_check_s", MR_T_INT, AT(idle_check_s), "30", 0, 86400, NULL, NULL },
	{ "database", "synchronous_commit", MR_T_BOOL, AT(synchronous_commit), "on", 0, 0, NULL,
	    NULL },
	{ "database", "partitions_ahead", MR_T_INT, AT(partitions_ahead), "7", 0, 366, NULL, NULL },
	{ "database", "ledger_days", MR_T_INT, AT(ledger_days), "7", 1, 3650, NULL, NULL },
	{ "collector", "ingest", MR_T_CHOICE, AT(ingest), "direct", 0, 0, ingests, NULL },
	{ "collector", "threads", MR_T_INT, AT(threads), "32", 1, 1024, NULL, NULL },
	{ "collector", "request_timeout_s", MR_T_INT, AT(request_timeout_s), "30", 1, 3600, NULL, NULL },
	{ "collector", "max_body", MR_T_SIZE, AT(max_body_bytes), "1M", 1024, 64 * MiB, NULL, NULL },
	{ "collector", "max_batch_events", MR_T_INT, AT(max_batch_events), "1000", 1, 20000, NULL,
	    NULL },
	{ "collector", "max_batch_bytes", MR_T_SIZE, AT(max_batch_bytes), "500k", 1024, 64 * MiB,
	    NULL, NULL },
	{ "collector", "max_message", MR_T_SIZE, AT(max_message_bytes), "32k", 256, 64 * MiB, NULL,
	    NULL },
	{ "collector", "write_keys", MR_T_CHOICE, AT(write_keys), "open", 0, 0, write_keys, NULL },
	{ "collector", "group_max_rows", MR_T_INT, AT(group_max_rows), "4000", 1, 100000, NULL,
	    NULL },
	{ "collector", "group_max_bytes", MR_T_SIZE, AT(group_max_bytes), "4M", 65536, 64 * MiB,
	    NULL, NULL },
	{ "collector", "retry_after_s", MR_T_INT, AT(retry_after_s), "5", 1, 3600, NULL, NULL },
	{ "collector", "default_site", MR_T_SITE, AT(default_site), "default", 0, 0, NULL, NULL },
	{ "collector", "trusted_proxies", MR_T_BLOCKS, AT(trusted_proxies), "", 0, 0, NULL, NULL },
	{ "collector", "client_ip_header", MR_T_HEADER, AT(client_ip_header), "X-Forwarded-For", 0,
	    0, NULL, NULL },
	{ "collector", "origins", MR_T_ORIGINS, AT(origins), "*", 0, 0, NULL, NULL },
	{ "collector", "allow_headers", MR_T_HEADERS, AT(allow_headers), "", 0, 0, NULL, NULL },
	{ "limits", "requests_per_address", MR_T_INT, AT(address_requests), "0", 0, 1000000, NULL,
	    NULL },
	{ "limits", "bytes_per_address", MR_T_SIZE, AT(address_bytes), "0", 0, 1024 * MiB, NULL,
	    NULL },
	{ "limits", "requests_per_site", MR_T_INT, AT(site_requests), "0", 0, 1000000, NULL, NULL },
	{ "limits", "bytes_per_site", MR_T_SIZE, AT(site_bytes), "0", 0, 1024 * MiB, NULL, NULL },
	{ "limits", "burst_s", MR_T_INT, AT(limit_burst_s), "10", 1, 3600, NULL, NULL },
	{ "spool", "dir", MR_T_TEXT, AT(spool_dir), MR_LOCALSTATEDIR "/lib/millrace/spool", 0, 0,
	    NULL, NULL },
	{ "spool", "segment_bytes", MR_T_SIZE, AT(segment_bytes), "64M", 4096, 1024 * MiB, NULL,
	    NULL },
	{ "spool", "max_bytes", MR_T_SIZE, AT(spool_max_bytes), "1G", 65536, MiB * MiB, NULL,
	    NULL },
	{ "spool", "reserve_bytes", MR_T_SIZE, AT(spool_reserve_bytes), "256M", 0, MiB * MiB, NULL,
	    NULL },
	{ "spool", "share", MR_T_INT, AT(spool_share), "50", 1, 100, NULL, NULL },
	{ "secrets", "key_file", MR_T_TEXT, AT(key_file), MR_SYSCONFDIR "/millrace.key", 0, 0, NULL,
	    NULL },
	{ "privacy", "anonymize_ip", MR_T_CHOICE, AT(client_ip), "none", 0, 0, ip_privacies, NULL },
	{ "privacy", "visitor_id", MR_T_CHOICE, AT(visitor_id), "client", 0, 0, visitors, NULL },
	{ "metrics", "file", MR_T_TEXT, AT(metrics_file), MR_LOCALSTATEDIR "/lib/millrace/counters", 0, 0,
	    NULL, NULL },
	{ "admin", "token_sha256", MR_T_SHA256, AT(token_sha256), "", 0, 0, NULL, NULL },
	{ "export", "spawn", MR_T_BOOL, AT(spawn), "on", 0, 0, NULL, NULL },
	{ "export", "program", MR_T_TEXT, AT(export_program), MR_SBINDIR "/millrace-export", 0, 0,
	    NULL, NULL },
	{ "export", "batch_max_rows", MR_T_INT, AT(batch_max_rows), "1000000", 1, 100000000, NULL,
	    NULL },
	{ "export", "history_days", MR_T_INT, AT(history_days), "90", 1, 36500, NULL, NULL },
	{ "retention", "events", MR_T_SPAN, AT(keep_events_s), "24h", 0, MOST_S, NULL, NULL },
	{ "retention", "max_bytes", MR_T_SIZE, AT(max_bytes), "0", 0, MiB * MiB, NULL, NULL },
	{ "retention", "rejected", MR_T_SPAN, AT(keep_rejected_s), "30d", 3600, MOST_S, NULL, NULL },
	{ "retention", "dedup", MR_T_SPAN, AT(keep_dedup_s), "7d", 3600, MOST_S, NULL, NULL },
	{ "retention", "history", MR_T_SPAN, AT(keep_history_s), "0", 0, MOST_S, NULL, NULL },
	{ "retention", "unclaimed", MR_T_CHOICE, AT(unclaimed), "keep", 0, 0, unclaimeds, NULL },
	MR_CONF_BUCKET_KEYS("backup", struct mr_conf, backup),
};
#define N_KEYS (sizeof table / sizeof table[0])

#undef AT
#define AT(member) offsetof(struct mr_conf_site, member)
static const struct mr_conf_key site_table[] = {
	{ "site NAME", "origins", MR_T_ORIGINS, AT(origins), "", 0, 0, NULL, NULL },
	{ "site NAME", "write_key", MR_T_TEXT, AT(write_key), "", 0, 0, NULL, NULL },
};
#undef AT
#define N_SITE_KEYS (sizeof site_table / sizeof site_table[0])
#define SITE_PREFIX "site "
#define CLIENT_PREFIX "client "

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

static const struct mr_conf_key *
find_key(const struct mr_conf_key *keys, size_t n, const char *section, const char *name)
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

/* Sets a value; the error begins with the key. */
static enum mr_err
set_named(const struct mr_conf_key *k, void *base, const char *value, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;

	if (mr_conf_set(k, base, value, &why) == MR_OK)
		return MR_OK;
	return mr_fail(err, why.code, "%s: %.400s", k->name, why.text);
}

static enum mr_err
take_site(struct reader *r, const char *site_name, const char *name, const char *value,
    struct mr_error *why)
{
	const struct mr_conf_key *k = find_key(site_table, N_SITE_KEYS, "site NAME", name);
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
	return set_named(k, site, value, why);
}

static enum mr_err
take(struct reader *r, const char *section, const char *name, const char *value,
    struct mr_error *why)
{
	const struct mr_conf_key *k;
	size_t i;

	if (strncmp(section, SITE_PREFIX, sizeof SITE_PREFIX - 1) == 0)
		return take_site(r, section + sizeof SITE_PREFIX - 1, name, value, why);
	if (strncmp(section, CLIENT_PREFIX, sizeof CLIENT_PREFIX - 1) == 0)
		return mr_conf_client_take(r->conf, section + sizeof CLIENT_PREFIX - 1, name,
		    value, why);
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
	if (k->offset == offsetof(struct mr_conf, keep_events_s))
		r->conf->keep_events_set = true;
	return set_named(k, r->conf, value, why);
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
		e = mr_conf_set(&table[i], conf, table[i].default_text, err);
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
		if (mr_conf_set(&table[i], conf, value, &why) != MR_OK)
			return mr_fail(err, why.code, "environment variable %s: %.400s",
			    table[i].env, why.text);
	}
	return MR_OK;
}

/* What no single key can tell. */
static enum mr_err
check_whole(struct mr_conf *conf, struct mr_error *err)
{
	if (conf->environment == MR_PRODUCTION && conf->token_sha256[0] == '\0')
		return mr_fail(err, MR_EINVAL, "environment is production and [admin] "
		    "token_sha256 is not set; make a token and put its SHA-256 there");
	if (conf->ingest == MR_INGEST_SPOOL && conf->spool_dir[0] == '\0')
		return mr_fail(err, MR_EINVAL, "[collector] ingest is spool and [spool] dir is "
		    "empty; name a folder there");
	if (conf->keep_history_s == 0)
		conf->keep_history_s = conf->history_days * 86400;
	return mr_conf_client_check(conf, err);
}

/* For programs that start another with the same configuration. */
static enum mr_err
keep_path(struct mr_conf *conf, const char *path, struct mr_error *err)
{
	if (path == NULL || (conf->path = realpath(path, NULL)) != NULL)
		return MR_OK;
	return mr_fail(err, MR_EIO, "configuration %s: %s", path, strerror(errno));
}

const char *
mr_conf_file(const char *wanted)
{
	return wanted == NULL || wanted[0] == '\0' ? MR_CONF_FILE : wanted;
}

enum mr_err
mr_conf_load(struct mr_conf *conf, const char *path, struct mr_error *err)
{
	enum mr_err e;

	*conf = (struct mr_conf){ .log = NULL };
	if ((e = set_defaults(conf, err)) != MR_OK ||
	    (path != NULL && (e = read_file(conf, path, err)) != MR_OK) ||
	    (e = read_environment(conf, err)) != MR_OK ||
	    (e = mr_conf_client_environment(conf, err)) != MR_OK ||
	    (e = check_whole(conf, err)) != MR_OK || (e = keep_path(conf, path, err)) != MR_OK)
		mr_conf_free(conf);
	return e;
}

void
mr_conf_free(struct mr_conf *conf)
{
	for (size_t i = 0; i < N_KEYS; i++)
		mr_conf_clear(&table[i], conf);
	for (size_t s = 0; s < conf->n_sites; s++) {
		for (size_t i = 0; i < N_SITE_KEYS; i++)
			mr_conf_clear(&site_table[i], &conf->sites[s]);
		free(conf->sites[s].name);
	}
	free(conf->sites);
	free(conf->path);
	mr_conf_client_free(conf);
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
	mr_conf_client_each_key(visit, arg);
}
