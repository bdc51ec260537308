/*
 * millrace-admin rotate: other keys for a client's bucket, or for the backup's.
 * They are tried where the export would use them; the configuration has them
 * only if that succeeded.
 */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/ini.h"
#include "export/target.h"
#include "secret/keyring.h"

#define CANARY "_millrace/canary"
#define ATTEMPTS 4 /* somebody waits for it */

enum { ACCESS_KEY, SECRET_KEY, N_KEYS };

/* Which keys of which section, and what was read for them. */
struct rotation {
	const char *client; /* NULL: [backup] */
	bool backup;
	char section[sizeof "client " + MR_CONF_CLIENT_MAX_BYTES];
	char names[N_KEYS][32];
	struct mr_conf *conf;
	struct mr_ini *ini;
	struct mr_str before[N_KEYS];     /* in the file; n == 0: not there */
	char after[N_KEYS][ADMIN_SEALED_ROOM]; /* what shall stand there */
};

static void
choose(struct rotation *r, const char *client, bool backup)
{
	static const char *const names[N_KEYS] = { "access_key", "secret_key" };

	r->client = client;
	r->backup = backup;
	(void)snprintf(r->section, sizeof r->section, "%s%.*s", client != NULL ? "client " :
	    "backup", MR_CONF_CLIENT_MAX_BYTES, client != NULL ? client : "");
	for (size_t i = 0; i < N_KEYS; i++)
		(void)snprintf(r->names[i], sizeof r->names[i], "%s%s",
		    client != NULL && backup ? "backup_" : "", names[i]);
}

static bool
is_line_of(const struct rotation *r, const struct mr_ini_line *line, size_t i)
{
	return mr_str_eq(line->section, mr_str(r->section)) &&
	    mr_str_eq(line->key, mr_str(r->names[i]));
}

/* --- which destinations ------------------------------------------------------ */

/* Where the client uses the keys that are rotated; NULL: nowhere. */
static const struct mr_conf_bucket *
use_of(const struct rotation *r, const struct mr_conf *conf, const struct mr_conf_client *c)
{
	const char *shared = conf->backup.secret_key;

	if (r->client != NULL && strcmp(c->name, r->client) != 0)
		return NULL;
	if (!r->backup)
		return &c->target;
	if (!c->has_backup)
		return NULL;
	return r->client != NULL || strcmp(c->backup.secret_key, shared) == 0 ? &c->backup : NULL;
}

/* The client whose keys are rotated, in *client; it has to have a use for them. */
static enum mr_err
find_client(const struct rotation *r, const struct mr_conf_client **client, struct mr_error *err)
{
	const struct mr_conf_client *c = mr_conf_client_find(r->conf, mr_str(r->client));
	const struct mr_conf_bucket *bucket;

	if (c == NULL)
		return mr_fail(err, MR_EINVAL, "there is no [client %.64s] in %s", r->client,
		    r->ini->path);
	if ((bucket = use_of(r, r->conf, c)) == NULL)
		return mr_fail(err, MR_EINVAL, "client %s has no backup", r->client);
	if (mr_target_is_folder(bucket))
		return mr_fail(err, MR_EINVAL, "client %s exports to %s, a folder, which needs no "
		    "keys", r->client, bucket->bucket);
	*client = c;
	return MR_OK;
}

/* Keys that do not stand in the file: says where the export has them from. */
static enum mr_err
refuse_elsewhere(const struct rotation *r, const struct mr_conf_bucket *bucket,
    struct mr_error *err)
{
	struct mr_creds_options options = mr_target_creds_options(r->conf, bucket);
	struct mr_error why = MR_ERROR_INIT;
	struct mr_creds_chain *chain;
	const struct mr_creds *creds;
	enum mr_err e;

	if (r->client != NULL && r->backup && r->conf->backup.secret_key[0] != '\0')
		return mr_fail(err, MR_EINVAL, "the backup of client %s uses the keys of [backup]; "
		    "millrace-admin rotate --backup changes those", r->client);
	/* What a role is assumed with is what there is to change. */
	options.role_arn = NULL;
	if ((e = mr_creds_new(&chain, &options, err)) != MR_OK)
		return e;
	if (mr_creds_get(chain, &creds, &why) == MR_OK)
		e = mr_fail(err, MR_EINVAL, "[%s] has no %s and %s in %s; its keys come from %s: "
		    "change them there", r->section, r->names[ACCESS_KEY], r->names[SECRET_KEY],
		    r->ini->path, creds->source);
	else
		e = mr_fail(err, MR_EINVAL, "[%s] has no %s and %s in %s that could be changed: "
		    "%.300s", r->section, r->names[ACCESS_KEY], r->names[SECRET_KEY], r->ini->path,
		    why.text);
	mr_creds_free(chain);
	return e;
}

