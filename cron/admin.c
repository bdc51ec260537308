/* millrace-admin: options, then the sub-command. */
#include "admin.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "secret/secret.h"

/* Each has a file of its own; and its row here says where it is in the help. */
static const struct admin_command *const commands[] = { &admin_seal, &admin_rekey, &admin_rotate,
	&admin_rejected, &admin_migrate, &admin_rebind, &admin_usage };
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static const struct mr_command *const lines[N_COMMANDS] = { &admin_seal.line, &admin_rekey.line,
	&admin_rotate.line, &admin_rejected.line, &admin_migrate.line, &admin_rebind.line,
	&admin_usage.line };

static const struct mr_option table[] = {
	MR_OPTION_CONFIG(struct admin),
	{ 'k', "key-file", "FILE", offsetof(struct admin, key_file),
	    "instead of the configuration's key_file" },
};

static const struct mr_command line = {
	.program = ADMIN_PROGRAM,
	.usage = "[-c FILE] [-k FILE] COMMAND [ARGUMENT ...]\nCOMMAND -h",
	.about = "Looks after an installation of millrace.",
	.options = table,
	.n_options = sizeof table / sizeof table[0],
	.commands = lines,
	.n_commands = N_COMMANDS,
	.most = INT_MAX,
	.misused = ADMIN_MISUSED,
};

static int
run(const struct admin *admin, const struct admin_command *command, int argc, char **argv)
{
	int status = command->run(admin, argc, argv);

	if (fflush(stdout) == 0)
		return status;
	fputs(ADMIN_PROGRAM ": standard output cannot be written\n", stderr);
	return ADMIN_FAILED;
}

int
main(int argc, char **argv)
{
	struct admin admin = { .config = getenv("MILLRACE_CONFIG") };
	int status;

	if ((status = mr_options_read(&line, &argc, &argv, &admin)) >= 0)
		return status;
	if (argc == 0)
		return mr_options_misused(&line, "no command given", "");
	admin.config = mr_conf_file(admin.config);
	umask(077);
	mr_secret_no_core();
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(lines[i]->name, argv[0]) == 0)
			return run(&admin, commands[i], argc, argv);
	return mr_options_misused(&line, argv[0], ": there is no such command");
}
