/*
 * millrace-admin rekey: seals every sealed value of an INI file anew, with the
 * newest key. The file is replaced as a whole, or stays as it was.
 */
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/keyring.h"

#define MAX_FILE (1 << 20)

struct counts {
	int changed, current;
};

/* Where the sealed value of a line is; n == 0: it has none. */
static struct mr_str
sealed_value(struct mr_str line)
{
	struct mr_str v = { memchr(line.p, '=', line.n), 0 };

	while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		line = (struct mr_str){ line.p + 1, line.n - 1 };
	if (v.p == NULL || line.n == 0 || line.p[0] == ';' || line.p[0] == '#')
		return v;
	v = (struct mr_str){ v.p + 1, (size_t)(line.p + line.n - v.p) - 1 };
	while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
		v = (struct mr_str){ v.p + 1, v.n - 1 };
	if (!mr_sealed_is(v))
		return (struct mr_str){ v.p, 0 };
	for (line = v, v.n = 0; v.n < line.n && strchr(" \t\r\n", v.p[v.n]) == NULL;)
		v.n++;
	return v;
}

/* Appends the value, sealed with the newest key. */
static enum mr_err
reseal(const struct mr_keyring *ring, struct mr_str value, struct mr_buf *to,
    struct counts *counts, struct mr_error *err)
{
	char id[MR_KEY_ID_TEXT];
	char *plain = mr_secret_alloc(MR_SEALED_MAX_PLAIN);
	enum mr_err e = MR_OK;
	size_t n;

	if (plain == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	mr_sealed_key_id(value, id);
	if ((e = mr_unseal(ring, value, plain, MR_SEALED_MAX_PLAIN, &n, err)) != MR_OK)
		;
	else if (strcmp(id, mr_keyring_newest(ring)) == 0) {
		mr_buf_add_str(to, value);
		counts->current++;
	} else {
		e = mr_seal(ring, (struct mr_str){ plain, n }, to, err);
		counts->changed++;
	}
	mr_secret_free(plain);
	return e;
}

/* Copies the text line by line; all that is no sealed value stays as it is. */
static enum mr_err
convert(const struct mr_keyring *ring, const char *path, struct mr_str text, struct mr_buf *to,
    struct counts *counts, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_str line, value;
	const char *end;
	int number = 0;

	for (; text.n > 0; text = (struct mr_str){ text.p + line.n, text.n - line.n }) {
		end = memchr(text.p, '\n', text.n);
		line = (struct mr_str){ text.p, end != NULL ? (size_t)(end - text.p) + 1 : text.n };
		number++;
		value = sealed_value(line);
		if (value.n == 0) {
			mr_buf_add_str(to, line);
			continue;
		}
		mr_buf_add(to, line.p, (size_t)(value.p - line.p));
		if (reseal(ring, value, to, counts, &why) != MR_OK)
			return mr_fail(err, why.code, "%s:%d: %.400s", path, number, why.text);
		mr_buf_add(to, value.p + value.n, (size_t)(line.p + line.n - value.p) - value.n);
	}
	return to->failed ? mr_fail(err, MR_ELIMIT, "%s: is too large", path) : MR_OK;
}

static enum mr_err
read_file(const char *path, struct mr_buf *text, struct stat *st, struct mr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = -1;
	char *room;

	if (fd < 0)
		return mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode)) {
		while ((room = mr_buf_reserve(text, 4096)) != NULL && (n = read(fd, room, 4096)) > 0)
			text->len += (size_t)n;
	} else {
		errno = EINVAL;
	}
	if (n < 0)
		(void)mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	close(fd);
	if (text->failed)
		return mr_fail(err, MR_ELIMIT, "%s: is larger than %d bytes", path, MAX_FILE);
	return n < 0 ? MR_EIO : MR_OK;
}

