/*
 * One kept HTTP connection to a server on this machine, for clients that have
 * many of them under way at once.
 */
#ifndef MR_TESTS_HARNESS_WIRE_H
#define MR_TESTS_HARNESS_WIRE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define WIRE_ANSWER_BYTES 8192

struct wire {
	int fd;        /* -1: closed */
	bool busy;     /* a request is on its way */
	char *request; /* the caller's */
	size_t len, sent, got;
	char answer[WIRE_ANSWER_BYTES + 1];
};

/* Where all of them connect to. */
void wire_server(int port);

/* Sends the request, of len bytes; connects first if need be. False: it cannot. */
bool wire_start(struct wire *w);

void wire_hang_up(struct wire *w);

/* What to poll for. */
struct pollfd wire_poll(const struct wire *w);

/* What came of an event: nothing yet, w->answer is whole, or the connection is lost. */
enum wire_result { WIRE_WAITS, WIRE_ANSWERED, WIRE_LOST };

/*
 * After poll: goes on sending and receiving. Once there is an answer or a loss,
 * the wire is no longer busy, and closed if the server will not keep it.
 */
enum wire_result wire_go_on(struct wire *w, short revents);

/* The status of the answer. */
int wire_status(const struct wire *w);

#endif
