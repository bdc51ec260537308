/*
 * The endpoints of the export, for the administrator. They never show a
 * secret, sealed or not.
 */
#ifndef MR_FCGI_EXPORT_H
#define MR_FCGI_EXPORT_H

#include "db/connection.h"
#include "request.h"
#include "worker.h"

/*
 * POST /export/run?client=&format=&since=&until=&dry_run=&verify= records a request, and
 * starts millrace-export, unless [export] spawn is off: then the next run does it. Any
 * other parameter, and a body, is refused.
 */
void mr_export_run(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* GET /export/status: how far each destination is, and the last runs. */
void mr_export_status(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* GET /export/config: which client's events go where. */
void mr_export_config(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* GET /export/usage?client=&month=&since=&until=: what each destination received. */
void mr_export_usage(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/*
 * A connection of the endpoint's own; NULL: the response says why not. To be
 * freed by the caller.
 */
struct mr_db *mr_export_connect(const struct mr_worker *worker, struct mr_response *response);

#endif
