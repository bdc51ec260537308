/* The key file and sealed values: secret/keyring.h. */
#include "secret/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"

static char folder[] = "/tmp/mr-keyring-XXXXXX";
static char path[64];
static struct mr_error err;

/* Writes the key file anew. */
static void
put(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    fchmod(fd, mode) != 0 || close(fd) != 0)
		bail("cannot write %s: %s", path, strerror(errno));
}

static char *
get(void)
{
	static char text[8192];
	FILE *f = fopen(path, "r");
	size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;

	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	return text;
}

static struct mr_keyring *
load(void)
{
	struct mr_keyring *ring;

	if (mr_keyring_load(&ring, path, &err) != MR_OK)
		bail("the key file cannot be loaded: %s", err.text);
	return ring;
}

static void
check_make(void)
{
	struct mr_keyring *ring;
	char first[8192];
	struct stat st;

	is_int(mr_keyring_load(&ring, path, &err), MR_EIO, "without a key file");
	is_part(err.text, "--make-key", "the reason says how to make one");
	umask(0);
	is_int(mr_keyring_make(path, &err), MR_OK, "a key file is made");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "with mode 0600, whatever the umask");
	umask(022);
	ring = load();
	is_int((int64_t)strlen(mr_keyring_newest(ring)), 8, "its key has an id");
	snprintf(first, sizeof first, "%s", get());
	ok(strncmp(first, "millrace-key:v1:", 16) == 0 &&
	    strncmp(first + 16, mr_keyring_newest(ring), 8) == 0, "its line has the form");
	mr_keyring_free(ring);
	is_int(mr_keyring_make(path, &err), MR_EINVAL, "a second time");
	is_part(err.text, "exists already", "the reason says why not");
	is_str(mr_str(get()), first, "and it is the same as before");
	mr_keyring_free(NULL);
}

static void
check_modes(void)
{
	static const struct {
		int line;
		mode_t mode;
		bool good;
	} rows[] = {
		{ __LINE__, 0600, true },  { __LINE__, 0400, true },  { __LINE__, 0700, true },
		{ __LINE__, 0640, false }, { __LINE__, 0604, false }, { __LINE__, 0620, false },
		{ __LINE__, 0602, false }, { __LINE__, 0610, false }, { __LINE__, 0644, false },
		{ __LINE__, 0666, false },
	};
	struct mr_keyring *ring;
	enum mr_err e;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		if (chmod(path, rows[i].mode) != 0)
			bail("chmod: %s", strerror(errno));
		e = mr_keyring_load(&ring, path, &err);
		is_int(e, rows[i].good ? MR_OK : MR_EINVAL, "a key file of that mode");
		if (e != MR_OK)
			is_part(err.text, "chmod 600", "the reason says what to do");
		ok((ring != NULL) == rows[i].good, "a ring or none");
		mr_keyring_free(ring);
	}
	row(0);
	(void)chmod(path, 0600);
	is_int(mr_keyring_load(&ring, folder, &err), MR_EINVAL, "a folder");
	is_int(mr_keyring_load(&ring, "/dev/null", &err), MR_EINVAL, "a device");
}

static void
check_owner(void)
{
	struct mr_keyring *ring;
	struct stat st;

	if (geteuid() != 0) {
		skip("a key file of another user", "only root can make one");
		return;
	}
	if (chown(path, 12345, 12345) != 0)
		bail("chown: %s", strerror(errno));
	is_int(mr_keyring_load(&ring, path, &err), MR_OK, "root may use another user's");
	mr_keyring_free(ring);
	is_int(mr_keyring_add(path, &err), MR_OK, "and add a key to it");
	if (stat(path, &st) != 0)
		bail("stat: %s", strerror(errno));
	is_int(st.st_uid, 12345, "it is still that user's");
	if (chmod(folder, 0755) != 0 || chmod(path, 0644) != 0 || seteuid(12346) != 0)
		bail("another user: %s", strerror(errno));
	is_int(mr_keyring_load(&ring, path, &err), MR_EINVAL, "a key file of another user");
	is_part(err.text, "12345", "the reason names that user");
	if (seteuid(0) != 0 || chmod(folder, 0700) != 0 || chown(path, 0, 0) != 0)
		bail("root again: %s", strerror(errno));
}

