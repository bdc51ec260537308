/* Routing: see routes.h. The table below is the list of endpoints. */
#include "routes.h"

#include "admin.h"
#include "askers.h"
#include "channel.h"
#include "client.h"
#include "collect.h"
#include "cors.h"
#include "dialect.h"
#include "export.h"
#include "health.h"
#include "limits.h"
#include "metrics.h"
#include "recent.h"
#include "response.h"

/* HEAD is apart from GET: asking about a pixel must not count as a view of it. */
enum { GET = 1, HEAD = 2, POST = 4 };

/* Whether it waits for the database. */
enum waiting {
	NEVER,
	SOMETIMES, /* sees for itself whether it may, since it has something to say without */
	ALWAYS
};

static const struct route {
	const char *path; /* the last segments of the request's path */
	int methods;
	bool admin;
	enum waiting waits;
	void (*serve)(struct mr_worker *, struct mr_request *, struct mr_response *);
} routes[] = {
	{ "/collect", GET | POST, false, NEVER, mr_collect_serve },
	{ "/pixel.gif", GET | POST, false, NEVER, mr_collect_pixel },
	{ "/health", GET | HEAD, false, SOMETIMES, mr_health_serve },
	{ "/metrics", GET | HEAD, true, SOMETIMES, mr_metrics_serve },
	{ "/events/recent", GET | HEAD, true, ALWAYS, mr_recent_serve },
	{ "/export/run", POST, true, ALWAYS, mr_export_run },
	{ "/export/status", GET | HEAD, true, ALWAYS, mr_export_status },
	{ "/export/usage", GET | HEAD, true, ALWAYS, mr_export_usage },
	{ "/export/config", GET | HEAD, true, NEVER, mr_export_config },
};

/* The paths that format/dialect knows. */
static const struct route dialect = { NULL, POST, false, NEVER, mr_collect_dialect };

/* So that it works under any prefix: only the end of the path has to fit. */
static bool
path_ends_with(struct mr_str path, const char *end)
{
	size_t n = strlen(end);

	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	return path.n >= n && memcmp(path.p + path.n - n, end, n) == 0;
}

static const struct route *
find(struct mr_str path)
{
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		if (path_ends_with(path, routes[i].path))
			return &routes[i];
	return mr_dialect_find(path) != NULL ? &dialect : NULL;
}

static const struct {
	int method;
	const char *name;
} methods[] = { { GET, "GET" }, { HEAD, "HEAD" }, { POST, "POST" } };
#define N_METHODS (sizeof methods / sizeof methods[0])

static int
method_of(const struct mr_request *request)
{
	for (size_t i = 0; i < N_METHODS; i++)
		if (mr_str_eq(request->method, mr_str(methods[i].name)))
			return methods[i].method;
	return 0;
}

static void
serve_options(struct mr_worker *worker, const struct mr_request *request,
    struct mr_response *response)
{
	response->status = 204;
	mr_cors_preflight(worker->conf, request->origin, request->cors_headers,
	    &response->headers);
}

static void
refuse_method(const struct route *route, struct mr_response *response)
{
	mr_response_fail(response, 405, "the method is not allowed here");
	mr_buf_add_cstr(&response->headers, "Allow: ");
	for (size_t i = 0; i < N_METHODS; i++)
		if ((route->methods & methods[i].method) != 0)
			mr_buf_printf(&response->headers, "%s, ", methods[i].name);
	mr_buf_add_cstr(&response->headers, "OPTIONS\r\n");
}

/* An answer that did not fit is none. */
static void
check(struct mr_response *response)
{
	if (!response->body.failed && !response->headers.failed)
		return;
	mr_buf_reset(&response->headers, 0);
	mr_response_fail(response, 500, "no memory for the answer");
}

/* Where anybody makes the database work. What brings events looks at more limits by itself. */
static bool
may_ask(const struct mr_worker *worker, const struct mr_request *request,
    struct mr_response *response)
{
	struct mr_ip client = mr_client_address(worker, request);
	int64_t wait_s = mr_limits_address(worker->limits, &client, 0);

	if (wait_s == 0)
		return true;
	mr_response_fail(response, 429, "more comes from this address than is answered; ask again "
	    "later");
	mr_response_retry_after(response, wait_s);
	return false;
}

static void
serve_asking(const struct route *route, struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	if (mr_askers_enter(worker->askers)) {
		route->serve(worker, request, response);
		mr_askers_leave(worker->askers);
	} else {
		mr_askers_refuse(response);
	}
}

static void
serve_route(const struct route *route, struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	if (route->waits != NEVER && !route->admin && !may_ask(worker, request, response))
		return;
	if (route->waits != NEVER)
		mr_channel_step_aside();
	if (route->waits == ALWAYS)
		serve_asking(route, worker, request, response);
	else
		route->serve(worker, request, response);
}

void
mr_routes_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	const struct route *route = find(request->path);

	mr_response_reset(response);
	if (mr_str_eq(request->method, MR_STR_LIT("OPTIONS")))
		serve_options(worker, request, response);
	else if (route == NULL)
		mr_response_fail(response, 404, "there is nothing at this path");
	else if ((route->methods & method_of(request)) == 0)
		refuse_method(route, response);
	else if (!route->admin || mr_admin_allow(worker, request, response))
		serve_route(route, worker, request, response);
	check(response);
}

void
mr_routes_finish(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	response->finish(worker, request, response);
	check(response);
}
