/* Other collectors' APIs: see dialect.h. */
#include "dialect.h"

#include "response.h"
#include "worker.h"

struct mr_dialect_request
mr_dialect_request_of(const struct mr_dialect_path *path, const struct mr_worker *worker,
    const struct mr_request *request)
{
	return (struct mr_dialect_request){ .path = path, .conf = worker->conf,
		.authorization = request->authorization };
}

void
mr_dialect_answer(const struct mr_dialect_path *path, struct mr_response *response)
{
	mr_response_json(response, 200);
	mr_buf_add_cstr(&response->body, mr_dialect_success(path));
}

void
mr_dialect_refuse(int status, const struct mr_error *err, struct mr_response *response)
{
	struct mr_json_writer *w = mr_response_begin(response, status);

	mr_json_bool(w, "success", false);
	mr_json_text(w, "message", mr_str(err->text));
	mr_response_end(response);
}
