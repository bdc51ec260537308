/* millrace-admin: reads secrets, from standard input or unseen from a terminal. */
#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "secret/secret.h"

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
			return mr_fail(err, MR_EIO, "stopped by a signal");
		if ((got = read(STDIN_FILENO, to + *n, size - *n)) < 0)
			return mr_fail(err, MR_EIO, "the terminal: %s", strerror(errno));
	}
	return MR_OK;
}

/* Asks for each, which follow each other in room. */
static enum mr_err
ask(const char *const *names, struct mr_str *secrets, size_t n, char *room, size_t size,
    const sigset_t *unblocked, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < n && e == MR_OK; i++) {
		fprintf(stderr, "%s (not shown): ", names[i]);
		secrets[i].p = room;
		e = read_line(room, size, &secrets[i].n, unblocked, err);
		room += secrets[i].n;
		size -= secrets[i].n;
		fputc('\n', stderr);
	}
	return e;
}

/* From a terminal that shows nothing of it, and is itself again after a signal. */
static enum mr_err
read_terminal(const char *const *names, struct mr_str *secrets, size_t n, char *room, size_t size,
    struct mr_error *err)
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
	e = ask(names, secrets, n, room, size, &unblocked, err);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		(void)signal(signals[i], SIG_DFL);
	if (caught != 0)
		(void)raise(caught);
	/* A signal that came meanwhile ends it here. */
	(void)sigprocmask(SIG_SETMASK, &unblocked, NULL);
	return e;
}

/* One line each; the last has all that is left, which has to be one line as well. */
static void
split(struct mr_str text, struct mr_str *secrets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *end = i + 1 < n ? memchr(text.p, '\n', text.n) : NULL;
		size_t length = end != NULL ? (size_t)(end - text.p) + 1 : text.n;

		secrets[i] = (struct mr_str){ text.p, length };
		text = (struct mr_str){ text.p + length, text.n - length };
	}
}

static enum mr_err
check(const char *name, struct mr_str *secret, struct mr_error *err)
{
	if (secret->n > 0 && secret->p[secret->n - 1] == '\n')
		secret->n--;
	if (secret->n > 0 && secret->p[secret->n - 1] == '\r')
		secret->n--;
	if (secret->n == 0)
		return mr_fail(err, MR_EINVAL, "the %s is empty; it is read from standard input",
		    name);
	if (secret->n > ADMIN_MAX_SECRET)
		return mr_fail(err, MR_ELIMIT, "the %s is longer than %d bytes, so that sealed it "
		    "would not fit on a line of the configuration", name, ADMIN_MAX_SECRET);
	for (size_t i = 0; i < secret->n; i++)
		if ((unsigned char)secret->p[i] < ' ' || secret->p[i] == 0x7f)
			return mr_fail(err, MR_EINVAL, "the %s has a control character or a line "
			    "break in it; one line is read", name);
	return MR_OK;
}

enum mr_err
admin_read_secrets(const char *const *names, struct mr_str *secrets, size_t n, char *room,
    size_t size, struct mr_error *err)
{
	size_t got;
	enum mr_err e;

	if (isatty(STDIN_FILENO))
		e = read_terminal(names, secrets, n, room, size, err);
	else if ((e = read_input(room, size, &got, err)) == MR_OK)
		split((struct mr_str){ room, got }, secrets, n);
	for (size_t i = 0; i < n && e == MR_OK; i++)
		e = check(names[i], &secrets[i], err);
	return e;
}
