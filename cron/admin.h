/*
 * millrace-admin: what its sub-commands share. Each has a file of its own,
 * admin_NAME.c, and a row in the table of admin.c.
 */
#ifndef MR_CRON_ADMIN_H
#define MR_CRON_ADMIN_H

#include "base/conf.h"
#include "base/error.h"

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
int admin_rejected(const struct admin *admin, int argc, char **argv);
int admin_rebind(const struct admin *admin, int argc, char **argv);

/*
 * Reads the options of a sub-command: of the one flag that there may be, given
 * as "--make-key", sets *flag. Then want arguments must follow, of which
 * *first is set to the first. False: it was misused, which was said.
 */
bool admin_arguments(int argc, char **argv, const char *flag, bool *given, int want,
    const char **first);

/*
 * The path of the key file, from -k or from the configuration at ini, to be
 * freed by the caller; NULL: *err says why.
 */
char *admin_key_file(const struct admin *admin, const char *ini, struct mr_error *err);

/* Writes "millrace-admin: text" to standard error; returns ADMIN_FAILED. */
int admin_fail(const struct mr_error *err);

#endif
