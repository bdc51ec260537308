/*
 * A request's body as senders make it: in which encoding of Unicode, and which of the forms
 * that event.h reads. Pure.
 */
#ifndef MR_FORMAT_BODY_H
#define MR_FORMAT_BODY_H

#include "format/event.h"

/*
 * Decodes a body whose compression is undone. A byte order mark is skipped, and UTF-16
 * becomes UTF-8. By its Content-Type (p == NULL: none) it is
 *   application/x-ndjson, x-jsonlines, jsonl, ndjson: events, one a line;
 *   application/x-www-form-urlencoded, unless it begins as JSON does: the fields of one
 *   event; or, without an eventType, a field `data` with JSON or the base64 of JSON;
 *   anything else: JSON.
 * The body is edited in place. Errors: those of mr_event_decode().
 */
enum mr_err mr_body_decode(struct mr_arena *arena, struct mr_str content_type, char *body,
    size_t len, const struct mr_event_context *ctx, struct mr_batch *batch,
    struct mr_error *err);

#endif
