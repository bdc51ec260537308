/*
 * A client that keeps books: posts events over N keep-alive connections and
 * writes one line for each request, when it is over, into a ledger that is
 * compared with the table in the end (ledger.py).
 *
 * Every request has a number r that is never used twice; what it carries follows
 * from r alone, so that SQL can say what each row must be. A part of the
 * requests has a batchId: these are sent again until they are acknowledged. All
 * others are sent once, whatever becomes of them.
 *
 * Usage: hammer PORT FIRST_R CONNECTIONS RATE KEYED_PERCENT DRAIN_S LEDGER
 * RATE: new requests a second. SIGTERM: no new requests; what has a batchId is
 * still tried for DRAIN_S seconds. A line of JSON on stdout every half second.
 *
 * A ledger line: r rows rejects keyed status duplicate attempts lost first_us last_us conn
 * status: the HTTP status, 0 if no answer came; lost: attempts without an answer.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/wire.h"

#define MAX_CONNS 256
#define MAX_MEMBERS 100
#define BODY_BYTES ((size_t)(MAX_MEMBERS + 2) * 512)
#define HEAD_BYTES 256
#define PAUSE_US 40000           /* after an answer that is no 2xx */
#define ANSWER_TIMEOUT_US 30000000
#define PROGRESS_US 500000
#define DAY_MS 86400000          /* the events are of 2026-01-01 */
#define REJECT_INDEX 900

struct conn {
	struct wire wire;
	bool pending;            /* r is not over yet */
	uint64_t r;
	int rows, rejects, keyed, attempts, lost;
	int64_t first_us;        /* when r was sent first */
	int64_t sent_us;         /* when it was sent last, on the monotonic clock */
	int64_t due_us;
};

static struct conn conns[MAX_CONNS];
static struct pollfd polled[MAX_CONNS];
static size_t n_conns;
static uint64_t next_r;
static unsigned keyed_percent;
static FILE *ledger;
static volatile sig_atomic_t stopping;
static char body[BODY_BYTES];
static size_t body_len;

/* For the progress lines: events, but for the requests and the 503s. */
static struct {
	uint64_t requests, issued, stored, spooled, duplicate, rejected, refused, unanswered;
	uint64_t answers_503;
} sum;

