/*
 * Command lines: a program, or a sub-command of one, has its options in one table. It is
 * what getopt_long is told, what --help prints, and what the test holds against the manual
 * page. --help and --version are every program's and stand in no table.
 */
#ifndef MR_CONF_OPTIONS_H
#define MR_CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "conf/conf.h"

#define MR_OPTIONS_MAX 20 /* of a table */

struct mr_option {
	char letter;          /* 0: it has the long form alone */
	const char *name;     /* of the long form, without its dashes */
	const char *argument; /* what its value is called in the help; NULL: it has none */
	size_t offset;        /* of what it sets: a bool, or with a value a const char * */
	const char *help;     /* as short as fits; lines are broken where needed */
};

struct mr_command {
	const char *program;
	const char *name;  /* of the sub-command; NULL: it is the program itself */
	const char *usage; /* what follows the names; a line for each form */
	const char *about; /* what it does */
	const struct mr_option *options;
	size_t n_options;
	const struct mr_command *const *commands; /* that it lists in its help */
	size_t n_commands;
	const char *notes; /* below the options; NULL: nothing */
	const char *operand; /* what must follow the options, as "a file"; NULL: nothing must */
	int most;            /* operands that may follow them */
	bool mixed;          /* options may stand among and behind the operands */
	int misused;         /* the exit status then */
};

/* For the tables: -c, which each program has; type has a member config. */
#define MR_OPTION_CONFIG(type) { 'c', "config", "FILE", offsetof(type, config), \
	"configuration; else $MILLRACE_CONFIG, else " MR_CONF_FILE }

/*
 * Reads the options into *to, which has its defaults already; *argv and *argc, of which the
 * first is the program's own name, are then what follows them. Returns -1 to go on, or the
 * exit status: it was misused, which was said, or --help or --version was all there is to do.
 */
int mr_options_read(const struct mr_command *command, int *argc, char ***argv, void *to);

/* Says on standard error what is wrong, in a line that ends with `which`; returns the status. */
int mr_options_misused(const struct mr_command *command, const char *what, const char *which);

/* Appends what --help prints; lines have at most 79 columns, but for a word that is longer. */
void mr_options_help(const struct mr_command *command, struct mr_buf *b);

#endif
