/*
 * What the configuration says of who has to have which events, and what the tables say of how
 * far they have got: the beginning of statements about what may be dropped.
 */
#ifndef MR_RETENTION_CLAIMS_H
#define MR_RETENTION_CLAIMS_H

#include "base/buf.h"
#include "base/error.h"
#include "conf/conf.h"

#define MR_CLAIMS_MAX ((size_t)16 << 20) /* bytes of a statement, or of its parameter */

/* Appends the clients as JSON, with a NUL; it is $1 below. MR_ENOMEM. */
enum mr_err mr_claims_put(struct mr_buf *to, const struct mr_conf *conf, struct mr_error *err);

/* Whether the list (NULL: all but `except`) has the site; a site that is NULL may be any. */
#define MR_CLAIMS_HAS(site, list, except) \
	"(" site " IS NULL OR CASE WHEN " list " IS NULL THEN " site " <> ALL (" except ") ELSE " \
	site " = ANY (" list ") END)"

/*
 * WITH …, after which there are:
 *   d  a row for each destination: client, destination, sites, except_sites; known, when it has
 *      ever been planned for in this cluster; xmax and xip, the snapshot up to which it has
 *      everything; reached_at, failed_at, error
 *   s  a row for each partition that was counted, and site: name, site_id, rows, min_xid, max_xid
 *   h  a row for each partition and destination that lacks rows of it: name, client,
 *      destination, rows
 */
extern const char mr_claims_with[];

#endif
