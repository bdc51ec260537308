/*
 * A group of batches as bytes, for the spool: everything that storing it needs,
 * so that a replay makes the same rows. Pure.
 *
 * Layout, all numbers big-endian:
 *   u32 batches; for each:
 *     u8 kind: 0 an event, 1 a batch, 2 a batch without its envelope, which was
 *     refused, 3 one that never had one; 4 more when rows have a message_id; text
 *     batch_id; for kinds 2 and 3 text site_id; u32 rows; u32 refusals;
 *     each row:     i64 received_us, i64 event_us, ip, text site_id, event_type,
 *                   session_id, visitor_id, user_agent, payload; message_id where
 *                   the kind says so
 *     each refusal: i64 index, text payload, reason, sqlstate
 *     of refusals that are not kept (event.h), the texts but for sqlstate are empty
 *   text is u32 length and the bytes; length 0xffffffff is "no value".
 *   ip is u8 family (0, 4, 6) and 0, 4 or 16 bytes.
 * Compressed:
 *   "MRZ1", which no number of batches can be; u32 rows and refusals of all batches,
 *   for whoever counts what is damaged; all of the above as one zstd frame.
 */
#ifndef MR_SPOOL_RECORD_H
#define MR_SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "format/event.h"
#include "format/zstd.h"

/* Appends the batches to `out`; check out->failed. */
void mr_record_encode(const struct mr_batch *const *batches, size_t n, struct mr_buf *out);

/*
 * Appends what was encoded, with that many rows and refusals, compressed. Errors:
 * MR_ELIMIT (out->max), MR_ENOMEM.
 */
enum mr_err mr_record_compress(struct mr_zstd *z, struct mr_str record, uint32_t events,
    struct mr_buf *out, struct mr_error *err);

/* What a compressed record says of itself, also a damaged one. False: it is none. */
bool mr_record_events(struct mr_str bytes, uint32_t *events);

/*
 * Reads them back, compressed or not, into pieces of the arena; the texts are slices of `bytes`,
 * which must stay, or of the arena. Every length is checked. Errors: MR_EINVAL with the offset
 * of what does not fit; MR_ENOMEM.
 */
enum mr_err mr_record_decode(struct mr_arena *arena, struct mr_str bytes,
    struct mr_batch **batches, size_t *n, struct mr_error *err);

#endif
