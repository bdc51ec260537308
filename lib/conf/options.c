/* Command lines: see options.h. */
#include "conf/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

#define LINE 79
/* The help of options and commands begins here at the latest. */
#define MOST_INDENT 30
#define HELP_BYTES ((size_t)64 * 1024)
#define NAME_BYTES 64
/* getopt_long's answers: a letter, or the place in the table. */
#define FIRST_LONG 256

static const struct mr_option common[] = {
	{ 'h', "help", NULL, 0, "print this and exit" },
	{ 'V', "version", NULL, 0, "print the version and exit" },
};
#define HELP (&common[0])

static size_t
count(const struct mr_command *c)
{
	return c->n_options + (c->name == NULL ? 2 : 1);
}

static const struct mr_option *
option_at(const struct mr_command *c, size_t i)
{
	return i < c->n_options ? &c->options[i] : &common[i - c->n_options];
}

static void
name_of(const struct mr_command *c, const char *between, char name[NAME_BYTES])
{
	(void)snprintf(name, NAME_BYTES, "%s%s%s", c->program, c->name != NULL ? between : "",
	    c->name != NULL ? c->name : "");
}

/* --- the help ---------------------------------------------------------------- */

static void
put_spaces(struct mr_buf *b, size_t n)
{
	mr_buf_printf(b, "%*s", (int)n, "");
}

/* Words from a column on, to the end of the text; each line but the first is indented. */
static void
put_words(struct mr_buf *b, const char *text, size_t column, size_t indent)
{
	bool first = true;
	size_t n;

	for (; *text != '\0'; text += n + (text[n] != '\0')) {
		n = strcspn(text, " \n");
		if (!first && column + 1 + n > LINE) {
			mr_buf_add_char(b, '\n');
			put_spaces(b, indent);
			column = indent;
		} else if (!first) {
			mr_buf_add_char(b, ' ');
			column++;
		}
		mr_buf_add(b, text, n);
		column += n;
		first = false;
	}
	mr_buf_add_char(b, '\n');
}

static void
put_paragraph(struct mr_buf *b, const char *text)
{
	mr_buf_add_char(b, '\n');
	put_words(b, text, 0, 0);
}

/* What was put from `start` on, and in a column of its own what it does. */
static void
put_help(struct mr_buf *b, size_t start, size_t indent, const char *help)
{
	size_t width = b->len - start;

	if (width + 2 > indent) {
		mr_buf_add_char(b, '\n');
		width = 0;
	}
	put_spaces(b, indent - width);
	put_words(b, help, indent, indent);
}

static size_t
option_width(const struct mr_option *o)
{
	return strlen("  -x, --") + strlen(o->name) +
	    (o->argument != NULL ? 1 + strlen(o->argument) : 0);
}

static void
put_option(struct mr_buf *b, const struct mr_option *o, size_t indent)
{
	size_t start = b->len;

	if (o->letter != 0)
		mr_buf_printf(b, "  -%c, --%s", o->letter, o->name);
	else
		mr_buf_printf(b, "      --%s", o->name);
	if (o->argument != NULL)
		mr_buf_printf(b, " %s", o->argument);
	put_help(b, start, indent, o->help);
}

static void
put_options(struct mr_buf *b, const struct mr_command *c)
{
	size_t indent = 0;

	for (size_t i = 0; i < count(c); i++)
		if (option_width(option_at(c, i)) + 2 > indent)
			indent = option_width(option_at(c, i)) + 2;
	if (indent > MOST_INDENT)
		indent = MOST_INDENT;
	mr_buf_add_char(b, '\n');
	for (size_t i = 0; i < count(c); i++)
		put_option(b, option_at(c, i), indent);
}

static void
put_commands(struct mr_buf *b, const struct mr_command *c)
{
	mr_buf_add_char(b, '\n');
	for (size_t i = 0; i < c->n_commands; i++) {
		const struct mr_command *sub = c->commands[i];
		size_t start = b->len;

		mr_buf_printf(b, "  %s%s%s", sub->name, sub->usage[0] != '\0' ? " " : "",
		    sub->usage);
		put_help(b, start, MOST_INDENT, sub->about);
	}
}

static void
put_usage(struct mr_buf *b, const struct mr_command *c, const char *form, size_t n)
{
	char name[NAME_BYTES];

	name_of(c, " ", name);
	mr_buf_printf(b, "%s %s%s%.*s\n", b->len == 0 ? "usage:" : "      ", name,
	    n > 0 ? " " : "", (int)n, form);
}

