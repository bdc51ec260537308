/*
 * The endpoints of other collectors' APIs (format/dialect.h): what their clients are answered.
 * That their events are taken as others are is collect.c's.
 */
#ifndef MR_FCGI_DIALECT_H
#define MR_FCGI_DIALECT_H

#include "base/error.h"
#include "format/dialect.h"
#include "request.h"

/* What a request to such a path is decoded with. */
struct mr_dialect_request mr_dialect_request_of(const struct mr_dialect_path *path,
    const struct mr_worker *worker, const struct mr_request *request);

/* Fills the response of what was taken. */
void mr_dialect_answer(const struct mr_dialect_path *path, struct mr_response *response);

/* The same of what was not: {"success":false,"message":…}. */
void mr_dialect_refuse(int status, const struct mr_error *err, struct mr_response *response);

#endif
