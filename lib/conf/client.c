/* [client NAME]: see client.h. */
#include "conf/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "config.h"

#define DEFAULT_CLIENT "default"
/* It becomes part of keys in the backup's bucket. */
#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

const struct mr_conf_choice mr_conf_path_styles[] = { { "auto", MR_PATH_STYLE_AUTO },
	{ "on", MR_PATH_STYLE_ON }, { "off", MR_PATH_STYLE_OFF }, { NULL, 0 } };
static const struct mr_conf_choice frequencies[] = { { "realtime", MR_REALTIME },
	{ "hourly", MR_HOURLY }, { "daily", MR_DAILY }, { NULL, 0 } };
static const struct mr_conf_choice partition_columns[] = { { "keep", MR_COLUMNS_KEEP },
	{ "drop", MR_COLUMNS_DROP }, { NULL, 0 } };

#define SECTION MR_CONF_CLIENT_SECTION
#define AT(member) offsetof(struct mr_conf_client, member)

static const struct mr_conf_key table[] = {
	{ SECTION, "sites", MR_T_LIST, AT(sites), "*", 0, 0, NULL, NULL },
	MR_CONF_BUCKET_KEYS(SECTION, struct mr_conf_client, target),
	{ SECTION, "format", MR_T_WORD, AT(format), "ndjson", 0, 0, mr_format_words,
	    NULL },
	{ SECTION, "compression", MR_T_WORD, AT(compression), "zstd", 0, 0,
	    mr_compression_words, NULL },
	{ SECTION, "compression_level", MR_T_INT, AT(compression_level), "0", 0, 19, NULL, NULL },
	{ SECTION, "partition_columns", MR_T_CHOICE, AT(partition_columns), "keep", 0, 0,
	    partition_columns, NULL },
	{ SECTION, "csv_formula_guard", MR_T_BOOL, AT(csv_guard), "off", 0, 0, NULL, NULL },
	{ SECTION, "parquet_codec", MR_T_WORD, AT(parquet_codec), "zstd", 0, 0, mr_codec_words, NULL },
	{ SECTION, "parquet_json", MR_T_BOOL, AT(parquet_json), "off", 0, 0, NULL, NULL },
	{ SECTION, "frequency", MR_T_CHOICE, AT(frequency), "realtime", 0, 0, frequencies, NULL },
	{ SECTION, "backup", MR_T_BOOL, AT(has_backup), "on", 0, 0, NULL, NULL },
	{ SECTION, "backup_bucket", MR_T_TEXT, AT(backup.bucket), "", 0, 0, NULL, NULL },
	{ SECTION, "backup_prefix", MR_T_TEXT, AT(backup.prefix), "", 0, 0, NULL, NULL },
	{ SECTION, "backup_region", MR_T_TEXT, AT(backup.region), "", 0, 0, NULL, NULL },
	{ SECTION, "backup_endpoint", MR_T_TEXT, AT(backup.endpoint), "", 0, 0, NULL, NULL },
	{ SECTION, "backup_access_key", MR_T_TEXT, AT(backup.access_key), "", 0, 0, NULL, NULL },
	{ SECTION, "backup_secret_key", MR_T_TEXT, AT(backup.secret_key), "", 0, 0, NULL, NULL },
};
#define N_KEYS (sizeof table / sizeof table[0])
_Static_assert(N_KEYS <= 64, "keys_set has a bit for each key");

/* What a client's backup takes from [backup], where it sets nothing itself. */
static const size_t inherited_texts[] = {
#define FROM(member) offsetof(struct mr_conf_bucket, member)
	FROM(bucket), FROM(region), FROM(endpoint), FROM(ca_file), FROM(access_key),
	FROM(secret_key), FROM(profile), FROM(role_arn), FROM(external_id), FROM(sts_endpoint),
	FROM(sse), FROM(kms_key_id), FROM(storage_class), FROM(tags), FROM(acl),
#undef FROM
};

static char **
text_at(struct mr_conf_bucket *bucket, size_t offset)
{
	return (char **)(void *)((char *)bucket + offset);
}

static enum mr_err
no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ENOMEM, "no memory for the configuration");
}

static void
clear(struct mr_conf_client *client)
{
	for (size_t i = 0; i < N_KEYS; i++)
		mr_conf_clear(&table[i], client);
	for (size_t i = 0; i < sizeof inherited_texts / sizeof inherited_texts[0]; i++)
		mr_conf_clear_text(text_at(&client->backup, inherited_texts[i]));
	free(client->name);
}

