/*
 * An INI file as text, of which a few values are changed: it is gone through line by
 * line, and what it shall be is put beside it. The file is replaced as a whole, or stays
 * as it was. What its keys mean is conf.h's.
 */
#ifndef MR_CONF_INI_H
#define MR_CONF_INI_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

struct mr_ini {
	const char *path;       /* as it was given, for messages */
	char real[PATH_MAX];    /* no link */
	struct stat st;
	struct mr_buf text;     /* as it is */
	struct mr_buf changed;  /* as it shall be: put line by line */
};

struct mr_ini_line {
	struct mr_str section; /* that it stands in, or begins; n == 0: none yet */
	struct mr_str key;     /* n == 0: it is no "key = value" */
	struct mr_str value;   /* its first word, of which a secret has no second */
	struct mr_str whole;   /* with the line break */
	struct mr_str rest;    /* of the file */
	int number;            /* from 1 */
};

/* Reads it. MR_EIO, MR_ELIMIT; then there is nothing to close. path must outlive it. */
enum mr_err mr_ini_open(struct mr_ini *ini, const char *path, struct mr_error *err);
void mr_ini_close(struct mr_ini *ini);

/* Goes through the lines: next is false behind the last. */
void mr_ini_start(const struct mr_ini *ini, struct mr_ini_line *line);
bool mr_ini_next(struct mr_ini_line *line);

/* Appends the line to what is changed, as it is or with another value. */
void mr_ini_keep(struct mr_ini *ini, const struct mr_ini_line *line);
void mr_ini_put(struct mr_ini *ini, const struct mr_ini_line *line,
    struct mr_str value);

/* Whether replace will be allowed, as far as that can be told before. */
enum mr_err mr_ini_writable(const struct mr_ini *ini, struct mr_error *err);

/*
 * Puts what is changed in the file's place, with the same owner and mode, on
 * disk; or leaves it as it was: also when somebody else changed it since it was
 * opened, or check (NULL: none), which is given the path of the new one, fails.
 */
enum mr_err mr_ini_replace(const struct mr_ini *ini,
    enum mr_err (*check)(void *arg, const char *path, struct mr_error *err), void *arg,
    struct mr_error *err);

#endif
