/* The key file and sealed values: see keyring.h. */
#include "secret/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define KEY_PREFIX "millrace-key:v1:"
#define SEALED_PREFIX "sealed:v1:"
#define ID_DIGITS (MR_KEY_ID_TEXT - 1)
#define LINE_MAX_BYTES (sizeof KEY_PREFIX + MR_KEY_ID_TEXT + MR_BASE64_TEXT(MR_SECRET_KEY_BYTES))
#define FILE_MAX_BYTES 16384

struct key {
	char id[16]; /* MR_KEY_ID_TEXT of it; the size keeps the struct's a multiple of 16 */
	unsigned char bytes[MR_SECRET_KEY_BYTES];
};

/* In guarded memory as a whole. */
struct mr_keyring {
	struct key keys[MR_KEYRING_MAX];
	size_t n;
	size_t pad;
};

static void
key_id(const unsigned char key[MR_SECRET_KEY_BYTES], char id[MR_KEY_ID_TEXT])
{
	static const char label[] = "millrace key id";
	unsigned char digest[MR_SHA256_BYTES];
	struct mr_sha256 s;

	mr_sha256_init(&s);
	mr_sha256_add(&s, label, sizeof label);
	mr_sha256_add(&s, key, MR_SECRET_KEY_BYTES);
	mr_sha256_final(&s, digest);
	mr_secret_hex(digest, ID_DIGITS / 2, id);
	mr_secret_wipe(&s, sizeof s);
}

static bool
is_id(struct mr_str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (memchr("0123456789abcdef", text.p[i], 16) == NULL)
			return false;
	return text.n == ID_DIGITS;
}

/* --- reading the file ------------------------------------------------------- */

/* "user NAME", or the number of one that has no name. */
static void
user_name(uid_t uid, char *text, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		snprintf(text, size, "user %s", pw->pw_name);
	else
		snprintf(text, size, "user %lu", (unsigned long)uid);
}

static enum mr_err
check_owner(const char *path, const struct stat *st, struct mr_error *err)
{
	char owner[64], me[64];

	if (!S_ISREG(st->st_mode))
		return mr_fail(err, MR_EINVAL, "key file %s: is not a regular file", path);
	/* Root, who may read it anyway, looks after those of the users that exports run as. */
	if (geteuid() != 0 && st->st_uid != geteuid() && st->st_uid != 0) {
		user_name(st->st_uid, owner, sizeof owner);
		user_name(geteuid(), me, sizeof me);
		return mr_fail(err, MR_EINVAL, "key file %s: belongs to %s and is not trusted by "
		    "%s; run this as %s, or chown it", path, owner, me, owner);
	}
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return mr_fail(err, MR_EINVAL, "key file %s: its mode is %04o, so others may use "
		    "it; chmod 600 it, and if others could read it, replace the key and every "
		    "secret that it sealed", path, (unsigned)(st->st_mode & 07777));
	if (st->st_size > FILE_MAX_BYTES)
		return mr_fail(err, MR_EINVAL, "key file %s: is larger than %d bytes, so it is "
		    "no key file", path, FILE_MAX_BYTES);
	return MR_OK;
}

/* Reads the whole file into text, FILE_MAX_BYTES + 1 bytes of guarded memory. */
static enum mr_err
read_text(const char *path, char *text, size_t *n, struct stat *st, struct mr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	enum mr_err e = MR_OK;
	ssize_t got;

	*n = 0;
	if (fd < 0)
		return mr_fail(err, MR_EIO, "key file %s: %s%s", path, strerror(errno),
		    errno == ENOENT ? "; make one with millrace-admin seal --make-key" : "");
	if (fstat(fd, st) != 0)
		e = mr_fail(err, MR_EIO, "key file %s: %s", path, strerror(errno));
	else
		e = check_owner(path, st, err);
	if (e == MR_OK && (got = mr_file_read_all(fd, text, FILE_MAX_BYTES)) < 0)
		e = mr_fail(err, MR_EIO, "key file %s: %s", path, strerror(errno));
	else if (e == MR_OK)
		*n = (size_t)got;
	close(fd);
	text[*n] = '\0';
	return e;
}

/* Reads "millrace-key:v1:ID:BASE64"; line ends with NUL. */
static bool
parse_key(const char *line, struct key *key)
{
	static const size_t prefix = sizeof KEY_PREFIX - 1;
	char id[MR_KEY_ID_TEXT];
	size_t n = 0;

	if (strncmp(line, KEY_PREFIX, prefix) != 0 ||
	    !is_id((struct mr_str){ line + prefix, strcspn(line + prefix, ":") }) ||
	    !mr_secret_unbase64(mr_str(line + prefix + ID_DIGITS + 1), key->bytes,
	    sizeof key->bytes, &n) || n != sizeof key->bytes)
		return false;
	key_id(key->bytes, id);
	memcpy(key->id, id, sizeof id);
	return strncmp(line + prefix, id, ID_DIGITS) == 0;
}

