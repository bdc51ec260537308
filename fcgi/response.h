/*
 * Building the answers that the endpoints have in common, and the head of each. What an
 * answer is, request.h says, which also sends it.
 */
#ifndef MR_FCGI_RESPONSE_H
#define MR_FCGI_RESPONSE_H

#include "request.h"

/* Empties it; what it has of memory is kept for the next answer, up to a bound. */
void mr_response_reset(struct mr_response *response);

/*
 * Makes the body a JSON object, emptied first, to which the caller adds what it has to say
 * before it ends it: with "timestamp", which every answer has.
 */
struct mr_json_writer *mr_response_begin(struct mr_response *response, int status);
void mr_response_end(struct mr_response *response);

/* The same, begun with the status "error" and what mr_response_error() says of it. */
struct mr_json_writer *mr_response_begin_error(struct mr_response *response, int status,
    const struct mr_error *err);

/*
 * Turns the response into {"status":"error","message":…,"timestamp":…}, with
 * "offset" when err has one. What was in its body is dropped.
 */
void mr_response_error(struct mr_response *response, int status, const struct mr_error *err);

/* The same from a plain message. */
void mr_response_fail(struct mr_response *response, int status, const char *message);

/* Adds the header Retry-After, which pages of other origins may read. */
void mr_response_retry_after(struct mr_response *response, int64_t seconds);

/* Makes the body JSON and sets the status; the caller writes the body. */
void mr_response_json(struct mr_response *response, int status);

/* Appends the lines in front of the body, to the empty one (RFC 3875, section 6). */
void mr_response_head(const struct mr_response *response, struct mr_buf *head);

#endif
