/*
 * POST /export/run: see export.h. The request stands in a table before anything
 * is started, so that none is lost; and nothing that a client sent becomes an
 * argument of a program.
 */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "client.h"
#include "conf/words.h"
#include "export/runs.h"
#include "format/jsonwriter.h"
#include "format/query.h"
#include "response.h"

#define MAX_CHILDREN 16

/* What we started and have not waited for; the mutex guards both. */
static pthread_mutex_t children_mutex = PTHREAD_MUTEX_INITIALIZER;
static pid_t children[MAX_CHILDREN];

static const char *
parameter(struct mr_request *request, const char *name)
{
	struct mr_str value = mr_query_get(request->arena, request->query, name);

	if (value.p == NULL || value.n == 0)
		return NULL;
	return mr_arena_dup(request->arena, value).p;
}

static bool
refuse(struct mr_response *response, const char *message)
{
	mr_response_fail(response, 400, message);
	return false;
}

/* One that is not there changes nothing. */
static bool
read_time(struct mr_request *request, const char *name, int64_t *us)
{
	const char *text = parameter(request, name);

	return text == NULL || mr_clock_parse_date(mr_str(text), us);
}

/* A switch that is not there is off; so is one that is 0. */
static bool
read_switch(struct mr_request *request, const char *name, bool *on)
{
	const char *text = parameter(request, name);

	*on = text != NULL && strcmp(text, "1") == 0;
	return *on || text == NULL || strcmp(text, "0") == 0;
}

static bool
is_known(struct mr_str name)
{
	static const char *const known[] = { "client", "format", "since", "until", "dry_run",
		"verify" };

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (mr_str_eq(name, mr_str(known[i])))
			return true;
	return false;
}

/* Whether the request has nothing that would be passed over; else the response says so. */
static bool
check_form(struct mr_request *request, struct mr_response *response)
{
	struct mr_str rest = request->query;
	struct mr_error err = MR_ERROR_INIT;
	struct mr_query_pair pair;
	bool failed = false;

	if (request->content_length.n > 0 &&
	    !mr_str_eq(request->content_length, MR_STR_LIT("0")))
		return refuse(response, "no body is read, neither a form nor JSON: the parameters stand "
		    "in the query, like ?format=csv");
	while (mr_query_next(request->arena, &rest, &pair, &failed)) {
		if (is_known(pair.name))
			continue;
		(void)mr_fail(&err, MR_EINVAL, "there is no parameter '%.*s'; there are client, format, "
		    "since, until, dry_run and verify", pair.name.n > 100 ? 100 : (int)pair.name.n,
		    pair.name.p);
		mr_response_error(response, 400, &err);
		return false;
	}
	return !failed || refuse(response, "the query is too long");
}

/* False: the response says what is wrong. */
static bool
read_wanted(const struct mr_worker *worker, struct mr_request *request,
    struct mr_export_options *w, struct mr_response *response)
{
	enum mr_format format;

	if (!check_form(request, response))
		return false;
	w->client = parameter(request, "client");
	w->format = parameter(request, "format");
	if (worker->conf->n_clients == 0)
		return refuse(response, "no [client NAME] is configured: there is nowhere to export to");
	if (w->client != NULL && mr_conf_client_find(worker->conf, mr_str(w->client)) == NULL)
		return refuse(response, "there is no client of that name");
	if (w->format != NULL && !mr_format_parse(mr_str(w->format), &format))
		return refuse(response, "format must be json (or ndjson), csv or parquet");
	if (!read_time(request, "since", &w->since_us))
		return refuse(response, "since is no time; write it like 2025-06-22T00:00:00Z");
	if (!read_time(request, "until", &w->until_us))
		return refuse(response, "until is no time; write it like 2025-06-22T00:00:00Z");
	if (w->since_us != INT64_MIN && w->since_us >= w->until_us)
		return refuse(response, "since must be before until");
	if (!read_switch(request, "dry_run", &w->dry_run))
		return refuse(response, "dry_run must be 0 or 1");
	if (!read_switch(request, "verify", &w->verify))
		return refuse(response, "verify must be 0 or 1");
	if (w->verify && (w->dry_run || w->format != NULL))
		return refuse(response, "verify goes with neither dry_run nor format");
	return true;
}

