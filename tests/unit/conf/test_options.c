/* conf/options: what a command line sets, what is refused, and what --help prints. */
#include "conf/options.h"

#include <fcntl.h>
#include <unistd.h>

#include "../tap.h"

enum { WRONG = 7, MAX_ARGS = 8 };

struct options {
	const char *config, *name;
	bool quick, very_slow;
};

static const struct mr_option table[] = {
	MR_OPTION_CONFIG(struct options),
	{ 'q', "quick", NULL, offsetof(struct options, quick), "be quick" },
	{ 0, "very-slow", NULL, offsetof(struct options, very_slow), "take so much time that this "
	    "cannot be said in one line, nor in a line and a half, but in two of them at least" },
	{ 0, "name", "NAME", offsetof(struct options, name), "of whom" },
};

static const struct mr_command sub = {
	.program = "prog",
	.name = "sub",
	.usage = "[--name NAME] FILE",
	.about = "does a part of it",
	.options = table + 3,
	.n_options = 1,
	.operand = "a file",
	.most = 2,
	.mixed = true,
	.misused = WRONG,
};

static const struct mr_command *const subs[] = { &sub };

static const struct mr_command program = {
	.program = "prog",
	.usage = "[-c FILE] [-q]\n[--name NAME] COMMAND",
	.about = "Does what a program does. This is told in more words than have a place in a "
	    "single line of the terminal.",
	.options = table,
	.n_options = sizeof table / sizeof table[0],
	.commands = subs,
	.n_commands = 1,
	.most = 1,
	.notes = "And something below.",
	.misused = WRONG,
};

/* --- reading --------------------------------------------------------------------- */

#define NONE { NULL, NULL, false, false }

static const struct {
	int line;
	const struct mr_command *command;
	const char *args[MAX_ARGS];
	int status;
	struct options options;
	const char *operand; /* the first one */
	const char *said;    /* on standard error, or of the help; NULL: nothing */
} calls[] = {
	{ __LINE__, &program, { NULL }, -1, NONE, NULL, NULL },
	{ __LINE__, &program, { "-q" }, -1, { NULL, NULL, true, false }, NULL, NULL },
	{ __LINE__, &program, { "-qc", "f" }, -1, { "f", NULL, true, false }, NULL, NULL },
	{ __LINE__, &program, { "-cf" }, -1, { "f", NULL, false, false }, NULL, NULL },
	{ __LINE__, &program, { "--config=f", "--quick" }, -1, { "f", NULL, true, false }, NULL,
	    NULL },
	{ __LINE__, &program, { "--config", "f", "--config", "g" }, -1,
	    { "g", NULL, false, false }, NULL, NULL },
	{ __LINE__, &program, { "--very-slow", "--name", "" }, -1, { NULL, "", false, true }, NULL,
	    NULL },
	{ __LINE__, &program, { "x" }, -1, NONE, "x", NULL },
	{ __LINE__, &program, { "--", "-q" }, -1, NONE, "-q", NULL },
	{ __LINE__, &program, { "x", "-q" }, WRONG, NONE, NULL,
	    "prog: unexpected argument -q; try 'prog --help'\n" },
	{ __LINE__, &program, { "-x" }, WRONG, NONE, NULL, "prog: invalid option -- 'x'\n" },
	{ __LINE__, &program, { "-v" }, WRONG, NONE, NULL, "try 'prog --help'\n" },
	{ __LINE__, &program, { "--nonsense" }, WRONG, NONE, NULL, "--nonsense" },
	{ __LINE__, &program, { "--quick=yes" }, WRONG, NONE, NULL, "--quick" },
	{ __LINE__, &program, { "-c" }, WRONG, NONE, NULL, "-- 'c'" },
	{ __LINE__, &program, { "--name" }, WRONG, NONE, NULL, "--name" },
	{ __LINE__, &program, { "-h", "--nonsense" }, 0, NONE, NULL, "usage: prog [-c FILE]" },
	{ __LINE__, &program, { "--help" }, 0, NONE, NULL, "usage: prog [-c FILE]" },
	{ __LINE__, &program, { "-V" }, 0, NONE, NULL, "prog " },
	{ __LINE__, &program, { "--version" }, 0, NONE, NULL, "prog " },
	{ __LINE__, &sub, { "f" }, -1, NONE, "f", NULL },
	{ __LINE__, &sub, { "f", "g" }, -1, NONE, "f", NULL },
	{ __LINE__, &sub, { "f", "--name", "n" }, -1, { NULL, "n", false, false }, "f", NULL },
	{ __LINE__, &sub, { NULL }, WRONG, NONE, NULL,
	    "prog: sub: a file is missing; try 'prog sub --help'\n" },
	{ __LINE__, &sub, { "f", "g", "i" }, WRONG, NONE, NULL, "prog: sub: unexpected argument i" },
	{ __LINE__, &sub, { "--nonsense" }, WRONG, NONE, NULL, "prog: sub: " },
	{ __LINE__, &sub, { "-V" }, WRONG, NONE, NULL, "-- 'V'" },
	{ __LINE__, &sub, { "-h" }, 0, NONE, NULL, "usage: prog sub [--name NAME] FILE" },
};