static enum mr_err
parse(struct mr_keyring *ring, const char *path, char *text, struct mr_error *err)
{
	char *line, *next, *end;
	int number = 0;

	for (line = text; line != NULL; line = next) {
		number++;
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		for (end = line + strlen(line); end > line && strchr(" \t\r", end[-1]) != NULL;)
			*--end = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (ring->n == MR_KEYRING_MAX)
			return mr_fail(err, MR_EINVAL, "key file %s: has more than %d keys; "
			    "remove the oldest, which stand last", path, MR_KEYRING_MAX);
		if (!parse_key(line, &ring->keys[ring->n]))
			return mr_fail(err, MR_EINVAL, "key file %s:%d: is damaged or no key; "
			    "restore the file from a copy", path, number);
		ring->n++;
	}
	if (ring->n == 0)
		return mr_fail(err, MR_EINVAL, "key file %s: has no key in it", path);
	return MR_OK;
}

enum mr_err
mr_keyring_load(struct mr_keyring **out, const char *path, struct mr_error *err)
{
	struct mr_keyring *ring = mr_secret_alloc(sizeof *ring);
	char *text = mr_secret_alloc(FILE_MAX_BYTES + 16);
	enum mr_err e = MR_ENOMEM;
	struct stat st;
	size_t n;

	*out = NULL;
	if (ring == NULL || text == NULL)
		(void)mr_fail(err, e, "no memory for the key file");
	else if ((e = read_text(path, text, &n, &st, err)) == MR_OK)
		e = parse(ring, path, text, err);
	mr_secret_free(text);
	if (e == MR_OK)
		*out = ring;
	else
		mr_secret_free(ring);
	return e;
}

void
mr_keyring_free(struct mr_keyring *ring)
{
	mr_secret_free(ring);
}

const char *
mr_keyring_newest(const struct mr_keyring *ring)
{
	return ring->keys[0].id;
}

/* --- writing it ------------------------------------------------------------- */

/* A new key as a line; line has LINE_MAX_BYTES. */
static void
make_line(char *line)
{
	unsigned char key[MR_SECRET_KEY_BYTES];
	char id[MR_KEY_ID_TEXT];
	size_t n = sizeof KEY_PREFIX - 1;

	mr_secret_random(key, sizeof key);
	key_id(key, id);
	memcpy(line, KEY_PREFIX, n);
	memcpy(line + n, id, ID_DIGITS);
	n += ID_DIGITS;
	line[n++] = ':';
	mr_secret_base64(key, sizeof key, line + n);
	n += strlen(line + n);
	line[n++] = '\n';
	line[n] = '\0';
	mr_secret_wipe(key, sizeof key);
}

/* So that the new name of a file outlives a crash. */
static void
sync_folder(const char *path)
{
	char folder[MR_FILE_PATH_MAX];

	if (mr_file_folder(folder, sizeof folder, path) == 0)
		(void)mr_file_sync_dir(folder);
}

/* Creates path, which must not exist, with mode 0600 and the two texts in it. */
static enum mr_err
create(const char *path, const char *first, const char *rest, const struct stat *owner,
    struct mr_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), error = 0;

	if (fd < 0 && errno == EEXIST)
		return mr_fail(err, MR_EINVAL, "key file %s: exists already and stays as it is; to "
		    "add a newer key, use millrace-admin rekey --make-key", path);
	if (fd < 0)
		return mr_fail(err, MR_EIO, "key file %s: %s", path, strerror(errno));
	if (fchmod(fd, 0600) != 0 || (owner != NULL && owner->st_uid != geteuid() &&
	    fchown(fd, owner->st_uid, owner->st_gid) != 0) ||
	    mr_file_write_all(fd, mr_str(first)) != 0 || mr_file_write_all(fd, mr_str(rest)) != 0 ||
	    fsync(fd) != 0)
		error = errno;
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0)
		return MR_OK;
	(void)unlink(path);
	return mr_fail(err, MR_EIO, "key file %s: %s", path, strerror(error));
}

enum mr_err
mr_keyring_make(const char *path, struct mr_error *err)
{
	char line[LINE_MAX_BYTES];
	enum mr_err e;

	make_line(line);
	e = create(path, line, "", NULL, err);
	mr_secret_wipe(line, sizeof line);
	if (e == MR_OK)
		sync_folder(path);
	return e;
}

/* Writes the new line and the old text beside the file and renames. */
static enum mr_err
prepend(const char *path, const char *text, const struct stat *st, struct mr_error *err)
{
	char temporary[PATH_MAX], line[LINE_MAX_BYTES];
	enum mr_err e;

	if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary)
		return mr_fail(err, MR_EINVAL, "key file %s: its path is too long", path);
	(void)unlink(temporary);
	make_line(line);
	e = create(temporary, line, text, st, err);
	mr_secret_wipe(line, sizeof line);
	if (e == MR_OK && rename(temporary, path) != 0) {
		e = mr_fail(err, MR_EIO, "key file %s: %s", path, strerror(errno));
		(void)unlink(temporary);
	}
	if (e == MR_OK)
		sync_folder(path);
	return e;
}