static void
check_text(void)
{
	char good[100], text[8192] = "";
	struct mr_keyring *ring;

	snprintf(good, sizeof good, "%.*s", (int)strcspn(get(), "\n"), get());
	snprintf(text, sizeof text, "# a comment\n\n%s  \r\n", good);
	put(text, 0600);
	is_int(mr_keyring_load(&ring, path, &err), MR_OK, "comments, blanks, CR LF");
	mr_keyring_free(ring);
	snprintf(text, sizeof text, "%s", good);
	put(text, 0600);
	is_int(mr_keyring_load(&ring, path, &err), MR_OK, "no line break at the end");
	mr_keyring_free(ring);

	snprintf(text, sizeof text, "%s\n%s\n", good, good);
	/* Any letter of the second line changed makes it another key, or none. */
	for (size_t i = strlen(good) + 1; i < 2 * strlen(good) + 1; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		put(text, 0600);
		if (mr_keyring_load(&ring, path, &err) != MR_EINVAL || strstr(err.text, ":2:") == NULL)
			ok(false, "byte %zu of a line was changed and it was loaded", i);
		text[i] = was;
	}
	ok(true, "a key line with a changed byte is refused, with its number");
	put("", 0600);
	is_int(mr_keyring_load(&ring, path, &err), MR_EINVAL, "an empty key file");
	put("# nothing\n", 0600);
	is_int(mr_keyring_load(&ring, path, &err), MR_EINVAL, "a key file with a comment only");
	snprintf(text, sizeof text, "%.*s\n", (int)strlen(good) - 1, good);
	put(text, 0600);
	is_int(mr_keyring_load(&ring, path, &err), MR_EINVAL, "a key that was cut");
	snprintf(text, sizeof text, "%sA\n", good);
	put(text, 0600);
	is_int(mr_keyring_load(&ring, path, &err), MR_EINVAL, "a key with more behind it");
	snprintf(text, sizeof text, "%s\n", good);
	put(text, 0600);
}

/* Seals text with the newest key; NULL on error. */
static char *
sealed(const struct mr_keyring *ring, struct mr_str plain)
{
	static char text[8192];
	struct mr_buf b;

	mr_buf_init(&b, sizeof text - 1);
	if (mr_seal(ring, plain, &b, &err) != MR_OK)
		bail("cannot seal: %s", err.text);
	memcpy(text, b.p, b.len);
	text[b.len] = '\0';
	mr_buf_free(&b);
	return text;
}

static void
check_seal(void)
{
	static const struct {
		int line;
		struct mr_str plain;
	} rows[] = {
		{ __LINE__, BYTES("x") }, { __LINE__, BYTES("a secret of some length+/=") },
		{ __LINE__, BYTES("\0\xff\n") },
		{ __LINE__, BYTES("0123456789012345678901234567890123456789") },
	};
	struct mr_keyring *ring = load();
	char text[8192], plain[MR_SEALED_MAX_PLAIN], id[MR_KEY_ID_TEXT];
	static char large[MR_SEALED_MAX_PLAIN + 1];
	struct mr_buf b;
	size_t n;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		snprintf(text, sizeof text, "%s", sealed(ring, rows[i].plain));
		ok(mr_sealed_is(mr_str(text)), "it looks sealed");
		ok(strspn(text + 19, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
		    == strlen(text + 19), "it has nothing that INI files mind");
		mr_sealed_key_id(mr_str(text), id);
		is_str(mr_str(id), mr_keyring_newest(ring), "its key");
		ok(strcmp(text, sealed(ring, rows[i].plain)) != 0, "it differs each time");
		is_int(mr_unseal(ring, mr_str(text), plain, sizeof plain, &n, &err), MR_OK, "it opens");
		is_bytes(((struct mr_str){ plain, n }), rows[i].plain, "it is what was sealed");
		is_int(mr_unseal(ring, mr_str(text), plain, rows[i].plain.n - 1, &n, &err), MR_ELIMIT,
		    "too little room");
	}
	row(0);
	mr_buf_init(&b, 100000);
	memset(large, 'x', sizeof large);
	is_int(mr_seal(ring, (struct mr_str){ large, sizeof large - 1 }, &b, &err), MR_OK, "the most");
	is_int(mr_seal(ring, (struct mr_str){ large, sizeof large }, &b, &err), MR_ELIMIT, "more");
	is_int(mr_seal(ring, MR_STR_LIT(""), &b, &err), MR_ELIMIT, "nothing");
	mr_buf_free(&b);
	mr_keyring_free(ring);
}