void
mr_options_help(const struct mr_command *c, struct mr_buf *b)
{
	const char *form = c->usage;
	size_t n;

	for (; form[n = strcspn(form, "\n")] != '\0'; form += n + 1)
		put_usage(b, c, form, n);
	put_usage(b, c, form, n);
	form = c->name == NULL ? "-h | -V" : "-h";
	put_usage(b, c, form, strlen(form));
	put_paragraph(b, c->about);
	if (c->n_commands > 0)
		put_commands(b, c);
	put_options(b, c);
	if (c->notes != NULL)
		put_paragraph(b, c->notes);
	mr_buf_printf(b, "\nManual: %s(8), millrace.ini(5)\n", c->program);
}

static int
print_help(const struct mr_command *c)
{
	struct mr_buf b;
	bool good;

	mr_buf_init(&b, HELP_BYTES);
	mr_options_help(c, &b);
	good = !b.failed && fwrite(b.p, 1, b.len, stdout) == b.len;
	mr_buf_free(&b);
	return good ? 0 : c->misused;
}

/* --- reading ----------------------------------------------------------------- */

int
mr_options_misused(const struct mr_command *c, const char *what, const char *which)
{
	char told[NAME_BYTES], called[NAME_BYTES];

	name_of(c, ": ", told);
	name_of(c, " ", called);
	fprintf(stderr, "%s: %s%s; try '%s --help'\n", told, what, which, called);
	return c->misused;
}

static void
for_getopt(const struct mr_command *c, struct option *longs, char *letters)
{
	/* '+': ends at the first operand. */
	if (!c->mixed)
		*letters++ = '+';
	for (size_t i = 0; i < count(c); i++) {
		const struct mr_option *o = option_at(c, i);

		longs[i] = (struct option){ o->name, o->argument != NULL ? required_argument :
		    no_argument, NULL, FIRST_LONG + (int)i };
		if (o->letter != 0)
			*letters++ = o->letter;
		if (o->letter != 0 && o->argument != NULL)
			*letters++ = ':';
	}
	longs[count(c)] = (struct option){ NULL, 0, NULL, 0 };
	*letters = '\0';
}

/* NULL: getopt_long has said that there is none. */
static const struct mr_option *
option_of(const struct mr_command *c, int got)
{
	if (got >= FIRST_LONG)
		return option_at(c, (size_t)(got - FIRST_LONG));
	for (size_t i = 0; i < count(c); i++)
		if (option_at(c, i)->letter == got)
			return option_at(c, i);
	return NULL;
}

/* Returns -1 to go on, or the exit status. */
static int
take(const struct mr_command *c, const struct mr_option *o, void *to)
{
	char *at = to;
	char called[NAME_BYTES];

	if (o == NULL) {
		name_of(c, " ", called);
		fprintf(stderr, "try '%s --help'\n", called);
		return c->misused;
	}
	if (o == HELP)
		return print_help(c);
	if (o >= common && o < common + sizeof common / sizeof common[0])
		return printf("%s %s\n", c->program, PACKAGE_VERSION) > 0 ? 0 : c->misused;
	if (o->argument != NULL)
		*(const char **)(void *)(at + o->offset) = optarg;
	else
		*(bool *)(at + o->offset) = true;
	return -1;
}

static int
check_operands(const struct mr_command *c, int argc, char **argv)
{
	if (argc == 0 && c->operand != NULL)
		return mr_options_misused(c, c->operand, " is missing");
	if (argc > c->most)
		return mr_options_misused(c, "unexpected argument ", argv[c->most]);
	return -1;
}

int
mr_options_read(const struct mr_command *c, int *argc, char ***argv, void *to)
{
	struct option longs[MR_OPTIONS_MAX + 3];
	char letters[2 * MR_OPTIONS_MAX + 8], told[NAME_BYTES];
	char **args = *argv, *given = args[0];
	int got, status = -1;

	if (c->n_options > MR_OPTIONS_MAX || given == NULL)
		return mr_options_misused(c, "cannot read its options", "");
	for_getopt(c, longs, letters);
	/* getopt_long begins its messages with it. */
	name_of(c, ": ", told);
	args[0] = told;
	optind = 0;
	while (status < 0 && (got = getopt_long(*argc, args, letters, longs, NULL)) != -1)
		status = take(c, option_of(c, got), to);
	args[0] = given;
	if (status >= 0)
		return status;
	*argc -= optind;
	*argv = args + optind;
	return check_operands(c, *argc, *argv);
}
