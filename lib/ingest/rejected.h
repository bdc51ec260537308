/*
 * The table rejected_events: events that were refused while others of their
 * request were stored. They are read in steps, deleted, and tried again: a retry
 * takes the event through the same checks and the same insert as a request, in one
 * transaction with its removal, so that it is there once whatever happens.
 */
#ifndef MR_INGEST_REJECTED_H
#define MR_INGEST_REJECTED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/uuid.h"
#include "db/connection.h"
#include "format/event.h"

/* Which of them. */
struct mr_rejected_choice {
	const char *site;  /* NULL: any */
	const char *since; /* of receipt, as PostgreSQL reads a time; NULL: any */
	const char *ids;   /* "{1,2}"; NULL: any */
	int64_t limit;     /* the first so many by their ids */
};

/* One of them; p == NULL: SQL NULL. */
struct mr_rejected {
	int64_t id;
	int64_t received_us;
	int64_t index;           /* in the client's array; -1: the envelope */
	struct mr_str received;  /* as text */
	struct mr_str site, ip, sqlstate, reason;
	struct mr_str payload;   /* two hex digits a byte */
};

/*
 * Shows each that is there at the start, by id, until visit returns an error, which
 * then is the result. A few of them are in memory at a time. The connection may be
 * used meanwhile. Errors: MR_EAGAIN; MR_EINVAL when the choice is refused.
 */
enum mr_err mr_rejected_each(struct mr_db *db, const struct mr_rejected_choice *choice,
    enum mr_err (*visit)(void *arg, const struct mr_rejected *event, struct mr_error *err),
    void *arg, struct mr_error *err);

/*
 * Deletes the first `most` that have been here for longer than older_s, and notes it likewise.
 * Errors as above.
 */
enum mr_err mr_rejected_forget(struct mr_db *db, int64_t older_s, int64_t most, int64_t *deleted,
    struct mr_error *err);

/* Deletes them, and notes it in the totals, so that the books know of it. Errors as above. */
enum mr_err mr_rejected_delete(struct mr_db *db, const struct mr_rejected_choice *choice,
    int64_t *deleted, struct mr_error *err);

/* The bytes of a payload into `to`, whose maximum stays. MR_ENOMEM. */
enum mr_err mr_rejected_bytes(const struct mr_rejected *event, struct mr_buf *to,
    struct mr_error *err);

/* --- trying again --- */

/* A rejected event is at most a body; its JSON needs up to 20 bytes a value. */
#define MR_REJECTED_MAX_BYTES ((size_t)256 * 1024 * 1024)

struct mr_retry;

/* instance: this host's, for the ledger. NULL: no memory. */
struct mr_retry *mr_retry_new(const uint8_t instance[MR_UUID_BYTES], size_t max_batch_events);
void mr_retry_free(struct mr_retry *retry);

enum mr_retry_result {
	MR_RETRY_STORED,
	MR_RETRY_GONE,    /* somebody else has removed it */
	MR_RETRY_REFUSED, /* it stays; err says why */
	MR_RETRY_FAILED   /* nobody knows; err says why */
};

/* The connection must have the statements of store.h; it need not be ensured. */
enum mr_retry_result mr_retry(struct mr_retry *retry, struct mr_db *db,
    const struct mr_rejected *event, struct mr_error *err);

/*
 * The part of it that needs no database: the batch that the event becomes, until
 * the next call. MR_ENOMEM; any other error: it is refused.
 */
enum mr_err mr_retry_decode(struct mr_retry *retry, const struct mr_rejected *event,
    struct mr_batch *batch, struct mr_error *err);

#endif
