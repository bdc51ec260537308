/* millrace-admin seal: reads a secret from standard input, prints it sealed. */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "secret/keyring.h"

static enum mr_err
seal(const char *key_file, bool make_key, char *room, size_t size, struct mr_error *err)
{
	static const char *const names[] = { "secret" };
	struct mr_keyring *ring = NULL;
	struct mr_str secret;
	struct mr_buf sealed;
	enum mr_err e;

	if (make_key && (e = mr_keyring_make(key_file, err)) != MR_OK)
		return e;
	/* Before anybody types a secret, it is certain that it can be sealed. */
	if ((e = mr_keyring_load(&ring, key_file, err)) != MR_OK)
		return e;
	mr_buf_init(&sealed, ADMIN_SEALED_ROOM);
	if ((e = admin_read_secrets(names, &secret, 1, room, size, err)) == MR_OK &&
	    (e = mr_seal(ring, secret, &sealed, err)) == MR_OK)
		printf("%.*s\n", (int)sealed.len, sealed.p);
	mr_buf_free(&sealed);
	mr_keyring_free(ring);
	return e;
}

struct options {
	bool make_key;
};

static const struct mr_option table[] = {
	{ 0, "make-key", NULL, offsetof(struct options, make_key), "make the key file first" },
};

static int
run(const struct admin *admin, int argc, char **argv)
{
	struct mr_error err = MR_ERROR_INIT;
	struct options options = { .make_key = false };
	char *room, *key_file;
	enum mr_err e = MR_ENOMEM;
	int status;

	if ((status = mr_options_read(&admin_seal.line, &argc, &argv, &options)) >= 0)
		return status;
	if ((key_file = admin_key_file(admin, admin->config, &err)) == NULL)
		return admin_fail(&err);
	if ((room = mr_secret_alloc(ADMIN_SECRETS_ROOM)) == NULL)
		(void)mr_fail(&err, e, "no memory");
	else
		e = seal(key_file, options.make_key, room, ADMIN_SECRETS_ROOM, &err);
	mr_secret_free(room);
	free(key_file);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}

const struct admin_command admin_seal = {
	.line = {
		.program = ADMIN_PROGRAM,
		.name = "seal",
		.usage = "[--make-key]",
		.about = "seal the secret on standard input",
		.options = table,
		.n_options = sizeof table / sizeof table[0],
		.mixed = true,
		.misused = ADMIN_MISUSED,
	},
	.run = run,
};
