/*
 * Whether the administrator asks.
 */
#ifndef MR_FCGI_ADMIN_H
#define MR_FCGI_ADMIN_H

#include <stdbool.h>

#include "request.h"
#include "worker.h"

/*
 * Whether the request may use the admin endpoints: with the token, or, in
 * development without one configured, when it only reads and comes from this
 * machine itself, which it calls localhost, and from no page of another site. A wrong
 * token is noted (guesses.h); from an address that sent many none is looked at.
 */
bool mr_admin_may(const struct mr_worker *worker, const struct mr_request *request);

/* The same; when not, the response is filled (401, 403, 429). */
bool mr_admin_allow(const struct mr_worker *worker, const struct mr_request *request,
    struct mr_response *response);

#endif
