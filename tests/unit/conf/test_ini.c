/* conf/ini: going through an INI file, and changing values of it. */
#include "conf/ini.h"

#include <fcntl.h>
#include <unistd.h>

#include "../tap.h"

static char dir[256], path[300];

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		bail("cannot write %s", name);
}

/* The file's text; for one check, as it is kept in one place. */
static struct mr_str
text_of(const char *name)
{
	static char text[4096];
	FILE *f = fopen(name, "re");
	size_t n;

	if (f == NULL)
		return MR_STR_NULL;
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	return (struct mr_str){ text, n };
}

/* --- lines ----------------------------------------------------------------------- */

static const struct {
	int line;
	const char *text;
	const char *section, *key, *value; /* of its last line; "": none */
} lines[] = {
	{ __LINE__, "key = value\n", "", "key", "value" },
	{ __LINE__, "key=value", "", "key", "value" },
	{ __LINE__, "  key : value  \r\n", "", "key", "value" },
	{ __LINE__, "key = two words\n", "", "key", "two" },
	{ __LINE__, "key = value ; a comment\n", "", "key", "value" },
	{ __LINE__, "key = ; a comment\n", "", "key", "" },
	{ __LINE__, "key =\n", "", "key", "" },
	{ __LINE__, "; key = value\n", "", "", "" },
	{ __LINE__, "# key = value\n", "", "", "" },
	{ __LINE__, "\n", "", "", "" },
	{ __LINE__, "no pair\n", "", "", "" },
	{ __LINE__, "[client a b]\nkey = value\n", "client a b", "key", "value" },
	{ __LINE__, "[a]\nx = 1\n[b] ; too\n", "b", "", "" },
	{ __LINE__, "\xef\xbb\xbf[a]\nkey = value\n", "a", "key", "value" },
	{ __LINE__, "[a\nkey = value\n", "a", "key", "value" },
	{ __LINE__, "a = b=c:d\n", "", "a", "b=c:d" },
};

static void
test_lines(void)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_ini_line line;
	struct mr_ini ini;

	for (size_t i = 0; i < ROWS(lines); i++) {
		size_t bytes = 0;

		row(lines[i].line);
		write_file(path, lines[i].text);
		if (!ok(mr_ini_open(&ini, path, &err) == MR_OK, "opened"))
			continue;
		for (mr_ini_start(&ini, &line); mr_ini_next(&line);) {
			bytes += line.whole.n;
			mr_ini_keep(&ini, &line);
		}
		ok(mr_str_eq(line.section, mr_str(lines[i].section)), "section");
		ok(mr_str_eq(line.key, mr_str(lines[i].key)), "key");
		ok(mr_str_eq(line.value, mr_str(lines[i].value)), "value");
		is_int(bytes, strlen(lines[i].text), "no byte belongs to no line");
		is_str(mr_buf_str(&ini.changed), lines[i].text, "kept, they are the same");
		mr_ini_close(&ini);
	}
	row(0);
}

/* --- changing ---------------------------------------------------------------------- */

#define BEFORE "; first\n[a]\nx = 1 ; one\n[b]\n  x=2\r\nlast = 3"

/* Puts another value wherever [b] has an x. */
static void
change(struct mr_ini *ini, const char *value)
{
	struct mr_ini_line line;

	for (mr_ini_start(ini, &line); mr_ini_next(&line);)
		if (mr_str_eq(line.section, mr_str("b")) && mr_str_eq(line.key, mr_str("x")))
			mr_ini_put(ini, &line, mr_str(value));
		else
			mr_ini_keep(ini, &line);
}

static enum mr_err
refuse(void *arg, const char *new_path, struct mr_error *err)
{
	is_str(text_of(new_path), "; first\n[a]\nx = 1 ; one\n[b]\n  x=22\r\nlast = 3", arg);
	return mr_fail(err, MR_EINVAL, "refused");
}

static void
test_replace(void)
{
	static char what[] = "the check is given the new file";
	struct mr_error err = MR_ERROR_INIT;
	struct mr_ini ini;
	struct stat st;

	write_file(path, BEFORE);
	chmod(path, 0604);
	is_int(mr_ini_open(&ini, path, &err), MR_OK, "opened");
	change(&ini, "22");
	is_int(mr_ini_replace(&ini, refuse, what, &err), MR_EINVAL, "what the check refuses");
	is_str(mr_str(err.text), "refused", "is told by it");
	is_str(text_of(path), BEFORE, "and leaves the file as it was");
	is_int(mr_ini_replace(&ini, NULL, NULL, &err), MR_OK, "replaced");
	is_str(text_of(path), "; first\n[a]\nx = 1 ; one\n[b]\n  x=22\r\nlast = 3",
	    "that value alone is another");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0604, "the mode is the same");
	mr_ini_close(&ini);
}

static void
test_changed_meanwhile(void)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_ini ini;

	write_file(path, BEFORE);
	is_int(mr_ini_open(&ini, path, &err), MR_OK, "opened");
	change(&ini, "22");
	write_file(path, "[c]\n");
	is_int(mr_ini_replace(&ini, NULL, NULL, &err), MR_EIO, "changed meanwhile: refused");
	is_part(err.text, "by somebody else", "which is said");
	is_str(text_of(path), "[c]\n", "and the other change stays");
	mr_ini_close(&ini);
}

/* The link stays one, and what it points to is replaced. */
static void
test_link(void)
{
	char link_path[300];
	struct mr_error err = MR_ERROR_INIT;
	struct mr_ini ini;
	struct stat st;

	snprintf(link_path, sizeof link_path, "%s/link.ini", dir);
	write_file(path, BEFORE);
	if (symlink(path, link_path) != 0)
		bail("cannot make a link");
	is_int(mr_ini_open(&ini, link_path, &err), MR_OK, "opened through a link");
	is_int(mr_ini_writable(&ini, &err), MR_OK, "its folder can be written");
	change(&ini, "4");
	is_int(mr_ini_replace(&ini, NULL, NULL, &err), MR_OK, "replaced through it");
	ok(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode), "the link is one still");
	is_str(text_of(path), "; first\n[a]\nx = 1 ; one\n[b]\n  x=4\r\nlast = 3", "changed");
	mr_ini_close(&ini);
	unlink(link_path);
}

static void
test_unreadable(void)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_ini ini;
	char *large = malloc((1 << 20) + 2);

	unlink(path);
	is_int(mr_ini_open(&ini, path, &err), MR_EIO, "not there");
	is_part(err.text, path, "which is named");
	is_int(mr_ini_open(&ini, dir, &err), MR_EIO, "a folder");
	if (large == NULL)
		bail("no memory");
	memset(large, ';', (1 << 20) + 1);
	large[(1 << 20) + 1] = '\0';
	write_file(path, large);
	free(large);
	is_int(mr_ini_open(&ini, path, &err), MR_ELIMIT, "more than a mebibyte");
}

int
main(void)
{
	make_temp_dir(dir, sizeof dir, "ini");
	snprintf(path, sizeof path, "%s/a.ini", dir);
	test_lines();
	test_replace();
	test_changed_meanwhile();
	test_link();
	test_unreadable();
	unlink(path);
	is_int(rmdir(dir), 0, "no other file is left behind");
	return done();
}
