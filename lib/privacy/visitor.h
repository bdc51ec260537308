/*
 * Cookieless visitors: an identifier made of the site, the client's address and
 * its user agent, keyed with the day's salt, so that nobody can make it, or
 * compare it with another day's or site's, without the salt.
 *
 * A visit that goes on over midnight keeps its identifier: one that was seen
 * under yesterday's salt less than half an hour ago stays. What was seen lately
 * is remembered by each worker on its own, in a table of fixed size.
 */
#ifndef MR_PRIVACY_VISITOR_H
#define MR_PRIVACY_VISITOR_H

#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "privacy/salt.h"

#define MR_VISITOR_TEXT 33 /* 32 hex digits and a NUL */

/* Who was seen lately. Thread-safe. */
struct mr_visitors;

struct mr_visitors *mr_visitors_new(void); /* NULL: no memory */
void mr_visitors_free(struct mr_visitors *visitors);

/*
 * Writes the identifier. yesterday: the salt of the day before, or NULL when it
 * is not known. What of the texts is beyond 255 and 1,024 bytes does not count.
 */
void mr_visitor_id(struct mr_visitors *visitors, int64_t now_us,
    const unsigned char today[MR_SALT_BYTES], const unsigned char *yesterday,
    struct mr_str site, const struct mr_ip *ip, struct mr_str user_agent,
    char id[MR_VISITOR_TEXT]);

#endif
