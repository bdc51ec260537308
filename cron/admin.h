/*
 * millrace-admin: what its sub-commands share. Each has a file of its own,
 * admin_NAME.c, and a row in the table of admin.c.
 */
#ifndef MR_CRON_ADMIN_H
#define MR_CRON_ADMIN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "db/connection.h"
#include "secret/secret.h"

#define ADMIN_PROGRAM "millrace-admin"

enum { ADMIN_OK = 0, ADMIN_FAILED = 1, ADMIN_MISUSED = 2 };

/* The options in front of the sub-command. */
struct admin {
	const char *config;   /* path of the configuration */
	const char *key_file; /* -k; NULL: as the configuration says */
};

struct admin_command {
	struct mr_command line; /* how it is called */
	/* argv[0] is the name. Returns the exit status. */
	int (*run)(const struct admin *admin, int argc, char **argv);
};

extern const struct admin_command admin_seal;
extern const struct admin_command admin_rekey;
extern const struct admin_command admin_rotate;
extern const struct admin_command admin_rejected;
extern const struct admin_command admin_migrate;
extern const struct admin_command admin_rebind;
extern const struct admin_command admin_usage;

/* --- admin_common.c --- */

/*
 * The path of the key file, from -k or from the configuration at ini, to be
 * freed by the caller; NULL: *err says why.
 */
char *admin_key_file(const struct admin *admin, const char *ini, struct mr_error *err);

/*
 * For a command that works on the database, with statements that may take a day: does the work on a connection of its own, which is closed then;
 * what was not committed is undone. Returns the exit status.
 */
int admin_on_database(const struct admin *admin, const char *application,
    enum mr_err (*work)(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err));

/* Writes "millrace-admin: text" to standard error; returns ADMIN_FAILED. */
int admin_fail(const struct mr_error *err);

/* --- admin_input.c --- */

/*
 * A line of the INI file holds 198 bytes, which leaves 22 for the key and the
 * equals sign.
 */
#define ADMIN_MAX_SEALED 176
#define ADMIN_SEALED_EXTRA 19 /* "sealed:v1:KEYID:" */
#define ADMIN_MAX_SECRET \
	((ADMIN_MAX_SEALED - ADMIN_SEALED_EXTRA) * 3 / 4 - MR_SECRET_EXTRA_BYTES)
#define ADMIN_SEALED_ROOM 1024  /* of the buffer for one that is sealed */
#define ADMIN_SECRETS_ROOM 1024 /* for all that are read at once */

/*
 * Reads n secrets, one a line, into room, which should be guarded: from a
 * terminal, which asks for each by its name and shows nothing, or to the end
 * of standard input. A signal ends the process with the terminal as it was.
 * MR_EINVAL, MR_ELIMIT: one is empty, too long, or has control characters.
 */
enum mr_err admin_read_secrets(const char *const *names, struct mr_str *secrets, size_t n,
    char *room, size_t size, struct mr_error *err);

#endif
