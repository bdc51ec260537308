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
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/wire.h"

#define NS 1000000000.0
#define DRAIN_S 10.0
#define MAX_CONNS 512

struct body {
	char *text;      /* the whole request; the id is written into it */
	size_t len;
	size_t id_at;
};

struct conn {
	struct wire wire; /* with a copy of the request: several may be under way */
	double due;
};

static struct body *bodies;
static size_t n_bodies, longest, id_len;
static struct conn conns[MAX_CONNS];
static struct pollfd polled[MAX_CONNS];
static size_t n_conns;
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
fail(struct conn *c)
{
	wire_hang_up(&c->wire);
	errors++;
}

static void
start(struct conn *c, double due)
{
	static unsigned long counter;
	struct body *b = &bodies[counter % n_bodies];
	char id[64];

	snprintf(id, sizeof id, "s99%0*lu", (int)id_len - 3, ++counter);
	memcpy(c->wire.request, b->text, b->len);
	memcpy(c->wire.request + b->id_at, id, id_len);
	c->wire.len = b->len;
	c->due = due;
	if (!wire_start(&c->wire))
		fail(c);
}

static void
finish(struct conn *c)
{
	if (wire_status(&c->wire) / 100 != 2)
		refused++;
	else if (n_latencies < max_latencies)
		latencies[n_latencies++] = now_s() - c->due;
}

static void
wait_for_events(double seconds)
{
	struct timespec ts;

	if (seconds < 0)
		seconds = 0;
	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * NS);
	for (size_t i = 0; i < n_conns; i++)
		polled[i] = wire_poll(&conns[i].wire);
	if (ppoll(polled, (nfds_t)n_conns, &ts, NULL) <= 0)
		return;
	for (size_t i = 0; i < n_conns; i++) {
		enum wire_result result = wire_go_on(&conns[i].wire, polled[i].revents);

		if (result == WIRE_ANSWERED)
			finish(&conns[i]);
		else if (result == WIRE_LOST)
			fail(&conns[i]);
	}
}

static struct conn *
idle_conn(void)
{
	for (size_t i = 0; i < n_conns; i++) {
		if (!conns[i].wire.busy)
			return &conns[i];
	}
	return NULL;
}

static bool
any_busy(void)
{
	for (size_t i = 0; i < n_conns; i++) {
		if (conns[i].wire.busy)
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
	wire_server(atoi(argv[1]));
	read_bodies(argv[6], argv[2], argv[7]);
	max_latencies = (size_t)(rate * seconds * 1.5) + 1000;
	latencies = malloc(max_latencies * sizeof *latencies);
	if (latencies == NULL)
		die("memory");
	for (size_t i = 0; i < n_conns; i++) {
		conns[i].wire.fd = -1;
		conns[i].wire.request = malloc(longest);
		if (conns[i].wire.request == NULL)
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