/* Finds the keys in the file, and that they can be changed. */
static enum mr_err
find_keys(struct rotation *r, struct mr_error *err)
{
	const struct mr_conf_client *client = NULL;
	struct mr_ini_line line;
	enum mr_err e;

	if (r->client != NULL && (e = find_client(r, &client, err)) != MR_OK)
		return e;
	for (mr_ini_start(r->ini, &line); mr_ini_next(&line);)
		for (size_t i = 0; i < N_KEYS; i++)
			if (is_line_of(r, &line, i))
				r->before[i] = line.value;
	if (r->before[ACCESS_KEY].n == 0 || r->before[SECRET_KEY].n == 0)
		return refuse_elsewhere(r, client != NULL ? use_of(r, r->conf, client) :
		    &r->conf->backup, err);
	return mr_ini_writable(r->ini, err);
}

/* --- the new keys ------------------------------------------------------------ */

/* The secret is sealed; the access key only if the one before was. */
static enum mr_err
seal_keys(struct rotation *r, const struct mr_keyring *ring, const struct mr_str *plain,
    struct mr_error *err)
{
	enum mr_err e = MR_OK;
	struct mr_buf sealed;

	mr_buf_init(&sealed, ADMIN_SEALED_ROOM - 1);
	for (size_t i = 0; i < N_KEYS && e == MR_OK; i++) {
		struct mr_str text = plain[i];

		mr_buf_reset(&sealed, sealed.max);
		if (i == SECRET_KEY || mr_sealed_is(r->before[i])) {
			e = mr_seal(ring, plain[i], &sealed, err);
			text = mr_buf_str(&sealed);
		}
		if (e == MR_OK)
			(void)snprintf(r->after[i], sizeof r->after[i], "%.*s", (int)text.n, text.p);
	}
	mr_buf_free(&sealed);
	return e;
}

static enum mr_err
read_keys(struct rotation *r, struct mr_error *err)
{
	static const char *const names[N_KEYS] = { "new access key", "new secret key" };
	struct mr_str plain[N_KEYS];
	struct mr_keyring *ring;
	char *room;
	enum mr_err e;

	/* Before anybody types a secret, it is certain that it can be sealed. */
	if ((e = mr_keyring_load(&ring, r->conf->key_file, err)) != MR_OK)
		return e;
	if ((room = mr_secret_alloc(ADMIN_SECRETS_ROOM)) == NULL)
		e = mr_fail(err, MR_ENOMEM, "no memory");
	else if ((e = admin_read_secrets(names, plain, N_KEYS, room, ADMIN_SECRETS_ROOM,
	    err)) == MR_OK)
		e = seal_keys(r, ring, plain, err);
	mr_secret_free(room);
	mr_keyring_free(ring);
	return e;
}

/* --- trying them ------------------------------------------------------------- */

static enum mr_err
put_canary(const struct rotation *r, const struct mr_target *target,
    const struct mr_conf_bucket *bucket, struct mr_error *err)
{
	struct mr_creds_options creds = mr_target_creds_options(r->conf, bucket);
	struct mr_s3_options options = mr_target_s3_options(bucket);
	struct mr_s3 *s3 = NULL;
	struct mr_buf key;
	enum mr_err e;

	options.max_attempts = ATTEMPTS;
	options.if_none_match = false; /* the canary of the last time lies there */
	mr_buf_init(&key, MR_S3_MAX_KEY + 1);
	mr_buf_printf(&key, "%s%s" CANARY, target->prefix, target->prefix[0] != '\0' ? "/" : "");
	mr_buf_add_char(&key, '\0');
	if (key.failed)
		e = mr_fail(err, MR_ENOMEM, "no memory");
	else if ((e = mr_creds_new(&options.creds, &creds, err)) == MR_OK &&
	    (e = mr_s3_new(&s3, &options, err)) == MR_OK)
		e = mr_s3_canary(s3, target->bucket, key.p, err);
	mr_s3_free(s3);
	mr_creds_free(options.creds);
	mr_buf_free(&key);
	return e;
}

/* One destination, as it will be. */
static enum mr_err
try_one(const struct rotation *r, const struct mr_conf_client *client, struct mr_error *err)
{
	struct mr_conf_bucket with = *use_of(r, r->conf, client);
	struct mr_error why = MR_ERROR_INIT;
	struct mr_target target;
	enum mr_err e;

	with.access_key = (char *)r->after[ACCESS_KEY];
	with.secret_key = (char *)r->after[SECRET_KEY];
	if ((e = mr_target_open(&target, &with, &why)) == MR_OK) {
		e = put_canary(r, &target, &with, &why);
		mr_target_free(&target);
	}
	if (e == MR_OK)
		return MR_OK;
	return mr_fail(err, e, "client %s: the new keys did not pass, %s stays as it was: %.380s",
	    client->name, r->ini->path, why.text);
}

