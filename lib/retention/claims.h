/*
 * Who has to have which events, by the configuration, and how far they have got, by the tables:
 * what queries about what may be dropped begin with.
 */
#ifndef MR_RETENTION_CLAIMS_H
#define MR_RETENTION_CLAIMS_H

#include "base/buf.h"
#include "base/error.h"
#include "conf/conf.h"
#include "db/query.h"

/* Whether the list (NULL: all but `except`) has the site; a site that is NULL may be any. */
#define MR_CLAIMS_HAS(site, list, except) \
	"(" site " IS NULL OR CASE WHEN " list " IS NULL THEN " site " <> ALL (" except ") ELSE " \
	site " = ANY (" list ") END)"

/* Of a statement, or of its parameter. */
#define MR_CLAIMS_MAX_BYTES ((size_t)16 << 20)

/*
 * Appends the clients as a JSON array, with a NUL behind: of each the client, its destinations,
 * its sites unless it takes all but except_sites. False: no memory.
 */
bool mr_claims_put_clients(struct mr_buf *to, const struct mr_conf *conf);

/*
 * Asks `tail`, a query in which there are:
 *   c  a row for each client: client, sites (NULL: all but except_sites), except_sites
 *   d  a row for each destination: client, destination, sites, except_sites; known, when it has
 *      ever been planned for in this cluster; xmax and xip, the snapshot up to which it has
 *      everything; reached_at, failed_at, error
 *   s  a row for each partition that was counted, and site: name, site_id, rows, min_xid, max_xid
 *   h  a row for each partition and destination that lacks some of its rows: name, client,
 *      destination, rows (those of the sites of which it lacks some)
 * Errors as those of mr_db_ask(), and MR_ENOMEM.
 */
enum mr_err mr_claims_ask(struct mr_db *db, const struct mr_conf *conf, const char *tail,
    struct mr_db_rows **rows, struct mr_error *err);

#endif
