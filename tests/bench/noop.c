/*
 * A FastCGI responder that does nothing: it reads each request to its end and
 * gives one fixed answer, as long as the worker's. What the web server and
 * libfcgi cost by themselves; the yardstick for the worker's own share.
 * The listening socket is descriptor 0; BENCH_THREADS says how many threads.
 * Arguments are ignored, since the harness starts it as it starts the worker.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fcgiapp.h>

#define BODY \
    "{\"status\":\"success\",\"message\":\"1 event(s) received and stored\"," \
    "\"events_processed\":1,\"timestamp\":\"2026-11-23T18:22:51.123Z\"}"

static char answer[512];
static int answer_len;

static void *
serve(void *arg)
{
	FCGX_Request req;
	char body[16384];

	(void)arg;
	if (FCGX_InitRequest(&req, STDIN_FILENO, 0) != 0)
		return NULL;
	while (FCGX_Accept_r(&req) == 0) {
		while (FCGX_GetStr(body, sizeof body, req.in) == (int)sizeof body)
			;
		FCGX_PutStr(answer, answer_len, req.out);
		/* Detached, libfcgi closes without waiting for the peer's EOF. */
		FCGX_Detach(&req);
		FCGX_Finish_r(&req);
	}
	return NULL;
}

static void
stop(int signum)
{
	(void)signum;
	_exit(0);
}

int
main(void)
{
	const char *wanted = getenv("BENCH_THREADS");
	long threads = wanted != NULL ? strtol(wanted, NULL, 10) : 32;
	pthread_t thread;

	if (threads < 1 || threads > 1024 || FCGX_Init() != 0) {
		fprintf(stderr, "noop: cannot start, or BENCH_THREADS is out of range\n");
		return 2;
	}
	answer_len = snprintf(answer, sizeof answer,
	    "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	    "Access-Control-Allow-Origin: *\r\n\r\n%s", sizeof BODY - 1, BODY);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, stop);
	for (long i = 1; i < threads; i++) {
		if (pthread_create(&thread, NULL, serve, NULL) != 0) {
			perror("pthread_create");
			return 1;
		}
	}
	serve(NULL);
	return 1;
}
