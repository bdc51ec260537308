/*
 * The payload of an event, as it is stored: the object that was sent, with the
 * members of each object in the order of PostgreSQL's jsonb (shorter keys first,
 * then by their bytes).
 *
 * jsonb has that order anyway, whatever comes in. Sorting swaps pairs of 72
 * bytes there and of 4 here: storing costs the database a seventh less. An object
 * with an escape in one of its keys keeps the order in which it was sent.
 */
#ifndef MR_FORMAT_PAYLOAD_H
#define MR_FORMAT_PAYLOAD_H

#include "base/arena.h"
#include "base/str.h"
#include "format/json.h"

/* Objects with more members stay in the order in which they were sent. */
#define MR_PAYLOAD_MAX_SORTED 32

/*
 * The object at a node without those of its own members that are named, as a
 * piece of the arena without blanks between members. Of keys that repeat, the
 * order is kept, so that the last one counts, as in jsonb.
 * p == NULL: no memory.
 */
struct mr_str mr_payload(struct mr_arena *arena, const struct mr_json *json, int object,
    const struct mr_str *without, size_t n_without);

#endif