/* Standard output and error go to the file, or back to where they went. */
static void
redirect(int fd, int kept[2])
{
	fflush(stdout);
	if (fd >= 0) {
		kept[0] = dup(STDOUT_FILENO);
		kept[1] = dup(STDERR_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		return;
	}
	dup2(kept[0], STDOUT_FILENO);
	dup2(kept[1], STDERR_FILENO);
	close(kept[0]);
	close(kept[1]);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_call(size_t i)
{
	char name[] = "/usr/sbin/prog-x", *args[MAX_ARGS + 1] = { name }, **argv = args;
	char text[4096] = "";
	struct options options = NONE;
	FILE *said = tmpfile();
	int argc = 1, status, kept[2] = { -1, -1 };

	if (said == NULL)
		bail("no temporary file");
	for (; calls[i].args[argc - 1] != NULL; argc++)
		args[argc] = strdup(calls[i].args[argc - 1]);
	redirect(fileno(said), kept);
	status = mr_options_read(calls[i].command, &argc, &argv, &options);
	redirect(-1, kept);
	rewind(said);
	text[fread(text, 1, sizeof text - 1, said)] = '\0';
	fclose(said);
	is_int(status, calls[i].status, "status");
	if (calls[i].said != NULL)
		is_part(text, calls[i].said, "what is said");
	else
		is_str(mr_str(text), "", "nothing is said");
	ok(args[0] == name && strcmp(name, "/usr/sbin/prog-x") == 0, "argv[0] is as it was");
	if (status < 0) {
		ok(same_text(argc > 0 ? argv[0] : NULL, calls[i].operand), "the first operand");
		ok(same_text(options.config, calls[i].options.config) &&
		    same_text(options.name, calls[i].options.name), "texts");
		ok(options.quick == calls[i].options.quick &&
		    options.very_slow == calls[i].options.very_slow, "flags");
	}
	for (size_t k = 1; k <= MAX_ARGS && args[k] != NULL; k++)
		free(args[k]);
}

static void
test_calls(void)
{
	for (size_t i = 0; i < ROWS(calls); i++) {
		row(calls[i].line);
		check_call(i);
	}
	row(0);
}

/* --- the help ---------------------------------------------------------------------- */

static const char program_help[] =
    "usage: prog [-c FILE] [-q]\n"
    "       prog [--name NAME] COMMAND\n"
    "       prog -h | -V\n"
    "\n"
    "Does what a program does. This is told in more words than have a place in a\n"
    "single line of the terminal.\n"
    "\n"
    "  sub [--name NAME] FILE      does a part of it\n"
    "\n"
    "  -q, --quick      be quick\n"
    "      --very-slow  take so much time that this cannot be said in one line, nor\n"
    "                   in a line and a half, but in two of them at least\n"
    "      --name NAME  of whom\n"
    "  -h, --help       print this and exit\n"
    "  -V, --version    print the version and exit\n"
    "\n"
    "And something below.\n"
    "\n"
    "Manual: prog(8), millrace.ini(5)\n";

static const char sub_help[] =
    "usage: prog sub [--name NAME] FILE\n"
    "       prog sub -h\n"
    "\n"
    "does a part of it\n"
    "\n"
    "      --name NAME  of whom\n"
    "  -h, --help       print this and exit\n"
    "\n"
    "Manual: prog(8), millrace.ini(5)\n";

/* The line of -c has the path of the installation; the others are taken out to compare. */
static void
test_help(void)
{
	struct mr_command without = program;
	struct mr_buf b;

	without.options = table + 1;
	without.n_options--;
	mr_buf_init(&b, 65536);
	mr_options_help(&without, &b);
	is_str(mr_buf_str(&b), program_help, "of a program with a sub-command");
	mr_buf_reset(&b, 65536);
	mr_options_help(&sub, &b);
	is_str(mr_buf_str(&b), sub_help, "of the sub-command");
	mr_buf_reset(&b, 65536);
	mr_options_help(&program, &b);
	mr_buf_add_char(&b, '\0');
	is_part(b.p, "  -c, --config FILE  configuration; else $MILLRACE_CONFIG, else", "-c");
	is_part(b.p, "\n                     " MR_CONF_FILE "\n", "and the file without it");
	mr_buf_free(&b);
}

int
main(void)
{
	test_calls();
	test_help();
	return done();
}