static enum mr_err
set_defaults(struct mr_conf_client *client, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < N_KEYS && e == MR_OK; i++)
		e = mr_conf_set(&table[i], client, table[i].default_text, err);
	return e;
}

/* The [client NAME] of that name, made when it is new. */
static enum mr_err
client_of(struct mr_conf *conf, const char *name, struct mr_conf_client **client,
    struct mr_error *err)
{
	struct mr_conf_client *clients;
	enum mr_err e;

	for (size_t i = 0; i < conf->n_clients; i++)
		if (strcmp(conf->clients[i].name, name) == 0) {
			*client = &conf->clients[i];
			return MR_OK;
		}
	if (name[0] == '\0' || strlen(name) > MR_CONF_CLIENT_MAX_BYTES || name[0] == '.' ||
	    name[strspn(name, NAME_CHARS)] != '\0')
		return mr_fail(err, MR_EINVAL, "[client NAME] needs a name of 1 to %d letters, "
		    "digits, '-', '_' and '.'", MR_CONF_CLIENT_MAX_BYTES);
	clients = realloc(conf->clients, (conf->n_clients + 1) * sizeof *clients);
	if (clients == NULL)
		return no_memory(err);
	conf->clients = clients;
	*client = &clients[conf->n_clients];
	**client = (struct mr_conf_client){ .name = strdup(name) };
	e = (*client)->name != NULL ? set_defaults(*client, err) : no_memory(err);
	if (e == MR_OK)
		conf->n_clients++;
	else
		clear(*client);
	return e;
}

static size_t
find_key(const char *name)
{
	size_t i = 0;

	while (i < N_KEYS && strcmp(table[i].name, name) != 0)
		i++;
	return i;
}

enum mr_err
mr_conf_client_take(struct mr_conf *conf, const char *name, const char *key, const char *value,
    struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_conf_client *client = NULL;
	size_t i = find_key(key);
	enum mr_err e;

	if (i == N_KEYS)
		return mr_fail(err, MR_EINVAL, "unknown key '%s' in [client %s]", key, name);
	if ((e = client_of(conf, name, &client, err)) != MR_OK)
		return e;
	if ((client->keys_set & UINT64_C(1) << i) != 0)
		return mr_fail(err, MR_EINVAL, "%s was already set for client %s", key, name);
	client->keys_set |= UINT64_C(1) << i;
	if (mr_conf_set(&table[i], client, value, &why) == MR_OK)
		return MR_OK;
	return mr_fail(err, why.code, "%s: %.400s", key, why.text);
}

static enum mr_err
override(struct mr_conf_client *client, const char *key, const char *variable, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	const char *value = getenv(variable);

	if (value == NULL || value[0] == '\0' ||
	    mr_conf_set(&table[find_key(key)], client, value, &why) == MR_OK)
		return MR_OK;
	return mr_fail(err, why.code, "environment variable %s: %.400s", variable, why.text);
}

enum mr_err
mr_conf_client_environment(struct mr_conf *conf, struct mr_error *err)
{
	const char *bucket = getenv("CLIENT_S3_BUCKET");
	const struct mr_conf_client *known = mr_conf_client_find(conf, mr_str(DEFAULT_CLIENT));
	struct mr_conf_client *client = NULL;
	enum mr_err e;

	/* A format alone makes no client: there would be nowhere to export to. */
	if (known == NULL && (bucket == NULL || bucket[0] == '\0'))
		return MR_OK;
	if ((e = client_of(conf, DEFAULT_CLIENT, &client, err)) != MR_OK ||
	    (e = override(client, "bucket", "CLIENT_S3_BUCKET", err)) != MR_OK)
		return e;
	return override(client, "format", "EXPORT_FORMAT", err);
}

/* So that clients do not meet in a bucket that they share. */
static bool
join_prefix(char **slot, const char *prefix, const char *client)
{
	size_t n = strlen(prefix) + strlen(client) + 2;
	char *joined = malloc(n);

	if (joined == NULL)
		return false;
	(void)snprintf(joined, n, "%s%s%s", prefix, prefix[0] != '\0' ? "/" : "", client);
	free(*slot);
	*slot = joined;
	return true;
}

