/* GET /export/usage: see export.h. */
#include "export.h"

#include "export/usage.h"
#include "format/jsonwriter.h"
#include "format/query.h"
#include "response.h"

static const char *
parameter(struct mr_request *request, const char *name)
{
	struct mr_str value = mr_query_get(request->arena, request->query, name);

	if (value.p == NULL || value.n == 0)
		return NULL;
	return mr_arena_dup(request->arena, value).p;
}

static void
put_usage(void *arg, const struct mr_usage *usage)
{
	struct mr_json_writer *w = arg;

	mr_json_object(w, NULL);
	mr_usage_put(w, usage);
	mr_json_end(w);
}

static enum mr_err
write_usage(struct mr_json_writer *w, struct mr_db *db, const struct mr_usage_choice *choice,
    struct mr_error *err)
{
	enum mr_err e;

	mr_json_array(w, "usage");
	e = mr_usage_each(db, choice, put_usage, w, err);
	mr_json_end(w);
	return e;
}

void
mr_export_usage(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	const struct mr_usage_choice choice = { .client = parameter(request, "client"),
		.since = parameter(request, "since"), .until = parameter(request, "until"),
		.month = parameter(request, "month") };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db *db;

	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
	if (mr_usage_check(&choice, &err) != MR_OK) {
		mr_response_error(response, 400, &err);
		return;
	}
	if ((db = mr_export_connect(worker, response)) == NULL)
		return;
	if (write_usage(mr_response_begin(response, 200), db, &choice, &err) == MR_OK)
		mr_response_end(response);
	else
		mr_response_error(response, 503, &err);
	mr_db_free(db);
}