/* --- starting it --- */

/* Waits for those that have ended; returns the place for one more, or NULL. */
static pid_t *
reap_children(void)
{
	pid_t *room = NULL;

	for (int i = 0; i < MAX_CHILDREN; i++) {
		if (children[i] != 0 && waitpid(children[i], NULL, WNOHANG) != 0)
			children[i] = 0;
		if (children[i] == 0)
			room = &children[i];
	}
	return room;
}

static int
spawn(const char *program, const char *config, pid_t *pid)
{
	static char quiet[] = "-q", file[] = "-c", requests[] = "--requests";
	/* What is pointed to stays as it is. */
	char *const argv[] = { (char *)(uintptr_t)program, quiet, file, (char *)(uintptr_t)config,
		requests, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int e;

	if ((e = posix_spawn_file_actions_init(&actions)) != 0)
		return e;
	if ((e = posix_spawnattr_init(&attributes)) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return e;
	}
	/* Our descriptors are closed on exec, but for these; our signals are our own. */
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if ((e = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)) == 0 &&
	    (e = posix_spawn_file_actions_adddup2(&actions, 0, 1)) == 0 &&
	    (e = posix_spawn_file_actions_adddup2(&actions, 0, 2)) == 0 &&
	    (e = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
	    (e = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
	    (e = posix_spawnattr_setflags(&attributes, (short)(POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID))) == 0)
		e = posix_spawn(pid, program, &actions, &attributes, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return e;
}

/* Whether the request is being worked on now; else the next run does it. */
static bool
start(const struct mr_conf *conf)
{
	bool started = false;
	pid_t *room;
	int e;

	if (!conf->spawn || conf->path == NULL)
		return false;
	pthread_mutex_lock(&children_mutex);
	room = reap_children();
	if (room != NULL) {
		e = spawn(conf->export_program, conf->path, room);
		started = e == 0;
		if (!started) {
			*room = 0;
			mr_log_error("%s: cannot be started: %s; the export that was asked for is left to "
			    "the next run of millrace-export", conf->export_program, strerror(e));
		}
	}
	pthread_mutex_unlock(&children_mutex);
	return started;
}

/* --- the request --- */

/* False: the response says why not. */
static bool
record(struct mr_worker *worker, struct mr_request *request, const struct mr_export_options *w,
    struct mr_run *run, struct mr_response *response)
{
	struct mr_ip ip = mr_client_address(worker, request);
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db *db = mr_export_connect(worker, response);
	char address[MR_IP_TEXT] = "local", asked_by[MR_IP_TEXT + 16];
	enum mr_err e;

	if (db == NULL)
		return false;
	if (ip.family != 0)
		mr_ip_format(&ip, address);
	(void)snprintf(asked_by, sizeof asked_by, "http %s", address);
	e = mr_runs_request(db, w, asked_by, run, &err);
	if (e != MR_OK)
		mr_response_error(response, 503, &err);
	else
		mr_log_info("export run %s was asked for by %s", run->id, asked_by);
	mr_db_free(db);
	return e == MR_OK;
}

void
mr_export_run(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct mr_export_options wanted = MR_EXPORT_OPTIONS_INIT;
	struct mr_json_writer *w;
	struct mr_run run;
	bool started;

	if (!read_wanted(worker, request, &wanted, response) ||
	    !record(worker, request, &wanted, &run, response))
		return;
	started = start(worker->conf);
	w = mr_response_begin(response, 202);
	mr_json_text(w, "status", mr_str(started ? "started" : "requested"));
	mr_json_text(w, "message", mr_str(started ? "the export has been started" :
	    "the next run of millrace-export does it"));
	mr_json_text(w, "run_id", mr_str(run.id));
	mr_response_end(response);
	mr_run_free(&run);
}
