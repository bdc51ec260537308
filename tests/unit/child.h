/* Processes of a unit test, apart from its own. */
#ifndef MR_TESTS_UNIT_CHILD_H
#define MR_TESTS_UNIT_CHILD_H

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* fork(), but where it fails the program bails out; what it has printed is printed once. */
static inline pid_t
child_fork(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("cannot fork");
	return pid;
}

/* Waits until it has stopped or ended; returns its status, as waitpid() has it. */
static inline int
child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			bail("waitpid: %s", strerror(errno));
	return status;
}

#endif
