/*
 * JSON: a strict check (RFC 8259 to the letter), then jsmn's tokens as a tree.
 *
 * jsmn alone accepts much that is not JSON and stops at a NUL byte, so nothing
 * reaches it unchecked. Does no I/O and holds no state.
 */
#ifndef MR_FORMAT_JSON_H
#define MR_FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#define MR_JSON_MAX_DEPTH 32       /* open arrays and objects */
#define MR_JSON_MAX_NODES 100000   /* values and keys in one text */
#define MR_JSON_MAX_KEY 1024       /* bytes of a key as written */
#define MR_JSON_MAX_DIGITS 128     /* digits of a number, exponent apart */
#define MR_JSON_MAX_EXPONENT 400   /* as jsonb, PostgreSQL writes 1e131071 out */
#define MR_JSON_MAX_EXPONENTS 1048576 /* all of one text, their signs apart, added up */

enum mr_json_type {
	MR_JSON_OBJECT = 1,
	MR_JSON_ARRAY,
	MR_JSON_STRING,
	MR_JSON_NUMBER,
	MR_JSON_BAD_NUMBER, /* grammatical, but beyond the limits above */
	MR_JSON_TRUE,
	MR_JSON_FALSE,
	MR_JSON_NULL
};

/* Five ints, the size of jsmn's token with a parent link, whose place it takes. */
struct mr_json_node {
	int type;  /* enum mr_json_type */
	int start; /* of the text; for a string: behind its opening quote */
	int end;   /* one past the last byte; for a string: its closing quote */
	int size;  /* members of an object, elements of an array, else 0 */
	int next;  /* the node behind this one and all that is inside it */
};

/*
 * nodes[0] is the whole value. The children of node i follow at i + 1; skip
 * one with `next`. In an object they alternate: key (a string), value.
 */
struct mr_json {
	const char *text;           /* the caller's */
	struct mr_json_node *nodes; /* the arena's */
	int n;
	int bad_numbers; /* how many nodes are MR_JSON_BAD_NUMBER */
	bool has_blanks; /* between tokens, or around the whole */
};

/*
 * Checks len bytes of text and fills *json. The text is edited in place where
 * PostgreSQL could not hold it: \u0000 and lone surrogate escapes inside
 * strings become \ufffd, which is as long.
 * Errors: MR_EINVAL with the offset of the first wrong byte (empty text, not
 * JSON, invalid UTF-8, a NUL byte, too deep, too many nodes, too long a key, too
 * large exponents altogether), which is the first of a misspelt literal, an
 * escape or a UTF-8 sequence, and 0 for an empty text; MR_ENOMEM.
 * The text must stay, and stay unchanged, while *json is used.
 */
enum mr_err mr_json_parse(struct mr_arena *arena, char *text, size_t len,
    struct mr_json *json, struct mr_error *err);

/* Of one text, what is limited for all of it. */
struct mr_json_cost {
	int nodes;
	int exponents;
};

/*
 * Checks that bytes from..to of a text are one value, `depth` levels inside it; edits as
 * above. What it has is added to *cost, which stays as it was on failure.
 * Errors: those of mr_json_parse() but MR_ENOMEM; offsets are of the whole text.
 */
enum mr_err mr_json_check(char *text, size_t from, size_t to, unsigned depth,
    struct mr_json_cost *cost, struct mr_error *err);

/* A node as it stands in the text; a string with its quotes. */
struct mr_str mr_json_raw(const struct mr_json *json, int node);

/*
 * A string node without its escapes: a slice of the text where it has none,
 * else a piece of the arena. p == NULL: no memory.
 */
struct mr_str mr_json_string(struct mr_arena *arena, const struct mr_json *json, int node);

/* Whether a string node (a key, say) is equal to s, escapes undone. */
int mr_json_is(const struct mr_json *json, int node, struct mr_str s);

#endif
