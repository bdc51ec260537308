/*
 * Which endpoint serves a request, and the answers they have in common.
 */
#ifndef MR_FCGI_ROUTES_H
#define MR_FCGI_ROUTES_H

#include "request.h"
#include "worker.h"

/* Fills the response, emptied first; or leaves it a job that is to be done before. */
void mr_routes_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* Fills the response whose job is done. */
void mr_routes_finish(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/*
 * Turns the response into {"status":"error","message":…,"timestamp":…}, with
 * "offset" when err has one. What was in its body is dropped.
 */
void mr_response_error(struct mr_response *response, int status, const struct mr_error *err);

/* The same from a plain message. */
void mr_response_fail(struct mr_response *response, int status, const char *message);

/* Makes the body JSON and sets the status; the caller writes the body. */
void mr_response_json(struct mr_response *response, int status);

/* Ends a JSON object: ,"timestamp":"…"} */
void mr_response_close(struct mr_response *response);

#endif
