/*
 * A body that is not JSON because of some of its members: what is left when these
 * are put aside. For bodies that were refused; the others pay nothing for it.
 */
#ifndef MR_FORMAT_SALVAGE_H
#define MR_FORMAT_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

/* A member that was put aside; in their order in the text. */
struct mr_spoiled {
	size_t start;         /* where a number stands in its place */
	struct mr_str raw;    /* as it was sent, but for invalid UTF-8 */
	struct mr_str reason; /* its bytes counted from the start of the body */
	struct mr_spoiled *next;
};

struct mr_salvage {
	char *text; /* what may be parsed now: the caller's, or a copy */
	size_t len;
	struct mr_spoiled *spoiled; /* NULL: no member was */
};

/*
 * Makes the best of a text of which mr_json_parse() says that it is no JSON. Bytes
 * that are no UTF-8 become U+FFFD, in a copy. Of the elements of the array `members`
 * of the outer object, or of the outer array, those are put aside that are no JSON,
 * or more of it than json.h allows one text, when their brackets and quotes tell where
 * they end; at most `most`. Edits the text in place. All that is new lies in the arena.
 * False: nothing can be done; the text may have been edited.
 */
bool mr_salvage(struct mr_arena *arena, char *text, size_t len, struct mr_str members,
    size_t most, struct mr_salvage *out);

/*
 * A text of which each line is a value (NDJSON), as an array of these, without those that
 * are no JSON, as above; blank lines are none. False: more than `most` are no JSON, or
 * there is no memory.
 */
bool mr_salvage_lines(struct mr_arena *arena, char *text, size_t len, size_t most,
    struct mr_salvage *out);

/*
 * The member that stood at `start`, NULL: none did. *next is the first of those that are left;
 * to be asked for in their order.
 */
const struct mr_spoiled *mr_salvage_at(struct mr_spoiled **next, size_t start);

#endif
