/*
 * millrace-admin rekey: seals every sealed value of an INI file anew, with the
 * newest key.
 */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/ini.h"
#include "secret/keyring.h"

struct counts {
	int changed, current;
};

/* Puts the line with its value sealed with the newest key. */
static enum mr_err
reseal(const struct mr_keyring *ring, struct mr_ini *ini, const struct mr_ini_line *line,
    struct counts *counts, struct mr_error *err)
{
	char id[MR_KEY_ID_TEXT];
	char *plain = mr_secret_alloc(MR_SEALED_MAX_PLAIN);
	struct mr_buf sealed;
	enum mr_err e = MR_OK;
	size_t n;

	if (plain == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	mr_buf_init(&sealed, 4 * MR_SEALED_MAX_PLAIN);
	mr_sealed_key_id(line->value, id);
	if ((e = mr_unseal(ring, line->value, plain, MR_SEALED_MAX_PLAIN, &n, err)) != MR_OK)
		;
	else if (strcmp(id, mr_keyring_newest(ring)) == 0) {
		mr_ini_keep(ini, line);
		counts->current++;
	} else if ((e = mr_seal(ring, (struct mr_str){ plain, n }, &sealed, err)) == MR_OK) {
		mr_ini_put(ini, line, mr_buf_str(&sealed));
		counts->changed++;
	}
	mr_buf_free(&sealed);
	mr_secret_free(plain);
	return e;
}

/* Line by line; all that is no sealed value stays as it is. */
static enum mr_err
convert(const struct mr_keyring *ring, struct mr_ini *ini, struct counts *counts,
    struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_ini_line line;

	*counts = (struct counts){ 0, 0 };
	mr_buf_reset(&ini->changed, ini->changed.max);
	for (mr_ini_start(ini, &line); mr_ini_next(&line);) {
		if (!mr_sealed_is(line.value))
			mr_ini_keep(ini, &line);
		else if (reseal(ring, ini, &line, counts, &why) != MR_OK)
			return mr_fail(err, why.code, "%s:%d: %.400s", ini->path, line.number,
			    why.text);
	}
	return MR_OK;
}

/* Converts with the keys as they are in the file now. */
static enum mr_err
convert_now(const char *key_file, struct mr_ini *ini, struct counts *counts,
    char newest[MR_KEY_ID_TEXT], struct mr_error *err)
{
	struct mr_keyring *ring;
	enum mr_err e = mr_keyring_load(&ring, key_file, err);

	if (e != MR_OK)
		return e;
	e = convert(ring, ini, counts, err);
	memcpy(newest, mr_keyring_newest(ring), MR_KEY_ID_TEXT);
	mr_keyring_free(ring);
	return e;
}

static enum mr_err
rekey(const char *key_file, const char *path, bool make_key, struct mr_error *err)
{
	struct counts counts = { 0, 0 };
	char newest[MR_KEY_ID_TEXT];
	struct mr_ini ini;
	enum mr_err e;

	if ((e = mr_ini_open(&ini, path, err)) != MR_OK)
		return e;
	e = convert_now(key_file, &ini, &counts, newest, err);
	/* A key is added only once it is known that everything opens. */
	if (e == MR_OK && make_key && (e = mr_keyring_add(key_file, err)) == MR_OK)
		e = convert_now(key_file, &ini, &counts, newest, err);
	if (e == MR_OK && counts.changed > 0)
		e = mr_ini_replace(&ini, NULL, NULL, err);
	if (e == MR_OK)
		printf("%s: %d sealed with key %s, %d were already\n", path, counts.changed, newest,
		    counts.current);
	mr_ini_close(&ini);
	return e;
}

struct options {
	bool make_key;
};

static const struct mr_option table[] = {
	{ 0, "make-key", NULL, offsetof(struct options, make_key),
	    "put a new key into the key file first" },
};

static int
run(const struct admin *admin, int argc, char **argv)
{
	struct options options = { .make_key = false };
	struct mr_error err = MR_ERROR_INIT;
	char *key_file;
	enum mr_err e;
	int status;

	if ((status = mr_options_read(&admin_rekey.line, &argc, &argv, &options)) >= 0)
		return status;
	if ((key_file = admin_key_file(admin, argv[0], &err)) == NULL)
		return admin_fail(&err);
	e = rekey(key_file, argv[0], options.make_key, &err);
	free(key_file);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}

const struct admin_command admin_rekey = {
	.line = {
		.program = ADMIN_PROGRAM,
		.name = "rekey",
		.usage = "[--make-key] FILE",
		.about = "seal what FILE has sealed with the newest key",
		.options = table,
		.n_options = sizeof table / sizeof table[0],
		.operand = "a file",
		.most = 1,
		.mixed = true,
		.misused = ADMIN_MISUSED,
	},
	.run = run,
};