enum mr_err
mr_keyring_add(const char *path, struct mr_error *err)
{
	char real[PATH_MAX];
	char *text = NULL;
	struct mr_keyring *ring;
	enum mr_err e = mr_keyring_load(&ring, path, err);
	struct stat st;
	size_t n;

	if (e != MR_OK)
		return e;
	if (ring->n == MR_KEYRING_MAX)
		e = mr_fail(err, MR_EINVAL, "key file %s: has %d keys, which is the most; remove "
		    "the oldest, which stand last", path, MR_KEYRING_MAX);
	else if (realpath(path, real) == NULL)
		e = mr_fail(err, MR_EIO, "key file %s: %s", path, strerror(errno));
	else if ((text = mr_secret_alloc(FILE_MAX_BYTES + 16)) == NULL)
		e = mr_fail(err, MR_ENOMEM, "no memory for the key file");
	else if ((e = read_text(path, text, &n, &st, err)) == MR_OK)
		e = prepend(real, text, &st, err);
	mr_secret_free(text);
	mr_keyring_free(ring);
	return e;
}

/* --- sealed values ---------------------------------------------------------- */

bool
mr_sealed_is(struct mr_str text)
{
	return text.n >= 7 && memcmp(text.p, SEALED_PREFIX, 7) == 0;
}

/* What the seal covers besides the value: all up to the third colon. 0: malformed. */
static size_t
header_length(struct mr_str sealed)
{
	static const size_t prefix = sizeof SEALED_PREFIX - 1;

	if (sealed.n <= prefix + ID_DIGITS || memcmp(sealed.p, SEALED_PREFIX, prefix) != 0 ||
	    !is_id((struct mr_str){ sealed.p + prefix, ID_DIGITS }) ||
	    sealed.p[prefix + ID_DIGITS] != ':')
		return 0;
	return prefix + ID_DIGITS + 1;
}

void
mr_sealed_key_id(struct mr_str sealed, char id[MR_KEY_ID_TEXT])
{
	id[0] = '\0';
	if (header_length(sealed) == 0)
		return;
	memcpy(id, sealed.p + sizeof SEALED_PREFIX - 1, ID_DIGITS);
	id[ID_DIGITS] = '\0';
}

enum mr_err
mr_seal(const struct mr_keyring *ring, struct mr_str plain, struct mr_buf *sealed,
    struct mr_error *err)
{
	unsigned char box[MR_SEALED_MAX_PLAIN + MR_SECRET_EXTRA_BYTES];
	char header[sizeof SEALED_PREFIX + MR_KEY_ID_TEXT];
	size_t n = plain.n + MR_SECRET_EXTRA_BYTES;
	enum mr_err e;
	char *text;

	if (plain.n == 0 || plain.n > MR_SEALED_MAX_PLAIN)
		return mr_fail(err, MR_ELIMIT, "a secret of %zu bytes cannot be sealed; 1 to %d can",
		    plain.n, MR_SEALED_MAX_PLAIN);
	snprintf(header, sizeof header, SEALED_PREFIX "%.8s:", ring->keys[0].id);
	e = mr_secret_encrypt(ring->keys[0].bytes, mr_str(header), plain, box, err);
	if (e != MR_OK)
		return e;
	mr_buf_add_cstr(sealed, header);
	if ((text = mr_buf_reserve(sealed, MR_BASE64_TEXT(n))) == NULL)
		return mr_fail(err, MR_ENOMEM, "no room for the sealed value");
	mr_secret_base64(box, n, text);
	sealed->len += strlen(text);
	return MR_OK;
}

static const struct key *
find_key(const struct mr_keyring *ring, const char *id)
{
	for (size_t i = 0; i < ring->n; i++)
		if (strcmp(ring->keys[i].id, id) == 0)
			return &ring->keys[i];
	return NULL;
}

enum mr_err
mr_unseal(const struct mr_keyring *ring, struct mr_str sealed, char *plain, size_t most,
    size_t *n, struct mr_error *err)
{
	unsigned char box[MR_SEALED_MAX_PLAIN + MR_SECRET_EXTRA_BYTES];
	size_t header = header_length(sealed), got = 0;
	char id[MR_KEY_ID_TEXT];
	const struct key *key;

	mr_sealed_key_id(sealed, id);
	if (header == 0 || !mr_secret_unbase64((struct mr_str){ sealed.p + header,
	    sealed.n - header }, box, sizeof box, &got) || got <= MR_SECRET_EXTRA_BYTES)
		return mr_fail(err, MR_EINVAL, "the sealed value is malformed; seal the secret again "
		    "with millrace-admin seal");
	if ((key = find_key(ring, id)) == NULL)
		return mr_fail(err, MR_EINVAL, "the value was sealed with key %s, which is not in "
		    "the key file; put that key back, or seal the secret again", id);
	if (got - MR_SECRET_EXTRA_BYTES > most)
		return mr_fail(err, MR_ELIMIT, "the sealed secret is longer than %zu bytes", most);
	if (!mr_secret_decrypt(key->bytes, (struct mr_str){ sealed.p, header }, box, got,
	    (unsigned char *)plain))
		return mr_fail(err, MR_EINVAL, "the sealed value was altered after it was sealed "
		    "with key %s; seal the secret again", id);
	*n = got - MR_SECRET_EXTRA_BYTES;
	return MR_OK;
}
