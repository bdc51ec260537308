/* millrace-admin seal: reads a secret from standard input, prints it sealed. */
#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "io/keyring.h"

/*
 * A line of the INI file holds 198 bytes, which leaves 22 for the key and the
 * equals sign.
 */
#define MAX_SEALED 176
#define SEALED_EXTRA 19 /* "sealed:v1:KEYID:" */
#define MAX_SECRET ((MAX_SEALED - SEALED_EXTRA) * 3 / 4 - MR_SECRET_EXTRA_BYTES)

static volatile sig_atomic_t caught;

static void
catch(int signum)
{
	caught = signum;
}

/* Reads up to size bytes. */
static enum mr_err
read_input(char *to, size_t size, size_t *n, struct mr_error *err)
{
	ssize_t got = 1;

	for (*n = 0; *n < size && got > 0; *n += (size_t)got)
		if ((got = read(STDIN_FILENO, to + *n, size - *n)) < 0)
			return mr_fail(err, MR_EIO, "standard input: %s", strerror(errno));
	return MR_OK;
}

/*
 * Reads one line. The signals are blocked but while it waits, so that none can
 * come between looking whether one came and waiting.
 */
static enum mr_err
read_line(char *to, size_t size, size_t *n, const sigset_t *unblocked, struct mr_error *err)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got = 1;

	for (*n = 0; *n < size && got > 0 && (*n == 0 || to[*n - 1] != '\n'); *n += (size_t)got) {
		if (ppoll(&in, 1, NULL, unblocked) < 0 && caught != 0)
			return mr_fail(err, MR_EIO, "nothing was sealed");
		if ((got = read(STDIN_FILENO, to + *n, size - *n)) < 0)
			return mr_fail(err, MR_EIO, "the terminal: %s", strerror(errno));
	}
	return MR_OK;
}

/* Reads from a terminal that shows nothing of it, and is itself again after a signal. */
static enum mr_err
read_terminal(char *to, size_t size, size_t *n, struct mr_error *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = catch };
	struct termios before, quiet;
	sigset_t blocked, unblocked;
	enum mr_err e;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return mr_fail(err, MR_EIO, "the terminal: %s", strerror(errno));
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		(void)sigaddset(&blocked, signals[i]);
		(void)sigaction(signals[i], &action, NULL);
	}
	(void)sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) != 0)
		return mr_fail(err, MR_EIO, "the terminal: %s", strerror(errno));
	fputs("secret (not shown): ", stderr);
	e = read_line(to, size, n, &unblocked, err);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)sigprocmask(SIG_SETMASK, &unblocked, NULL);
	fputc('\n', stderr);
	return e;
}

static enum mr_err
check(struct mr_str *secret, struct mr_error *err)
{
	if (secret->n > 0 && secret->p[secret->n - 1] == '\n')
		secret->n--;
	if (secret->n > 0 && secret->p[secret->n - 1] == '\r')
		secret->n--;
	if (secret->n == 0)
		return mr_fail(err, MR_EINVAL, "standard input is empty; the secret is read from it");
	if (secret->n > MAX_SECRET)
		return mr_fail(err, MR_ELIMIT, "the secret is longer than %d bytes, so that sealed it "
		    "would not fit on a line of the configuration", MAX_SECRET);
	for (size_t i = 0; i < secret->n; i++)
		if ((unsigned char)secret->p[i] < ' ' || secret->p[i] == 0x7f)
			return mr_fail(err, MR_EINVAL, "the secret has a control character or a line "
			    "break in it; one line is read");
	return MR_OK;
}

static enum mr_err
seal(const char *key_file, bool make_key, char *room, size_t size, struct mr_error *err)
{
	struct mr_str secret = { room, 0 };
	struct mr_keyring *ring = NULL;
	struct mr_buf sealed;
	enum mr_err e;

	if (make_key && (e = mr_keyring_make(key_file, err)) != MR_OK)
		return e;
	/* Before anybody types a secret, it is certain that it can be sealed. */
	if ((e = mr_keyring_load(&ring, key_file, err)) != MR_OK)
		return e;
	mr_buf_init(&sealed, 4 * MAX_SEALED);
	e = isatty(STDIN_FILENO) ? read_terminal(room, size, &secret.n, err) :
	    read_input(room, size, &secret.n, err);
	if (e == MR_OK && (e = check(&secret, err)) == MR_OK &&
	    (e = mr_seal(ring, secret, &sealed, err)) == MR_OK)
		printf("%.*s\n", (int)sealed.len, sealed.p);
	mr_buf_free(&sealed);
	mr_keyring_free(ring);
	return e;
}

int
admin_seal(const struct admin *admin, int argc, char **argv)
{
	const size_t size = 1024;
	struct mr_error err = MR_ERROR_INIT;
	bool make_key;
	char *room, *key_file;
	enum mr_err e = MR_ENOMEM;

	if (!admin_arguments(argc, argv, "--make-key", &make_key, 0, NULL))
		return ADMIN_MISUSED;
	if ((key_file = admin_key_file(admin, admin->config, &err)) == NULL)
		return admin_fail(&err);
	if ((room = mr_secret_alloc(size)) == NULL)
		(void)mr_fail(&err, e, "no memory");
	else
		e = seal(key_file, make_key, room, size, &err);
	mr_secret_free(room);
	free(key_file);
	if (caught != 0) {
		(void)signal(caught, SIG_DFL);
		(void)raise(caught);
	}
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}
