/*
 * The ceiling of the database: the writer's own statement with its own binary
 * arrays, sent in a loop with nothing around it: no web server, no parsing, no
 * waiting requests. Rows are decoded and encoded once, before the clock runs.
 *
 * Usage: loader CONNINFO FILE SECONDS CONNECTIONS [without-ledger]
 * FILE holds one body a line; see bodies.py. Ends with one line of JSON.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/clock.h"
#include "db/query.h"
#include "format/event.h"
#include "ingest/store.h"

#define MAX_GROUPS 64
#define MAX_CONNECTIONS 16
#define MAX_COLUMNS 16
#define MAX_BYTES ((size_t)64 * 1024 * 1024)

/* The arguments of one execution. */
struct group {
	int n;
	const char *values[MAX_COLUMNS];
	int lengths[MAX_COLUMNS];
	int formats[MAX_COLUMNS];
};

static struct group groups[MAX_GROUPS];
static int n_groups;
static const char *conninfo;
static int64_t run_ms;
static bool with_ledger = true;
static pthread_barrier_t start;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "loader: %s: %s\n", what, why);
	exit(1);
}

/* What it allocates stays until the end: the arguments point into it. */
static void
make_group(struct group *group, char *body, size_t len)
{
	const struct mr_event_context ctx = {
		.received_us = mr_clock_now_us(),
		.default_site = MR_STR_LIT("default"),
		.user_agent = MR_STR_LIT("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) "
		    "Gecko/20100101 Firefox/128.0"),
		.client_ip = { .family = 4, .bytes = { 127, 0, 0, 1 } },
		.max_batch_events = 100000,
	};
	struct mr_store *store = mr_store_new(MAX_BYTES, NULL);
	struct mr_arena *arena = malloc(sizeof *arena);
	struct mr_batch *batch = malloc(sizeof *batch);
	const struct mr_batch *const batches[1] = { batch };
	const struct mr_group rows = { .batches = batches, .n = 1 };
	const struct mr_db_param *params;
	struct mr_error err = MR_ERROR_INIT;

	if (store == NULL || arena == NULL || batch == NULL)
		die("body", "no memory");
	mr_arena_init(arena, MAX_BYTES);
	if (mr_event_decode(arena, body, len, &ctx, batch, &err) != MR_OK)
		die("body", err.text);
	group->n = mr_store_plain_params(store, &rows, &params);
	if (group->n == 0 || group->n > MAX_COLUMNS || batch->n_rejects > 0)
		die("body", "cannot be encoded");
	for (int i = 0; i < group->n; i++) {
		group->values[i] = params[i].data;
		group->lengths[i] = params[i].len;
		group->formats[i] = 1;
	}
}

static void
read_groups(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (f == NULL)
		die(path, "cannot be opened");
	while (n_groups < MAX_GROUPS && (n = getline(&line, &cap, f)) > 0) {
		make_group(&groups[n_groups++], line, (size_t)n);
		line = NULL; /* the group's rows lie in it */
		cap = 0;
	}
	free(line);
	fclose(f);
	if (n_groups == 0)
		die(path, "is empty");
}

static void
must(PGconn *conn, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die("database", PQerrorMessage(conn));
	PQclear(result);
}

/* One connection's loop. Returns how many statements it ran, as a pointer's value. */
static void *
load(void *arg)
{
	PGconn *conn = PQconnectdb(conninfo);
	uintptr_t done = (uintptr_t)arg;
	int64_t end_ms;
	uintptr_t first = done;

	if (PQstatus(conn) != CONNECTION_OK)
		die("database", PQerrorMessage(conn));
	must(conn, PQexec(conn, "SET synchronous_commit = on"));
	must(conn, PQexec(conn, "SET plan_cache_mode = force_generic_plan"));
	must(conn, PQprepare(conn, "plain", with_ledger ? mr_store_statements[0] :
	    mr_store_without_ledger, 0, NULL));
	pthread_barrier_wait(&start);
	end_ms = mr_clock_mono_ms() + run_ms;
	for (; mr_clock_mono_ms() < end_ms; done++) {
		struct group g = groups[done % (uintptr_t)n_groups];
		uint8_t id[MR_UUID_BYTES];

		/* Each is a group of its own. */
		mr_uuid_make(id);
		g.values[MR_STORE_PLAIN_ID] = (const char *)id;
		must(conn, PQexecPrepared(conn, "plain", with_ledger ? g.n : MR_STORE_PLAIN_ID,
		    g.values, g.lengths, g.formats, 0));
	}
	PQfinish(conn);
	return (void *)(done - first);
}

int
main(int argc, char **argv)
{
	pthread_t threads[MAX_CONNECTIONS];
	uintptr_t statements = 0;
	int64_t begin_ms;
	long n, seconds;
	void *done;

	if (argc != 5 && (argc != 6 || strcmp(argv[5], "without-ledger") != 0)) {
		fputs("usage: loader CONNINFO FILE SECONDS CONNECTIONS [without-ledger]\n", stderr);
		return 2;
	}
	with_ledger = argc == 5;
	conninfo = argv[1];
	seconds = strtol(argv[3], NULL, 10);
	n = strtol(argv[4], NULL, 10);
	if (seconds < 1 || seconds > 600 || n < 1 || n > MAX_CONNECTIONS)
		die("arguments", "out of range");
	run_ms = seconds * 1000;
	read_groups(argv[2]);
	pthread_barrier_init(&start, NULL, (unsigned)n + 1);
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, load, (void *)(uintptr_t)i) != 0)
			die("thread", "cannot be made");
	pthread_barrier_wait(&start);
	begin_ms = mr_clock_mono_ms();
	for (long i = 0; i < n; i++) {
		pthread_join(threads[i], &done);
		statements += (uintptr_t)done;
	}
	printf("{\"seconds\":%.3f,\"statements\":%llu}\n",
	    (double)(mr_clock_mono_ms() - begin_ms) / 1000, (unsigned long long)statements);
	return 0;
}