/* Every bit of a sealed value, flipped, and every length but its own. */
static void
check_altered(void)
{
	struct mr_keyring *ring = load();
	char text[200], plain[100];
	size_t n, opened = 0, shown = 0, length;

	snprintf(text, sizeof text, "%s", sealed(ring, MR_STR_LIT("attack at dawn, not at dusk")));
	length = strlen(text);
	for (size_t i = 0; i < length * 8; i++) {
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		opened += mr_unseal(ring, (struct mr_str){ text, length }, plain, sizeof plain, &n,
		    &err) == MR_OK;
		shown += strstr(err.text, "dawn") != NULL;
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
	}
	is_int((int64_t)opened, 0, "none opens with a bit flipped");
	is_int((int64_t)shown, 0, "no reason shows a part of the secret");
	for (size_t i = 0; i < length; i++)
		opened += mr_unseal(ring, (struct mr_str){ text, i }, plain, sizeof plain, &n, &err)
		    == MR_OK;
	is_int((int64_t)opened, 0, "none opens that was cut");
	is_int(mr_unseal(ring, mr_str(text), plain, sizeof plain, &n, &err), MR_OK, "it opens as it was");
	mr_keyring_free(ring);
}

static void
check_rotation(void)
{
	struct mr_keyring *ring = load(), *second;
	char text[200], first_id[16], plain[100];
	struct stat st;
	size_t n;

	snprintf(text, sizeof text, "%s", sealed(ring, MR_STR_LIT("secret")));
	snprintf(first_id, sizeof first_id, "%s", mr_keyring_newest(ring));
	mr_keyring_free(ring);
	is_int(mr_keyring_add(path, &err), MR_OK, "a key is added");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "the mode is the same");
	second = load();
	ok(strcmp(mr_keyring_newest(second), first_id) != 0, "the new key is the newest");
	is_int(mr_unseal(second, mr_str(text), plain, sizeof plain, &n, &err), MR_OK,
	    "what the old one sealed opens");
	ok(strncmp(sealed(second, MR_STR_LIT("x")) + 10, mr_keyring_newest(second), 8) == 0,
	    "what is sealed now has the new one's id");
	mr_keyring_free(second);

	for (int i = 2; i < MR_KEYRING_MAX; i++)
		if (mr_keyring_add(path, &err) != MR_OK)
			bail("key %d: %s", i, err.text);
	is_int(mr_keyring_add(path, &err), MR_EINVAL, "one key more than there may be");
	second = load();
	is_int(mr_unseal(second, mr_str(text), plain, sizeof plain, &n, &err), MR_OK,
	    "the oldest of the most keys still opens");
	mr_keyring_free(second);

	put("", 0600);
	(void)unlink(path);
	is_int(mr_keyring_make(path, &err), MR_OK, "another key file");
	second = load();
	is_int(mr_unseal(second, mr_str(text), plain, sizeof plain, &n, &err), MR_EINVAL,
	    "a key that is not there");
	is_part(err.text, first_id, "the reason names the key");
	mr_keyring_free(second);
}

int
main(void)
{
	if (mkdtemp(folder) == NULL)
		bail("mkdtemp: %s", strerror(errno));
	snprintf(path, sizeof path, "%s/keys", folder);
	check_make();
	check_modes();
	check_owner();
	check_text();
	check_seal();
	check_altered();
	check_rotation();
	(void)unlink(path);
	is_int(rmdir(folder), 0, "no other file is left");
	return done();
}
