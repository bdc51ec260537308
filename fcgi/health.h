/* GET /health: whether events can be kept now. */
#ifndef MR_FCGI_HEALTH_H
#define MR_FCGI_HEALTH_H

#include "request.h"
#include "worker.h"

/* 200 or 503; with the admin token, details of this worker. */
void mr_health_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

#endif
