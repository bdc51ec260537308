/*
 * millrace-admin: what its sub-commands share. Each has a file of its own,
 * admin_NAME.c, and a row in the table of admin.c.
 */
#ifndef MR_CRON_ADMIN_H
#define MR_CRON_ADMIN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "db/connection.h"
#include "secret/secret.h"

enum { ADMIN_OK = 0, ADMIN_FAILED = 1, ADMIN_MISUSED = 2 };

/* The options in front of the sub-command. */
struct admin {
	const char *config;   /* path of the configuration */
	const char *key_file; /* -k; NULL: as the configuration says */
};

struct admin_command {
	const char *name;
	const char *usage; /* arguments behind the name */
	const char *help;  /* one line */
	/* argv[0] is the name. Returns the exit status. */
	int (*run)(const struct admin *admin, int argc, char **argv);
};

int admin_seal(const struct admin *admin, int argc, char **argv);
int admin_rekey(const struct admin *admin, int argc, char **argv);
int admin_rotate(const struct admin *admin, int argc, char **argv);
int admin_rejected(const struct admin *admin, int argc, char **argv);
int admin_migrate(const struct admin *admin, int argc, char **argv);
int admin_rebind(const struct admin *admin, int argc, char **argv);

/*
 * Reads the options of a sub-command: of the one flag that there may be, given
 * as "--make-key", sets *given. Then one argument must follow, to which *first
 * is set; what says what it is ("a file"), NULL: none must. False: it was
 * misused, which was said.
 */
bool admin_arguments(int argc, char **argv, const char *flag, bool *given, const char *what,
    const char **first);

/*
 * The path of the key file, from -k or from the configuration at ini, to be
 * freed by the caller; NULL: *err says why.
 */
char *admin_key_file(const struct admin *admin, const char *ini, struct mr_error *err);

/*
 * For a command without arguments that works on the database, with statements that
 * may take a day: does the work on a connection of its own, which is closed then;
 * what was not committed is undone. Returns the exit status.
 */
int admin_on_database(const struct admin *admin, int argc, char **argv, const char *application,
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

/* --- admin_ini.c --- */

struct admin_ini {
	const char *path;       /* as it was given, for messages */
	char real[PATH_MAX];    /* no link */
	struct stat st;
	struct mr_buf text;     /* as it is */
	struct mr_buf changed;  /* as it shall be: put line by line */
};

struct admin_ini_line {
	struct mr_str section; /* that it stands in, or begins; n == 0: none yet */
	struct mr_str key;     /* n == 0: it is no "key = value" */
	struct mr_str value;   /* its first word, of which a secret has no second */
	struct mr_str whole;   /* with the line break */
	struct mr_str rest;    /* of the file */
	int number;            /* from 1 */
};

/* Reads it. MR_EIO, MR_ELIMIT; then there is nothing to close. path must outlive it. */
enum mr_err admin_ini_open(struct admin_ini *ini, const char *path, struct mr_error *err);
void admin_ini_close(struct admin_ini *ini);

/* Goes through the lines: next is false behind the last. */
void admin_ini_start(const struct admin_ini *ini, struct admin_ini_line *line);
bool admin_ini_next(struct admin_ini_line *line);

/* Appends the line to what is changed, as it is or with another value. */
void admin_ini_keep(struct admin_ini *ini, const struct admin_ini_line *line);
void admin_ini_put(struct admin_ini *ini, const struct admin_ini_line *line,
    struct mr_str value);

/* Whether replace will be allowed, as far as that can be told before. */
enum mr_err admin_ini_writable(const struct admin_ini *ini, struct mr_error *err);

/*
 * Puts what is changed in the file's place, with the same owner and mode, on
 * disk; or leaves it as it was: also when somebody else changed it since it was
 * opened, or check (NULL: none), which is given the path of the new one, fails.
 */
enum mr_err admin_ini_replace(const struct admin_ini *ini,
    enum mr_err (*check)(void *arg, const char *path, struct mr_error *err), void *arg,
    struct mr_error *err);

#endif
