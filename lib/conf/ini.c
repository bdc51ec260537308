/* Changing an INI file: see ini.h. */
#include "conf/ini.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define MAX_FILE (1 << 20)
#define BLANK " \t\r\n"

static enum mr_err
read_file(struct mr_ini *ini, struct mr_error *err)
{
	int fd = open(ini->real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = -1;
	char *room;

	if (fd < 0)
		return mr_fail(err, MR_EIO, "%s: %s", ini->path, strerror(errno));
	if (fstat(fd, &ini->st) == 0 && S_ISREG(ini->st.st_mode)) {
		while ((room = mr_buf_reserve(&ini->text, 4096)) != NULL &&
		    (n = read(fd, room, 4096)) > 0)
			ini->text.len += (size_t)n;
	} else {
		errno = EINVAL;
	}
	if (n < 0)
		(void)mr_fail(err, MR_EIO, "%s: %s", ini->path, strerror(errno));
	close(fd);
	if (ini->text.failed)
		return mr_fail(err, MR_ELIMIT, "%s: is larger than %d bytes", ini->path, MAX_FILE);
	return n < 0 ? MR_EIO : MR_OK;
}

enum mr_err
mr_ini_open(struct mr_ini *ini, const char *path, struct mr_error *err)
{
	enum mr_err e;

	ini->path = path;
	if (realpath(path, ini->real) == NULL)
		return mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	mr_buf_init(&ini->text, MAX_FILE);
	mr_buf_init(&ini->changed, 2 * MAX_FILE);
	if ((e = read_file(ini, err)) != MR_OK)
		mr_ini_close(ini);
	return e;
}

void
mr_ini_close(struct mr_ini *ini)
{
	mr_buf_free(&ini->text);
	mr_buf_free(&ini->changed);
}

static void
cut(struct mr_str *s, size_t n)
{
	*s = (struct mr_str){ s->p + n, s->n - n };
}

static void
skip_blanks(struct mr_str *s)
{
	while (s->n > 0 && memchr(BLANK, s->p[0], sizeof BLANK - 1) != NULL)
		cut(s, 1);
}

/* The number of bytes before the first of the set. */
static size_t
span(struct mr_str s, const char *set)
{
	size_t n = 0;

	while (n < s.n && strchr(set, s.p[n]) == NULL)
		n++;
	return n;
}

void
mr_ini_start(const struct mr_ini *ini, struct mr_ini_line *line)
{
	*line = (struct mr_ini_line){ .rest = mr_buf_str(&ini->text) };
}

bool
mr_ini_next(struct mr_ini_line *line)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *end = memchr(line->rest.p, '\n', line->rest.n);
	struct mr_str s;
	size_t n;

	if (line->rest.n == 0)
		return false;
	n = end != NULL ? (size_t)(end - line->rest.p) + 1 : line->rest.n;
	line->whole = s = (struct mr_str){ line->rest.p, n };
	cut(&line->rest, n);
	line->number++;
	line->key = line->value = (struct mr_str){ NULL, 0 };
	if (line->number == 1 && s.n >= 3 && memcmp(s.p, bom, 3) == 0)
		cut(&s, 3);
	skip_blanks(&s);
	if (s.n == 0 || s.p[0] == ';' || s.p[0] == '#')
		return true;
	if (s.p[0] == '[') {
		line->section = (struct mr_str){ s.p + 1, span(s, "]\n") - 1 };
		return true;
	}
	if ((n = span(s, "=:")) == s.n)
		return true;
	line->key = (struct mr_str){ s.p, n };
	while (line->key.n > 0 && strchr(BLANK, s.p[line->key.n - 1]) != NULL)
		line->key.n--;
	cut(&s, n + 1);
	skip_blanks(&s);
	line->value = (struct mr_str){ s.p, s.n > 0 && s.p[0] == ';' ? 0 : span(s, BLANK) };
	return true;
}

void
mr_ini_keep(struct mr_ini *ini, const struct mr_ini_line *line)
{
	mr_buf_add_str(&ini->changed, line->whole);
}

void
mr_ini_put(struct mr_ini *ini, const struct mr_ini_line *line, struct mr_str value)
{
	struct mr_str whole = line->whole;
	size_t before = (size_t)(line->value.p - whole.p);

	mr_buf_add(&ini->changed, whole.p, before);
	mr_buf_add_str(&ini->changed, value);
	mr_buf_add(&ini->changed, line->value.p + line->value.n, whole.n - before - line->value.n);
}

/* Where the folder's part of a path ends; paths are real, so that they have one. */
static void
folder_of(const char *path, char folder[PATH_MAX])
{
	size_t n = (size_t)(strrchr(path, '/') - path);

	memcpy(folder, path, n + 1);
	folder[n + 1] = '\0';
}

enum mr_err
mr_ini_writable(const struct mr_ini *ini, struct mr_error *err)
{
	char folder[PATH_MAX];

	folder_of(ini->real, folder);
	if (access(folder, W_OK | X_OK) == 0)
		return MR_OK;
	return mr_fail(err, MR_EIO, "%s cannot be replaced, since the folder %s: %s; run this as a "
	    "user who may", ini->path, folder, strerror(errno));
}

static bool
same_file(const struct mr_ini *ini)
{
	const struct stat *before = &ini->st;
	struct stat now;

	return stat(ini->real, &now) == 0 && now.st_ino == before->st_ino &&
	    now.st_dev == before->st_dev && now.st_size == before->st_size &&
	    now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* Fills the new file, which gets owner and mode of the old one; returns errno or 0. */
static int
fill(int fd, struct mr_str text, const struct stat *st)
{
	return fchown(fd, st->st_uid, st->st_gid) == 0 && fchmod(fd, st->st_mode & 07777) == 0 &&
	    mr_file_write_all(fd, text) == 0 && fsync(fd) == 0 ? 0 : errno;
}

static void
sync_folder(const char *path)
{
	char folder[PATH_MAX];

	folder_of(path, folder);
	(void)mr_file_sync_dir(folder);
}

enum mr_err
mr_ini_replace(const struct mr_ini *ini,
    enum mr_err (*check)(void *arg, const char *path, struct mr_error *err), void *arg,
    struct mr_error *err)
{
	char temporary[PATH_MAX + 8];
	enum mr_err e = MR_OK;
	int fd, error;

	if (ini->changed.failed)
		return mr_fail(err, MR_ELIMIT, "%s: is too large", ini->path);
	snprintf(temporary, sizeof temporary, "%s.XXXXXX", ini->real);
	if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0)
		return mr_fail(err, MR_EIO, "%s: %s", temporary, strerror(errno));
	error = fill(fd, mr_buf_str(&ini->changed), &ini->st);
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0 && check != NULL)
		e = check(arg, temporary, err);
	if (error == 0 && e == MR_OK && !same_file(ini))
		error = EBUSY;
	if (error == 0 && e == MR_OK && rename(temporary, ini->real) != 0)
		error = errno;
	if (error != 0)
		e = mr_fail(err, MR_EIO, "%s: %s, so it stays as it was", ini->real, error == EBUSY ?
		    "was changed by somebody else meanwhile" : strerror(error));
	if (e != MR_OK)
		(void)unlink(temporary);
	else
		sync_folder(ini->real);
	return e;
}