static void
die(const char *what)
{
	fprintf(stderr, "hammer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
on_term(int signum)
{
	(void)signum;
	stopping = 1;
}

/* Everything about request r follows from this. */
static uint64_t
mix(uint64_t r)
{
	r += 0x9e3779b97f4a7c15u;
	r = (r ^ (r >> 30)) * 0xbf58476d1ce4e5b9u;
	r = (r ^ (r >> 27)) * 0x94d049bb133111ebu;
	return r ^ (r >> 31);
}

/* 0: a single event. Most batches are small, a few are large. */
static int
members_of(uint64_t h)
{
	unsigned kind = (unsigned)(h % 100), size = (unsigned)(h >> 16) % 10000;

	if (kind < 30)
		return 0;
	if (kind < 80)
		return 1 + (int)(size % 10);
	return 1 + (int)(size % (kind < 95 ? 40 : MAX_MEMBERS));
}

__attribute__((format(printf, 1, 2)))
static void
put(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(body + body_len, sizeof body - body_len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof body - body_len) {
		fputs("hammer: a body is larger than was thought\n", stderr);
		exit(1);
	}
	body_len += (size_t)n;
}

/* The same text in the ways that JSON has for it. */
static const char *const spellings[] = {
	"\xc3\xa9\\\"\xe2\x82\xac\xf0\x9f\x98\x80", "\\u00e9\\u0022\\u20ac\\uD83D\\uDE00",
	"\\u00E9\\\"\xe2\x82\xac\\ud83d\\ude00",
};

static void
put_data(uint64_t r, int i)
{
	int pad = (int)((r * 31 + (uint64_t)i * 17) % 97);

	put("\"eventData\":{\"r\":%" PRIu64 ",\"i\":%d,\"x\":%" PRIu64 ",\"u\":\"%s\",\"pad\":\"",
	    r, i, r % 1000000007 * 998244353 + (uint64_t)i * 1000003,
	    spellings[(r + (uint64_t)i) % 3]);
	memset(body + body_len, 'p', (size_t)pad);
	body_len += (size_t)pad;
	put("\"}");
}

static void
put_head(const struct conn *c, const char *type)
{
	uint64_t ms = c->r % DAY_MS;

	put("{\"eventType\":\"%s\",\"siteId\":\"site%u\",\"sessionId\":\"s%u-%zu\","
	    "\"visitorId\":\"v%u\",\"timestamp\":\"2026-01-01T%02u:%02u:%02u.%03uZ\",",
	    type, (unsigned)(c->r % 5), (unsigned)(c->r / 1000000000), (size_t)(c - conns),
	    (unsigned)(c->r % 97), (unsigned)(ms / 3600000), (unsigned)(ms / 60000 % 60),
	    (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
	if (c->keyed)
		put("\"batchId\":\"b%" PRIu64 "\",", c->r);
	put_data(c->r, 0);
}

static void
make_body(struct conn *c)
{
	uint64_t h = mix(c->r);
	int members = members_of(h);
	char type[16];

	c->rows = 1 + members;
	c->keyed = (unsigned)(h >> 32) % 100 < keyed_percent;
	c->rejects = members > 0 && (h >> 48) % 64 == 0;
	snprintf(type, sizeof type, "t%u", (unsigned)(c->r % 7));
	body_len = 0;
	put_head(c, members > 0 ? "batch" : type);
	for (int i = 1; i <= members; i++) {
		put("%s{\"eventType\":\"t%u\",", i > 1 ? "," : ",\"events\":[",
		    (unsigned)((c->r + (uint64_t)i) % 7));
		put_data(c->r, i);
		put("}");
	}
	if (c->rejects) {
		put(",{");
		put_data(c->r, REJECT_INDEX);
		put("}");
	}
	put(members > 0 ? "]}" : "}");
}

static void
make_request(struct conn *c)
{
	int n;

	make_body(c);
	n = snprintf(c->wire.request, HEAD_BYTES, "POST /collect HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body_len);
	memcpy(c->wire.request + n, body, body_len);
	c->wire.len = (size_t)n + body_len;
}

static void
count(const struct conn *c, int status, bool duplicate)
{
	uint64_t rows = (uint64_t)c->rows;

	if (status == 200 && duplicate)
		sum.duplicate += rows;
	else if (status == 200)
		sum.stored += rows;
	else if (status == 202)
		sum.spooled += rows;
	else if (status == 0)
		sum.unanswered += rows;
	else
		sum.refused += rows;
	if (status == 200 || status == 202)
		sum.rejected += (uint64_t)c->rejects;
}

/* The request is over; its line is its obligation. */
static void
settle(struct conn *c, int status, bool duplicate)
{
	fprintf(ledger, "%" PRIu64 " %d %d %d %d %d %d %d %" PRId64 " %" PRId64 " %zu\n", c->r,
	    c->rows, c->rejects, c->keyed, status, duplicate, c->attempts, c->lost, c->first_us,
	    clock_us(CLOCK_REALTIME), (size_t)(c - conns));
	count(c, status, duplicate);
	c->pending = false;
}

/* status: of the answer, or 0. */
static void
answered(struct conn *c, int status)
{
	bool duplicate = strstr(c->wire.answer, "\"duplicate\":true") != NULL;

	c->lost += status == 0;
	sum.answers_503 += status == 503;
	/* A 4xx would come again, too. */
	if ((status >= 200 && status < 300) || (status >= 400 && status < 500) || !c->keyed)
		settle(c, status, status == 200 && duplicate);
	c->due_us = clock_us(CLOCK_MONOTONIC);
	if (status < 200 || status > 299)
		c->due_us += PAUSE_US;
}

static void
fail(struct conn *c)
{
	wire_hang_up(&c->wire);
	c->wire.answer[0] = '\0';
	answered(c, 0);
}

static void
attempt(struct conn *c)
{
	c->attempts++;
	c->sent_us = clock_us(CLOCK_MONOTONIC);
	if (!wire_start(&c->wire))
		fail(c);
}

static void
issue(struct conn *c)
{
	c->r = next_r++;
	make_request(c);
	c->attempts = c->lost = 0;
	c->first_us = clock_us(CLOCK_REALTIME);
	c->pending = true;
	sum.requests++;
	sum.issued += (uint64_t)c->rows;
	attempt(c);
}

static void
wait_for_events(void)
{
	for (size_t i = 0; i < n_conns; i++)
		polled[i] = wire_poll(&conns[i].wire);
	if (poll(polled, (nfds_t)n_conns, 5) <= 0)
		return;
	for (size_t i = 0; i < n_conns; i++) {
		enum wire_result result = wire_go_on(&conns[i].wire, polled[i].revents);

		if (result == WIRE_ANSWERED)
			answered(&conns[i], wire_status(&conns[i].wire));
		else if (result == WIRE_LOST)
			fail(&conns[i]);
	}
}

/* New requests that the rate allows now; what was missed in an outage is not made up for. */
static double
tokens(double rate, double have, int64_t *last_us)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);

	have += rate * (double)(now - *last_us) / 1e6;
	*last_us = now;
	return have > (double)n_conns ? (double)n_conns : have;
}

/* Starts what is due; returns how many new ones. */
static size_t
start_due(double allowed)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);
	size_t n = 0;

	for (size_t i = 0; i < n_conns; i++) {
		struct conn *c = &conns[(i + next_r) % n_conns];

		if (c->wire.busy && now - c->sent_us > ANSWER_TIMEOUT_US)
			fail(c);
		if (c->wire.busy || now < c->due_us)
			continue;
		if (c->pending) {
			attempt(c);
		} else if (!stopping && (double)(n + 1) <= allowed) {
			n++;
			issue(c);
		}
	}
	return n;
}

static bool
any_pending(void)
{
	for (size_t i = 0; i < n_conns; i++)
		if (conns[i].pending)
			return true;
	return false;
}

static void
progress(bool over)
{
	static int64_t again_us;
	int64_t now = clock_us(CLOCK_MONOTONIC);

	if (!over && now < again_us)
		return;
	again_us = now + PROGRESS_US;
	printf("{\"requests\":%" PRIu64 ",\"issued\":%" PRIu64 ",\"stored\":%" PRIu64
	    ",\"spooled\":%" PRIu64 ",\"duplicate\":%" PRIu64 ",\"rejected\":%" PRIu64
	    ",\"refused\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"answers_503\":%" PRIu64 "}\n",
	    sum.requests, sum.issued, sum.stored, sum.spooled, sum.duplicate, sum.rejected,
	    sum.refused, sum.unanswered, sum.answers_503);
	fflush(stdout);
}

static void
run(double rate, int64_t drain_us)
{
	int64_t last_us = clock_us(CLOCK_MONOTONIC), end_us = 0;
	double have = 0;

	for (;;) {
		have = tokens(rate, have, &last_us);
		have -= (double)start_due(have);
		wait_for_events();
		progress(false);
		if (stopping && end_us == 0)
			end_us = clock_us(CLOCK_MONOTONIC) + drain_us;
		if (stopping && (!any_pending() || clock_us(CLOCK_MONOTONIC) > end_us))
			return;
	}
}

static void
set_up(char **argv)
{
	struct sigaction term = { .sa_handler = on_term };

	wire_server(atoi(argv[1]));
	next_r = strtoull(argv[2], NULL, 10);
	n_conns = strtoul(argv[3], NULL, 10);
	keyed_percent = (unsigned)strtoul(argv[5], NULL, 10);
	ledger = fopen(argv[7], "ae");
	if (ledger == NULL)
		die(argv[7]);
	if (n_conns < 1 || n_conns > MAX_CONNS) {
		fputs("hammer: CONNECTIONS is out of range\n", stderr);
		exit(2);
	}
	for (size_t i = 0; i < n_conns; i++) {
		conns[i].wire.fd = -1;
		conns[i].wire.request = malloc(HEAD_BYTES + BODY_BYTES);
		if (conns[i].wire.request == NULL)
			die("memory");
	}
	sigaction(SIGTERM, &term, NULL);
}

int
main(int argc, char **argv)
{
	if (argc != 8) {
		fputs("usage: hammer PORT FIRST_R CONNECTIONS RATE KEYED_PERCENT DRAIN_S LEDGER\n",
		    stderr);
		return 2;
	}
	set_up(argv);
	run(strtod(argv[4], NULL), (int64_t)(strtod(argv[6], NULL) * 1e6));
	for (size_t i = 0; i < n_conns; i++)
		if (conns[i].pending)
			settle(&conns[i], 0, false);
	progress(true);
	if (fclose(ledger) != 0)
		die("the ledger");
	return 0;
}
