/* GET /metrics: what this host's workers have counted, for Prometheus. */
#ifndef MR_FCGI_METRICS_H
#define MR_FCGI_METRICS_H

#include "request.h"
#include "worker.h"

/* Text format 0.0.4 of Prometheus; for the administrator. */
void mr_metrics_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

#endif
