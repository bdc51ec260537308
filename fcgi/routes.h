/*
 * Which endpoint serves a request.
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

#endif