/* Every destination that the keys are for. */
static enum mr_err
try_all(const struct rotation *r, struct mr_error *err)
{
	const struct mr_conf *conf = r->conf;
	const struct mr_conf_bucket *bucket;
	enum mr_err e = MR_OK;
	size_t tried = 0;

	for (size_t i = 0; i < conf->n_clients && e == MR_OK; i++) {
		bucket = use_of(r, conf, &conf->clients[i]);
		if (bucket == NULL || mr_target_is_folder(bucket))
			continue;
		e = try_one(r, &conf->clients[i], err);
		tried++;
	}
	if (tried == 0)
		return mr_fail(err, MR_EINVAL, "no client has a backup with the keys of [backup], so "
		    "that there is nowhere to try them");
	return e;
}

/* --- switching to them ------------------------------------------------------- */

/* Whether the new file is read as it was meant. */
static enum mr_err
check_file(void *arg, const char *path, struct mr_error *err)
{
	const struct rotation *r = arg;
	const struct mr_conf_bucket *bucket;
	struct mr_error why = MR_ERROR_INIT;
	struct mr_conf conf;
	bool good;

	if (mr_conf_load(&conf, path, &why) != MR_OK)
		return mr_fail(err, why.code, "%s stays as it was, since with the new keys it could "
		    "not be read: %.300s", r->ini->path, why.text);
	good = conf.n_clients == r->conf->n_clients;
	for (size_t i = 0; i < conf.n_clients && good; i++) {
		if (use_of(r, r->conf, &r->conf->clients[i]) == NULL)
			continue;
		bucket = r->backup ? &conf.clients[i].backup : &conf.clients[i].target;
		good = strcmp(bucket->access_key, r->after[ACCESS_KEY]) == 0 &&
		    strcmp(bucket->secret_key, r->after[SECRET_KEY]) == 0;
	}
	mr_conf_free(&conf);
	return good ? MR_OK : mr_fail(err, MR_EINVAL, "%s stays as it was: the access key has a "
	    "character that cannot stand there; seal it first", r->ini->path);
}

static enum mr_err
switch_over(struct rotation *r, struct mr_error *err)
{
	struct mr_ini_line line;
	size_t i;

	for (mr_ini_start(r->ini, &line); mr_ini_next(&line);) {
		for (i = 0; i < N_KEYS && !is_line_of(r, &line, i);)
			i++;
		if (i < N_KEYS)
			mr_ini_put(r->ini, &line, mr_str(r->after[i]));
		else
			mr_ini_keep(r->ini, &line);
	}
	return mr_ini_replace(r->ini, check_file, r, err);
}

/* --- the command ------------------------------------------------------------- */

static enum mr_err
rotate(struct rotation *r, struct mr_error *err)
{
	enum mr_err e;

	if ((e = find_keys(r, err)) != MR_OK || (e = read_keys(r, err)) != MR_OK ||
	    (e = try_all(r, err)) != MR_OK || (e = switch_over(r, err)) != MR_OK)
		return e;
	printf("[%s] in %s has the new keys, which can write; the old ones can be deleted now\n",
	    r->section, r->ini->path);
	return MR_OK;
}

/* -k, in place of the configuration's. */
static enum mr_err
use_key_file(const struct admin *admin, struct mr_conf *conf, struct mr_error *err)
{
	char *path;

	if (admin->key_file == NULL)
		return MR_OK;
	if ((path = strdup(admin->key_file)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	free(conf->key_file);
	conf->key_file = path;
	return MR_OK;
}

struct options {
	bool backup;
};

static const struct mr_option table[] = {
	{ 0, "backup", NULL, offsetof(struct options, backup),
	    "the keys of the client's backup; without CLIENT, those of [backup]" },
};

static int
run(const struct admin *admin, int argc, char **argv)
{
	struct options options = { .backup = false };
	struct rotation r = { .client = NULL };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_ini ini;
	struct mr_conf conf;
	enum mr_err e;
	int status;

	if ((status = mr_options_read(&admin_rotate.line, &argc, &argv, &options)) >= 0)
		return status;
	if (argc == 0 && !options.backup)
		return mr_options_misused(&admin_rotate.line, "a client is missing", "");
	if (mr_conf_load(&conf, admin->config, &err) != MR_OK)
		return admin_fail(&err);
	r.conf = &conf;
	r.ini = &ini;
	choose(&r, argc > 0 ? argv[0] : NULL, options.backup);
	if ((e = use_key_file(admin, &conf, &err)) == MR_OK &&
	    (e = mr_ini_open(&ini, admin->config, &err)) == MR_OK) {
		e = rotate(&r, &err);
		mr_ini_close(&ini);
	}
	mr_conf_free(&conf);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}

const struct admin_command admin_rotate = {
	.line = {
		.program = ADMIN_PROGRAM,
		.name = "rotate",
		.usage = "[--backup] [CLIENT]",
		.about = "try new keys with the bucket, then switch to them",
		.options = table,
		.n_options = sizeof table / sizeof table[0],
		.most = 1,
		.mixed = true,
		.misused = ADMIN_MISUSED,
	},
	.run = run,
};
