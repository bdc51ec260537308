/* millrace-admin: options, then the sub-command. */
#include "config.h"

#include "admin.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "secret/secret.h"

#define PROGRAM "millrace-admin"
#define QUERY_TIMEOUT_MS INT64_C(86400000)

static const struct admin_command commands[] = {
	{ "seal", "[--make-key]", "seal the secret on standard input", admin_seal },
	{ "rekey", "[--make-key] FILE", "seal what FILE has sealed with the newest key",
	    admin_rekey },
	{ "rotate", "[--backup] [CLIENT]", "try new keys with the bucket, then switch to them",
	    admin_rotate },
	{ "rejected", "ACTION [ID ...]", "list, show, export, retry or delete rejected events",
	    admin_rejected },
	{ "migrate", "", "make or change the tables, as their owner", admin_migrate },
	{ "rebind", "", "let the export go on in the cluster that the data were moved to",
	    admin_rebind },
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void
print_help(void)
{
	fputs("usage: " PROGRAM " [-c FILE] [-k FILE] COMMAND [ARGUMENT ...]\n"
	    "       " PROGRAM " -h | -V\n"
	    "\n"
	    "Looks after an installation of millrace.\n"
	    "\n", stdout);
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %s %-*s %s\n", commands[i].name, (int)(25 - strlen(commands[i].name)),
		    commands[i].usage, commands[i].help);
	fputs("\n"
	    "  -c, --config FILE    configuration; else $MILLRACE_CONFIG, else\n"
	    "                       " MR_CONF_FILE "\n"
	    "  -k, --key-file FILE  instead of the configuration's key_file\n"
	    "  -h, --help           print this and exit\n"
	    "  -V, --version        print the version and exit\n"
	    "\n"
	    "Manual: " PROGRAM "(8), millrace.ini(5)\n", stdout);
}

/* Returns -1 to go on, or the exit status. */
static int
parse(int argc, char **argv, struct admin *admin)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "key-file", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	/* '+': what follows the sub-command is its own. */
	while ((c = getopt_long(argc, argv, "+c:k:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			admin->config = optarg;
			break;
		case 'k':
			admin->key_file = optarg;
			break;
		case 'h':
			print_help();
			return ADMIN_OK;
		case 'V':
			puts(PROGRAM " " PACKAGE_VERSION);
			return ADMIN_OK;
		default:
			fputs("try '" PROGRAM " --help'\n", stderr);
			return ADMIN_MISUSED;
		}
	}
	if (optind < argc)
		return -1;
	fputs(PROGRAM ": no command given; try '" PROGRAM " --help'\n", stderr);
	return ADMIN_MISUSED;
}

static int
misused(const char *command, const char *what, const char *which)
{
	fprintf(stderr, PROGRAM ": %s: %s%s; try '" PROGRAM " --help'\n", command, what, which);
	return ADMIN_MISUSED;
}

bool
admin_arguments(int argc, char **argv, const char *flag, bool *given, const char *what,
    const char **first)
{
	int i = 1, want = what != NULL;

	*given = false;
	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], flag) != 0)
			return misused(argv[0], "unknown option ", argv[i]) == ADMIN_OK;
		*given = true;
	}
	if (argc - i < want)
		return misused(argv[0], what, " is missing") == ADMIN_OK;
	if (argc - i > want)
		return misused(argv[0], "unexpected argument ", argv[i + want]) == ADMIN_OK;
	if (what != NULL)
		*first = argv[i];
	return true;
}

char *
admin_key_file(const struct admin *admin, const char *ini, struct mr_error *err)
{
	struct mr_conf conf;
	char *path;

	if (admin->key_file != NULL)
		path = strdup(admin->key_file);
	else if (mr_conf_load(&conf, ini, err) != MR_OK)
		return NULL;
	else {
		path = strdup(conf.key_file);
		mr_conf_free(&conf);
	}
	if (path == NULL)
		(void)mr_fail(err, MR_ENOMEM, "no memory");
	return path;
}

int
admin_fail(const struct mr_error *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return ADMIN_FAILED;
}

int
admin_on_database(const struct admin *admin, int argc, char **argv, const char *application,
    enum mr_err (*work)(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err))
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_options options;
	struct mr_conf conf;
	struct mr_db *db;
	bool none;
	enum mr_err e = MR_ENOMEM;

	if (!admin_arguments(argc, argv, "", &none, NULL, NULL))
		return ADMIN_MISUSED;
	if (mr_conf_load(&conf, admin->config, &err) != MR_OK)
		return admin_fail(&err);
	/* What was done, the work says itself. */
	(void)mr_log_open(PROGRAM, "stderr", MR_LOG_WARNING, NULL);
	options = mr_db_options_of(&conf, application);
	options.query_timeout_ms = QUERY_TIMEOUT_MS;
	if ((db = mr_db_new(&options)) == NULL)
		(void)mr_fail(&err, e, "no memory");
	else
		e = work(db, &conf, &err);
	mr_db_free(db);
	mr_conf_free(&conf);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}

int
main(int argc, char **argv)
{
	struct admin admin = { .config = getenv("MILLRACE_CONFIG") };
	int status;

	admin.config = mr_conf_file(admin.config);
	if ((status = parse(argc, argv, &admin)) >= 0)
		return status;
	umask(077);
	mr_secret_no_core();
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, argv[optind]) != 0)
			continue;
		status = commands[i].run(&admin, argc - optind, argv + optind);
		if (fflush(stdout) == 0)
			return status;
		fputs(PROGRAM ": standard output cannot be written\n", stderr);
		return ADMIN_FAILED;
	}
	return misused(argv[optind], "is no command", "");
}