static bool
same_file(const char *path, const struct stat *before)
{
	struct stat now;

	return stat(path, &now) == 0 && now.st_ino == before->st_ino &&
	    now.st_dev == before->st_dev && now.st_size == before->st_size &&
	    now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* Fills the new file, which gets owner and mode of the old one; returns errno or 0. */
static int
fill(int fd, struct mr_str text, const struct stat *st)
{
	ssize_t n;

	if (fchown(fd, st->st_uid, st->st_gid) != 0 || fchmod(fd, st->st_mode & 07777) != 0)
		return errno;
	for (; text.n > 0; text = (struct mr_str){ text.p + n, text.n - (size_t)n })
		if ((n = write(fd, text.p, text.n)) <= 0)
			return n < 0 ? errno : EIO;
	return fsync(fd) == 0 ? 0 : errno;
}

/* path is real: no link. Its folder is synced, so that the new name is kept. */
static enum mr_err
replace(const char *path, struct mr_str text, const struct stat *st, struct mr_error *err)
{
	char temporary[PATH_MAX + 8], *slash;
	int fd, error;

	snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
	if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0)
		return mr_fail(err, MR_EIO, "%s: %s", temporary, strerror(errno));
	error = fill(fd, text, st);
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0 && !same_file(path, st))
		error = EBUSY;
	if (error == 0 && rename(temporary, path) != 0)
		error = errno;
	if (error != 0) {
		(void)unlink(temporary);
		return mr_fail(err, MR_EIO, "%s: %s, so it stays as it was", path, error == EBUSY ?
		    "was changed by somebody else meanwhile" : strerror(error));
	}
	if ((slash = strrchr(temporary, '/')) != NULL)
		slash[1] = '\0';
	fd = open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	return MR_OK;
}

/* Converts with the keys as they are in the file now. */
static enum mr_err
convert_now(const char *key_file, const char *path, struct mr_str before, struct mr_buf *after,
    struct counts *counts, char newest[MR_KEY_ID_TEXT], struct mr_error *err)
{
	struct mr_keyring *ring;
	enum mr_err e = mr_keyring_load(&ring, key_file, err);

	if (e != MR_OK)
		return e;
	*counts = (struct counts){ 0, 0 };
	mr_buf_reset(after, after->max);
	e = convert(ring, path, before, after, counts, err);
	memcpy(newest, mr_keyring_newest(ring), MR_KEY_ID_TEXT);
	mr_keyring_free(ring);
	return e;
}

static enum mr_err
rekey(const char *key_file, const char *path, bool make_key, struct mr_error *err)
{
	struct counts counts = { 0, 0 };
	struct mr_buf before, after;
	char real[PATH_MAX], newest[MR_KEY_ID_TEXT];
	struct stat st;
	enum mr_err e;

	if (realpath(path, real) == NULL)
		return mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	mr_buf_init(&before, MAX_FILE);
	mr_buf_init(&after, 2 * MAX_FILE);
	if ((e = read_file(real, &before, &st, err)) == MR_OK)
		e = convert_now(key_file, path, mr_buf_str(&before), &after, &counts, newest, err);
	/* A key is added only once it is known that everything opens. */
	if (e == MR_OK && make_key && (e = mr_keyring_add(key_file, err)) == MR_OK)
		e = convert_now(key_file, path, mr_buf_str(&before), &after, &counts, newest, err);
	if (e == MR_OK && counts.changed > 0)
		e = replace(real, mr_buf_str(&after), &st, err);
	if (e == MR_OK)
		printf("%s: %d sealed with key %s, %d were already\n", path, counts.changed, newest,
		    counts.current);
	mr_buf_free(&before);
	mr_buf_free(&after);
	return e;
}

int
admin_rekey(const struct admin *admin, int argc, char **argv)
{
	struct mr_error err = MR_ERROR_INIT;
	const char *path = NULL;
	char *key_file;
	bool make_key;
	enum mr_err e;

	if (!admin_arguments(argc, argv, "--make-key", &make_key, 1, &path))
		return ADMIN_MISUSED;
	if ((key_file = admin_key_file(admin, path, &err)) == NULL)
		return admin_fail(&err);
	e = rekey(key_file, path, make_key, &err);
	free(key_file);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}
