/*
 * Cross-origin requests (Fetch standard, section 3.2): which Origin may read
 * an answer. An origin is compared with the configured ones exactly; what is
 * sent back is the configured text, or "*" without credentials.
 */
#ifndef MR_FCGI_CORS_H
#define MR_FCGI_CORS_H

#include "base/buf.h"
#include "base/str.h"
#include "conf/conf.h"

/* The header lines of an answer about a site; site.p == NULL: it is not known. */
void mr_cors_answer(const struct mr_conf *conf, struct mr_str origin, struct mr_str site,
    struct mr_buf *headers);

/*
 * Those of the answer to a preflight, which names no site: any site's origins count. Of the
 * headers that it asks for all are allowed where any origin is, or where allow_headers says so.
 */
void mr_cors_preflight(const struct mr_conf *conf, struct mr_str origin, struct mr_str wanted,
    struct mr_buf *headers);

#endif
