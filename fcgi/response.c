/* Answers: see response.h. */
#include "response.h"

#include "base/clock.h"
#include "format/jsonwriter.h"

/* What an answer's buffer may keep for the next one. */
#define KEEP_BYTES ((size_t)16 * 1024)

void
mr_response_reset(struct mr_response *response)
{
	response->status = 500;
	response->content_type = NULL;
	response->job = NULL;
	mr_buf_reset(&response->headers, KEEP_BYTES);
	mr_buf_reset(&response->body, KEEP_BYTES);
}

void
mr_response_json(struct mr_response *response, int status)
{
	response->status = status;
	response->content_type = "application/json";
}

struct mr_json_writer *
mr_response_begin(struct mr_response *response, int status)
{
	mr_response_json(response, status);
	mr_buf_reset(&response->body, KEEP_BYTES);
	mr_json_begin(&response->json, &response->body);
	mr_json_object(&response->json, NULL);
	return &response->json;
}

void
mr_response_end(struct mr_response *response)
{
	mr_json_time(&response->json, "timestamp", mr_clock_now_us());
	mr_json_end(&response->json);
	(void)mr_json_done(&response->json);
}

struct mr_json_writer *
mr_response_begin_error(struct mr_response *response, int status, const struct mr_error *err)
{
	struct mr_json_writer *w = mr_response_begin(response, status);

	mr_json_text(w, "status", mr_str("error"));
	mr_json_text(w, "message", mr_str(err->text));
	if (err->offset >= 0)
		mr_json_int(w, "offset", err->offset);
	return w;
}

void
mr_response_error(struct mr_response *response, int status, const struct mr_error *err)
{
	(void)mr_response_begin_error(response, status, err);
	mr_response_end(response);
}

void
mr_response_fail(struct mr_response *response, int status, const char *message)
{
	struct mr_error err = MR_ERROR_INIT;

	(void)mr_fail(&err, MR_EINVAL, "%s", message);
	mr_response_error(response, status, &err);
}

void
mr_response_retry_after(struct mr_response *response, int64_t seconds)
{
	/* Else a script of another origin may not read it. */
	mr_buf_printf(&response->headers, "Access-Control-Expose-Headers: Retry-After\r\n"
	    "Retry-After: %lld\r\n", (long long)seconds);
}

/* --- the head ---------------------------------------------------------------- */

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" }, { 202, "Accepted" }, { 204, "No Content" }, { 400, "Bad Request" },
	{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 411, "Length Required" },
	{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" }, { 429, "Too Many Requests" },
	{ 500, "Internal Server Error" }, { 503, "Service Unavailable" },
};

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void
mr_response_head(const struct mr_response *response, struct mr_buf *head)
{
	mr_buf_printf(head, "Status: %d %s\r\n", response->status, reason_of(response->status));
	mr_buf_add_str(head, mr_buf_str(&response->headers));
	if (response->content_type != NULL)
		mr_buf_printf(head, "Content-Type: %s\r\nContent-Length: %zu\r\n",
		    response->content_type, response->body.len);
	mr_buf_add_cstr(head, "\r\n");
}
