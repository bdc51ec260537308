/*
 * [limits]: how many requests and bytes a second are taken from one client address and for one
 * site. Each worker counts for itself, in a table of fixed size; IPv6 counts by /64. Safe from
 * any thread.
 */
#ifndef MR_FCGI_LIMITS_H
#define MR_FCGI_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/ip.h"
#include "conf/conf.h"
#include "format/event.h"

struct mr_limits;

/* NULL when nothing is limited, or MR_ENOMEM. */
enum mr_err mr_limits_new(struct mr_limits **limits, const struct mr_conf *conf,
    struct mr_error *err);

/* As the next two, NULL is allowed, and limits nothing. */
void mr_limits_free(struct mr_limits *limits);

/* Counts a request of so many bytes from this client. 0, or the seconds until it may ask. */
int64_t mr_limits_address(struct mr_limits *limits, const struct mr_ip *client, size_t bytes);

/*
 * Counts what the batch brings for each of its sites: as one request for events of one site
 * that follow each other. 0, or the seconds until it may come again.
 */
int64_t mr_limits_sites(struct mr_limits *limits, const struct mr_batch *batch);

#endif
