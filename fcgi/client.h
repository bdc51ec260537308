/*
 * Who a request comes from.
 */
#ifndef MR_FCGI_CLIENT_H
#define MR_FCGI_CLIENT_H

#include <stdbool.h>

#include "base/ip.h"
#include "request.h"
#include "worker.h"

/* The client's address, seen through trusted proxies; family 0: unreadable. */
struct mr_ip mr_client_address(const struct mr_worker *worker, const struct mr_request *request);

/* Whether it is surely this machine: see mr_ip_client_is_loopback(). */
bool mr_client_is_local(const struct mr_worker *worker, const struct mr_request *request);

#endif