static enum mr_err
inherit_backup(const struct mr_conf *conf, struct mr_conf_client *client, struct mr_error *err)
{
	struct mr_conf_bucket from = conf->backup, *to = &client->backup;

	for (size_t i = 0; i < sizeof inherited_texts / sizeof inherited_texts[0]; i++) {
		char **slot = text_at(to, inherited_texts[i]);

		if (*slot != NULL && **slot != '\0')
			continue;
		free(*slot);
		if ((*slot = strdup(*text_at(&from, inherited_texts[i]))) == NULL)
			return no_memory(err);
	}
	if (to->prefix[0] == '\0' && !join_prefix(&to->prefix, from.prefix, client->name))
		return no_memory(err);
	to->path_style = from.path_style;
	to->insecure = from.insecure;
	to->requester_pays = from.requester_pays;
	to->object_lock = from.object_lock;
	to->object_lock_days = from.object_lock_days;
	to->legal_hold = from.legal_hold;
	to->checksum = from.checksum;
	to->if_none_match = from.if_none_match;
	to->part_bytes = from.part_bytes;
	client->has_backup = client->has_backup && to->bucket[0] != '\0';
	return MR_OK;
}

static enum mr_err
check_codec(const struct mr_conf_client *client, struct mr_error *err)
{
#ifndef HAVE_SNAPPY
	if (strcmp(client->parquet_codec, "snappy") == 0)
		return mr_fail(err, MR_EINVAL, "[client %s] parquet_codec = snappy: this millrace was "
		    "built without libsnappy; install libsnappy-dev and build it again, or take "
		    "gzip", client->name);
#else
	(void)client;
	(void)err;
#endif
	return MR_OK;
}

static enum mr_err
check_bucket(const char *client, const char *what, const char *bucket, struct mr_error *err)
{
	if (strstr(bucket, "://") == NULL || strncmp(bucket, "s3://", 5) == 0 ||
	    strncmp(bucket, "file:///", 8) == 0)
		return MR_OK;
	return mr_fail(err, MR_EINVAL, "[client %s] %s = %s: give the name of an S3 bucket, or "
	    "file:// and the absolute path of a folder", client, what, bucket);
}

enum mr_err
mr_conf_client_check(struct mr_conf *conf, struct mr_error *err)
{
	enum mr_err e;

	for (size_t i = 0; i < conf->n_clients; i++) {
		struct mr_conf_client *client = &conf->clients[i];

		if (client->target.bucket[0] == '\0')
			return mr_fail(err, MR_EINVAL, "[client %s] has no bucket; set bucket to the "
			    "name of an S3 bucket or to file:///FOLDER", client->name);
		if ((e = check_codec(client, err)) != MR_OK ||
		    (e = inherit_backup(conf, client, err)) != MR_OK ||
		    (e = check_bucket(client->name, "bucket", client->target.bucket, err)) != MR_OK ||
		    (e = check_bucket(client->name, "backup", client->backup.bucket, err)) != MR_OK)
			return e;
	}
	return MR_OK;
}

void
mr_conf_client_free(struct mr_conf *conf)
{
	for (size_t i = 0; i < conf->n_clients; i++)
		clear(&conf->clients[i]);
	free(conf->clients);
	conf->clients = NULL;
	conf->n_clients = 0;
}

const struct mr_conf_client *
mr_conf_client_find(const struct mr_conf *conf, struct mr_str name)
{
	for (size_t i = 0; i < conf->n_clients; i++)
		if (mr_str_eq(mr_str(conf->clients[i].name), name))
			return &conf->clients[i];
	return NULL;
}

bool
mr_conf_client_takes_all(const struct mr_conf_client *client)
{
	for (size_t i = 0; i < client->sites.n; i++)
		if (strcmp(client->sites.items[i], "*") == 0)
			return true;
	return false;
}

bool
mr_conf_client_others(const struct mr_conf *conf, const struct mr_conf_client *client,
    struct mr_conf_list *others)
{
	size_t most = 1;

	for (size_t i = 0; i < conf->n_clients; i++)
		most += conf->clients[i].sites.n;
	*others = (struct mr_conf_list){ calloc(most, sizeof *others->items), 0 };
	if (others->items == NULL)
		return false;
	for (size_t i = 0; i < conf->n_clients && mr_conf_client_takes_all(client); i++) {
		const struct mr_conf_list *sites = &conf->clients[i].sites;

		for (size_t k = 0; k < sites->n && &conf->clients[i] != client; k++)
			if (strcmp(sites->items[k], "*") != 0)
				others->items[others->n++] = sites->items[k];
	}
	return true;
}

void
mr_conf_client_each_key(void (*visit)(void *arg, const char *section, const char *key,
    const char *default_text), void *arg)
{
	for (size_t i = 0; i < N_KEYS; i++)
		visit(arg, table[i].section, table[i].name, table[i].default_text);
}
