/*
 * An open-loop HTTP client: POSTs at a given mean rate, whatever the answers
 * take. Arrivals are random (exponential gaps), as those of many independent
 * browsers are. Latency counts from the moment at which a request was due, so
 * one that had to wait for a free connection counts as slow: a server that
 * stalls cannot hide it by slowing the client down (no coordinated omission).
 *
 * Usage: pacer PORT PATH RATE SECONDS CONNECTIONS FILE PLACEHOLDER
 * FILE holds one body a line; see post.lua. Ends with one line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000.0
#define DRAIN_S 10.0
#define MAX_CONNS 512
#define ANSWER_BYTES 4096

struct body {
	char *text;      /* the whole request; the id is written into it */
	size_t len;
	size_t id_at;
};

struct conn {
	int fd;          /* -1: closed */
	bool busy;
	double due;
	char *request;   /* a copy of its own: several may be under way */
	size_t len, sent;
	char answer[ANSWER_BYTES + 1];
	size_t got;
};

static struct body *bodies;
static size_t n_bodies, longest, id_len;
static struct conn conns[MAX_CONNS];
static struct pollfd polled[MAX_CONNS];
static size_t n_conns;
static struct sockaddr_in server;
static double *latencies;
static size_t n_latencies, max_latencies, refused, errors;

static void
die(const char *what)
{
	fprintf(stderr, "pacer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / NS;
}

/* A gap of the Poisson process, from a fixed seed: both sides get the same. */
static double
next_gap(double rate)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return -log(((double)(state >> 11) + 1.0) / 9007199254740993.0) / rate;
}

static void
read_bodies(const char *path, const char *http_path, const char *placeholder)
{
	FILE *f = fopen(path, "r");
	char *line = NULL, *at;
	size_t cap = 0;
	ssize_t n;
	struct body *b;

	if (f == NULL)
		die(path);
	id_len = strlen(placeholder);
	while ((n = getline(&line, &cap, f)) > 0) {
		if (line[n - 1] == '\n')
			line[--n] = '\0';
		bodies = realloc(bodies, (n_bodies + 1) * sizeof *bodies);
		if (bodies == NULL)
			die("memory");
		b = &bodies[n_bodies++];
		b->text = malloc((size_t)n + 512);
		if (b->text == NULL)
			die("memory");
		b->len = (size_t)sprintf(b->text,
		    "POST %.200s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
		    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
		    "Content-Length: %zd\r\n\r\n", http_path, n);
		memcpy(b->text + b->len, line, (size_t)n + 1);
		at = strstr(b->text + b->len, placeholder);
		if (at == NULL) {
			fprintf(stderr, "pacer: no placeholder in line %zu\n", n_bodies);
			exit(2);
		}
		b->id_at = (size_t)(at - b->text);
		b->len += (size_t)n;
		if (b->len > longest)
			longest = b->len;
	}
	free(line);
	fclose(f);
	if (n_bodies == 0) {
		fprintf(stderr, "pacer: %s is empty\n", path);
		exit(2);
	}
}

