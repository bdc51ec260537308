/*
 * The payload of an event, as it is stored and exported: the object as it was
 * sent, its members in their order and its values as they were written. Only
 * blanks between tokens are left out.
 */
#ifndef MR_FORMAT_PAYLOAD_H
#define MR_FORMAT_PAYLOAD_H

#include "base/arena.h"
#include "base/str.h"
#include "format/json.h"

/*
 * The object at a node without those of its own members that are named: a slice
 * of the text where that is what there is, else a piece of the arena. Of keys
 * that repeat all are kept; the last one counts, as in PostgreSQL.
 * p == NULL: no memory.
 */
struct mr_str mr_payload(struct mr_arena *arena, const struct mr_json *json, int object,
    const struct mr_str *without, size_t n_without);

#endif
