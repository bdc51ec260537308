/*
 * Who holds how much of the spool: no site and no client address more than its
 * share of what would be left without it, so that when one floods, others still fit.
 *
 * Keeps tallies in memory of a fixed size, by a secret hash in two places each, of
 * which the lower one counts: nobody can make another's grow. What was taken before
 * the start, or by other workers, counts as used, but for nobody. From any thread.
 */
#ifndef MR_INGEST_SHARE_H
#define MR_INGEST_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"

struct mr_share;

/* percent: 1 to 100; 100: no bound. NULL: no memory. */
struct mr_share *mr_share_new(int64_t percent);
void mr_share_free(struct mr_share *share);

/*
 * Whether both may take so many bytes more; if so, they are counted. used, left:
 * bytes of the spool. An address without family has no tally; of IPv6, the first
 * 64 bits have one.
 */
bool mr_share_take(struct mr_share *share, struct mr_str site, const struct mr_ip *ip,
    int64_t bytes, int64_t used, int64_t left);

#endif