static void
hang_up(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Loopback connects at once, so the socket turns non-blocking afterwards. */
static bool
connect_to(struct conn *c)
{
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	if (connect(c->fd, (struct sockaddr *)&server, sizeof server) != 0) {
		hang_up(c);
		return false;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
		die("fcntl");
	return true;
}

static void
fail(struct conn *c)
{
	hang_up(c);
	c->busy = false;
	errors++;
}

static void
push(struct conn *c)
{
	ssize_t n;

	while (c->sent < c->len) {
		n = send(c->fd, c->request + c->sent, c->len - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* would block, or broken, which receiving will tell */
		c->sent += (size_t)n;
	}
}

static void
start(struct conn *c, double due)
{
	static unsigned long counter;
	struct body *b = &bodies[counter % n_bodies];
	char id[64];

	snprintf(id, sizeof id, "s99%0*lu", (int)id_len - 3, ++counter);
	memcpy(c->request, b->text, b->len);
	memcpy(c->request + b->id_at, id, id_len);
	c->len = b->len;
	c->due = due;
	c->sent = c->got = 0;
	c->busy = true;
	if (c->fd < 0 && !connect_to(c))
		fail(c);
	else
		push(c);
}

/* The length of the answer that starts in c->answer; 0: not all here yet. */
static size_t
answer_length(struct conn *c)
{
	char *end, *field;
	size_t head;

	c->answer[c->got] = '\0';
	end = strstr(c->answer, "\r\n\r\n");
	if (end == NULL)
		return 0;
	head = (size_t)(end - c->answer) + 4;
	field = strcasestr(c->answer, "\r\nContent-Length:");
	if (field != NULL && field < end)
		head += strtoul(field + 17, NULL, 10);
	else if (c->got < head + 5 || memcmp(c->answer + c->got - 5, "0\r\n\r\n", 5) != 0)
		return 0; /* chunked; nothing follows the last chunk */
	return c->got >= head ? c->got : 0;
}

static void
finish(struct conn *c)
{
	bool last = strcasestr(c->answer, "\r\nConnection: close") != NULL;

	if (strncmp(c->answer, "HTTP/1.1 2", 10) != 0)
		refused++;
	else if (n_latencies < max_latencies)
		latencies[n_latencies++] = now_s() - c->due;
	c->busy = false;
	if (last)
		hang_up(c);
}

static void
receive(struct conn *c)
{
	ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_BYTES - c->got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (!c->busy) {
		hang_up(c); /* the server closed it while idle */
		return;
	}
	if (n > 0)
		c->got += (size_t)n;
	if (n > 0 && answer_length(c) > 0)
		finish(c);
	else if (n <= 0 || c->got == ANSWER_BYTES)
		fail(c);
}

static void
wait_for_events(double seconds)
{
	struct timespec ts;

	if (seconds < 0)
		seconds = 0;
	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * NS);
	for (size_t i = 0; i < n_conns; i++) {
		polled[i].fd = conns[i].fd;
		polled[i].events = POLLIN;
		if (conns[i].busy && conns[i].sent < conns[i].len)
			polled[i].events |= POLLOUT;
	}
	if (ppoll(polled, (nfds_t)n_conns, &ts, NULL) <= 0)
		return;
	for (size_t i = 0; i < n_conns; i++) {
		if (conns[i].fd < 0 || polled[i].revents == 0)
			continue;
		if (polled[i].revents & POLLOUT)
			push(&conns[i]);
		if (polled[i].revents & ~POLLOUT)
			receive(&conns[i]);
	}
}

static struct conn *
idle_conn(void)
{
	for (size_t i = 0; i < n_conns; i++) {
		if (!conns[i].busy)
			return &conns[i];
	}
	return NULL;
}

static bool
any_busy(void)
{
	for (size_t i = 0; i < n_conns; i++) {
		if (conns[i].busy)
			return true;
	}
	return false;
}

/* Returns how many requests were sent. */
static size_t
run(double rate, double seconds)
{
	double begin = now_s(), end = begin + seconds, due = begin + next_gap(rate), now;
	size_t sent = 0;
	struct conn *c;

	while (due < end) {
		now = now_s();
		if (now > end + DRAIN_S)
			break; /* far behind: the rate cannot be kept */
		while (due <= now && due < end && (c = idle_conn()) != NULL) {
			start(c, due);
			sent++;
			due += next_gap(rate);
		}
		wait_for_events(due <= now ? 0.1 : due - now_s());
	}
	while (any_busy() && now_s() < end + 2 * DRAIN_S)
		wait_for_events(0.1);
	return sent;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
percentile_us(double share)
{
	size_t at = (size_t)(share * (double)n_latencies);

	if (n_latencies == 0)
		return 0;
	return latencies[at < n_latencies ? at : n_latencies - 1] * 1e6;
}

int
main(int argc, char **argv)
{
	double rate, seconds;
	size_t sent;

	if (argc != 8) {
		fputs("usage: pacer PORT PATH RATE SECONDS CONNECTIONS FILE PLACEHOLDER\n", stderr);
		return 2;
	}
	rate = strtod(argv[3], NULL);
	seconds = strtod(argv[4], NULL);
	n_conns = strtoul(argv[5], NULL, 10);
	if (!(rate > 0 && rate <= 1e6 && seconds > 0 && seconds <= 600) || n_conns < 1
	    || n_conns > MAX_CONNS || strlen(argv[7]) < 8 || strlen(argv[7]) > 60) {
		fputs("pacer: an argument is out of range\n", stderr);
		return 2;
	}
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	read_bodies(argv[6], argv[2], argv[7]);
	max_latencies = (size_t)(rate * seconds * 1.5) + 1000;
	latencies = malloc(max_latencies * sizeof *latencies);
	if (latencies == NULL)
		die("memory");
	for (size_t i = 0; i < n_conns; i++) {
		conns[i].fd = -1;
		conns[i].request = malloc(longest);
		if (conns[i].request == NULL)
			die("memory");
	}
	sent = run(rate, seconds);
	qsort(latencies, n_latencies, sizeof *latencies, ascending);
	printf("{\"seconds\":%.3f,\"requests\":%zu,\"accepted\":%zu,\"refused\":%zu,"
	    "\"socket_errors\":%zu,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f}\n",
	    seconds, sent, n_latencies, refused, errors, percentile_us(0.50),
	    percentile_us(0.99), percentile_us(1.0));
	return 0;
}
