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
 * Turns the response into {"status":"error","message":…,"timestamp":…}, with
 * "offset" when err has one. What was in its body is dropped.
 */
void mr_response_error(struct mr_response *response, int status, const struct mr_error *err);

/* The same from a plain message. */
void mr_response_fail(struct mr_response *response, int status, const char *message);

/* Makes the body JSON and sets the status; the caller writes the body. */
void mr_response_json(struct mr_response *response, int status);

/* Ends a JSON object: ,"timestamp":"…"} */
void mr_response_close(struct mr_response *response);

/* Appends the lines in front of the body, to the empty one (RFC 3875, section 6). */
void mr_response_head(const struct mr_response *response, struct mr_buf *head);

#endif
