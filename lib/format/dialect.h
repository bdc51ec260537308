/*
 * Other collectors' HTTP APIs, so that their clients can send here: each is a row of a table
 * that says which paths are its own, where each column comes from, and what is answered.
 * Pure.
 */
#ifndef MR_FORMAT_DIALECT_H
#define MR_FORMAT_DIALECT_H

#include "conf/conf.h"
#include "format/event.h"

struct mr_dialect;

/* A path of a dialect: the last segments of a request's. */
struct mr_dialect_path {
	const char *path;
	const struct mr_dialect *dialect;
	const char *kind; /* of the one message that is sent there; NULL: a batch */
};

/* NULL: it is none of a dialect. */
const struct mr_dialect_path *mr_dialect_find(struct mr_str path);

struct mr_dialect_request {
	const struct mr_dialect_path *path;
	const struct mr_conf *conf;  /* write keys and limits */
	struct mr_str authorization; /* the header; p == NULL: none */
	bool unknown_key;            /* set when that is why it was refused */
};

/*
 * Decodes a body as the path's dialect has it; there is no envelope. Messages belong to the
 * site of the write key, from Basic authorization or else the body: the [site NAME] that has
 * it, or itself when write_keys is open; without a key to ctx->default_site. A message that is
 * refused goes to batch->rejects, as in event.h. The body is edited in place.
 * Errors: those of mr_event_decode(); MR_ELIMIT also for a body beyond max_batch_bytes.
 */
enum mr_err mr_dialect_decode(struct mr_arena *arena, struct mr_dialect_request *request,
    char *body, size_t len, const struct mr_event_context *ctx, struct mr_batch *batch,
    struct mr_error *err);

/* The JSON with which it answers when something was taken. */
const char *mr_dialect_success(const struct mr_dialect_path *path);

#endif
