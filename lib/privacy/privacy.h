/*
 * [privacy] visitor_id: whose word counts for who a visitor is.
 */
#ifndef MR_PRIVACY_PRIVACY_H
#define MR_PRIVACY_PRIVACY_H

#include "base/arena.h"
#include "base/error.h"
#include "base/ip.h"
#include "conf/conf.h"
#include "format/event.h"

struct mr_privacy;

/* *privacy is NULL when the configuration asks for nothing of it. */
enum mr_err mr_privacy_start(struct mr_privacy **privacy, const struct mr_conf *conf,
    struct mr_error *err);
void mr_privacy_stop(struct mr_privacy *privacy);

/*
 * Fills in visitor_id of every row, with hash; does nothing otherwise (privacy ==
 * NULL). client: the whole address, before anonymize_ip. Without a salt, or
 * memory, visitor_id stays NULL: no event is refused for it.
 */
void mr_privacy_apply(struct mr_privacy *privacy, const struct mr_ip *client,
    struct mr_arena *arena, struct mr_batch *batch);

#endif
