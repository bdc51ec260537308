/* GET /events/recent: the newest events, for the administrator. */
#ifndef MR_FCGI_RECENT_H
#define MR_FCGI_RECENT_H

#include "request.h"
#include "worker.h"

/* Parameters: limit (1 to 500, default 20), site. */
void mr_recent_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

#endif
