/*
 * Events: what a client sends, decoded into the rows that are stored.
 *
 * A row is the same struct everywhere: decoding fills it, the writer stores
 * it. Does no I/O. All slices of a batch live in the request's body or arena.
 */
#ifndef MR_FORMAT_EVENT_H
#define MR_FORMAT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/str.h"

#define MR_EVENT_MAX_TEXT 255        /* bytes of site, type, session, visitor */
/* Of the refusals of a request so many are kept, with so many bytes beyond the first. */
#define MR_EVENT_KEPT_REJECTS 20
#define MR_EVENT_KEPT_REJECT_BYTES ((size_t)64 * 1024)
#define MR_EVENT_MAX_USER_AGENT 1024 /* bytes; a longer one is cut */

/* One row of the table `events`, and its key. A slice with p == NULL is SQL NULL. */
struct mr_event {
	int64_t received_us;
	int64_t event_us;  /* the client's timestamp, or received_us; see times.h */
	struct mr_str site_id;
	struct mr_str event_type;
	struct mr_str session_id;
	struct mr_str visitor_id;
	struct mr_str user_agent;
	struct mr_str payload; /* JSON, the event as it was sent, but see payload.h */
	struct mr_str message_id; /* the event is stored once for its site; no column; p == NULL: none */
	struct mr_ip client_ip;
};

/* An event that was refused, and why: one row of `rejected_events`. */
struct mr_reject {
	int64_t index;         /* in the client's array; of an envelope -1, else 0 */
	/* Its bytes as sent; with drop_visitor as payload.h says, and of what is no JSON nothing. */
	struct mr_str payload;
	struct mr_str reason;
	struct mr_str sqlstate; /* when the database refused it; else p == NULL */
};

/* What one request brought. */
struct mr_batch {
	struct mr_event *rows;
	size_t n_rows;
	struct mr_reject *rejects;
	size_t n_rejects;
	struct mr_str site_id; /* its own, as are the next two, also without an envelope */
	int64_t received_us;
	struct mr_ip client_ip;
	bool is_batch;        /* eventType "batch": rows[0] is the envelope, unless refused */
	bool bare;            /* a batch that never had an envelope */
	size_t n_members;     /* length of its events array */
	struct mr_str batch_id; /* p == NULL: none */
	size_t bytes;         /* of all payloads and texts, for the writer's cap */
	unsigned bad_times;   /* unreadable timestamps: the envelope's instead, or received_us */
	unsigned bad_ids;     /* sessionIds, visitorIds and messageIds that cannot be used: left out */
};

/*
 * How many of the batch's refusals are kept, the first ones: a small body can hold
 * a thousand that are large together with what is told of them. All are counted.
 */
size_t mr_event_kept_rejects(const struct mr_batch *batch);

/* What the request itself contributes. */
struct mr_event_context {
	int64_t received_us;
	struct mr_str default_site; /* for events that name none; as user_agent */
	struct mr_str user_agent;   /* UTF-8 without NUL; p == NULL: none */
	struct mr_ip client_ip;
	size_t max_batch_events;
	bool drop_visitor; /* visitorId is left out, also of payloads, refused ones too */
};

/*
 * Decodes a JSON body: one event, or a batch whose members inherit sessionId,
 * visitorId, siteId and timestamp from the envelope. A batch becomes the
 * envelope (without its array) and then its members, in their order. The body
 * is edited in place (see json.h).
 * An array of events is a batch without an envelope, which belongs where its first row does.
 * A member that is refused goes to batch->rejects, the others to rows; also one that is
 * no JSON, when it can be told where it ends (see salvage.h). Bytes inside strings that
 * are no UTF-8 become U+FFFD.
 * Errors: MR_EINVAL (not JSON, or nothing valid in it; err->offset says
 * where), MR_ELIMIT (too many members), MR_ENOMEM.
 */
enum mr_err mr_event_decode(struct mr_arena *arena, char *body, size_t len,
    const struct mr_event_context *ctx, struct mr_batch *batch, struct mr_error *err);

/* The same of events one a line (NDJSON): a batch without an envelope. */
enum mr_err mr_event_decode_lines(struct mr_arena *arena, char *body, size_t len,
    const struct mr_event_context *ctx, struct mr_batch *batch, struct mr_error *err);

/*
 * Decodes a query string ("eventType=click&siteId=x&plan=pro") as one event;
 * every parameter goes into the payload as a string. Invalid UTF-8 and NUL
 * become U+FFFD. Errors as above.
 */
enum mr_err mr_event_decode_query(struct mr_arena *arena, struct mr_str query,
    const struct mr_event_context *ctx, struct mr_batch *batch, struct mr_error *err);

#endif
