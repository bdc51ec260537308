/* A kept HTTP connection: see wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in server = { .sin_family = AF_INET };

static void
die(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

void
wire_server(int port)
{
	server.sin_port = htons((uint16_t)port);
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

void
wire_hang_up(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->busy = false;
}

/* Loopback connects at once, so the socket turns non-blocking afterwards. */
static bool
connect_to(struct wire *w)
{
	int one = 1;

	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		die("socket");
	if (connect(w->fd, (struct sockaddr *)&server, sizeof server) != 0) {
		wire_hang_up(w);
		return false;
	}
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (fcntl(w->fd, F_SETFL, O_NONBLOCK) != 0)
		die("fcntl");
	return true;
}

static void
push(struct wire *w)
{
	ssize_t n;

	while (w->sent < w->len) {
		n = send(w->fd, w->request + w->sent, w->len - w->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* would block, or broken, which receiving will tell */
		w->sent += (size_t)n;
	}
}

bool
wire_start(struct wire *w)
{
	w->sent = w->got = 0;
	if (w->fd < 0 && !connect_to(w))
		return false;
	w->busy = true;
	push(w);
	return true;
}

struct pollfd
wire_poll(const struct wire *w)
{
	bool sending = w->busy && w->sent < w->len;

	return (struct pollfd){ .fd = w->fd, .events = (short)(POLLIN | (sending ? POLLOUT : 0)) };
}

/* Whether the whole answer is here. */
static bool
is_complete(struct wire *w)
{
	char *end, *field;
	size_t head;

	w->answer[w->got] = '\0';
	end = strstr(w->answer, "\r\n\r\n");
	if (end == NULL)
		return false;
	head = (size_t)(end - w->answer) + 4;
	field = strcasestr(w->answer, "\r\nContent-Length:");
	if (field != NULL && field < end)
		return w->got >= head + strtoul(field + 17, NULL, 10);
	/* Chunked; nothing follows the last chunk. */
	return w->got >= head + 5 && memcmp(w->answer + w->got - 5, "0\r\n\r\n", 5) == 0;
}

static enum wire_result
receive(struct wire *w)
{
	ssize_t n = recv(w->fd, w->answer + w->got, WIRE_ANSWER_BYTES - w->got, 0);
	bool was_busy = w->busy;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return WIRE_WAITS;
	if (n > 0 && was_busy) {
		w->got += (size_t)n;
		if (is_complete(w)) {
			w->busy = false;
			if (strcasestr(w->answer, "\r\nConnection: close") != NULL)
				wire_hang_up(w);
			return WIRE_ANSWERED;
		}
		if (w->got < WIRE_ANSWER_BYTES)
			return WIRE_WAITS;
	}
	wire_hang_up(w);
	/* That the server closes an idle one is no loss. */
	return was_busy ? WIRE_LOST : WIRE_WAITS;
}

enum wire_result
wire_go_on(struct wire *w, short revents)
{
	if (w->fd < 0 || revents == 0)
		return WIRE_WAITS;
	if (revents & POLLOUT)
		push(w);
	return revents & ~POLLOUT ? receive(w) : WIRE_WAITS;
}

int
wire_status(const struct wire *w)
{
	return (int)strtol(w->answer + strlen("HTTP/1.1 "), NULL, 10);
}
