/*
 * Taking events: POST and GET /collect, GET and POST /pixel.gif.
 */
#ifndef MR_FCGI_COLLECT_H
#define MR_FCGI_COLLECT_H

#include "request.h"
#include "worker.h"

void mr_collect_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* The paths of dialect.h. */
void mr_collect_dialect(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* Answers the same 43-byte GIF whatever happens; X-Millrace says what did. */
void mr_collect_pixel(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

#endif
