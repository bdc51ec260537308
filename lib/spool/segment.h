/*
 * Spool segments: the file format, and reading it back whatever happened to
 * the file.
 *
 * A segment is a header and records, all numbers big-endian:
 *   header: "MRSPOOL1", id (16 bytes), i64 created_us, u32 crc
 *   record: "MREC", u32 length of the payload, group (16 bytes), i64 received_us,
 *           u32 crc, payload (see record.h)
 * A crc is CRC-32C over the segment's id and everything of the header or record
 * but the crc itself: so a record of another segment, or stale bytes of an
 * older file, are never taken for one of ours.
 * Names: NAME.seg, where NAME is created_us in hex and the id, so that sorting
 * by name is sorting by age, and the id is known when the header is damaged. A
 * segment that is being written to is locked (flock) by its writer.
 */
#ifndef MR_SPOOL_SEGMENT_H
#define MR_SPOOL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/uuid.h"

#define MR_SEGMENT_HEADER_BYTES 36
#define MR_SEGMENT_RECORD_BYTES 36 /* of a record besides its payload */
#define MR_SEGMENT_MAX_PAYLOAD ((size_t)256 * 1024 * 1024)

/* One record, or one stretch of bytes that is none. */
struct mr_segment_item {
	enum {
		MR_SEGMENT_RECORD,
		MR_SEGMENT_DAMAGE,
		MR_SEGMENT_TORN,
		MR_SEGMENT_END
	} what;
	uint8_t group[MR_UUID_BYTES];
	int64_t received_us;
	struct mr_str bytes; /* the payload, or what is no record; until the close */
	off_t offset;        /* in the file */
};

struct mr_segment;

/* The name of a segment without the suffix: 16 hex digits, '-', 32 hex digits. */
#define MR_SEGMENT_NAME (16 + 1 + 2 * MR_UUID_BYTES)
void mr_segment_name(char name[MR_SEGMENT_NAME + 1], const uint8_t id[MR_UUID_BYTES],
    int64_t created_us);

/* Writes a header; a record around a payload. */
void mr_segment_put_header(struct mr_buf *out, const uint8_t id[MR_UUID_BYTES],
    int64_t created_us);
void mr_segment_put_record(struct mr_buf *out, const uint8_t id[MR_UUID_BYTES],
    const uint8_t group[MR_UUID_BYTES], int64_t received_us, struct mr_str payload);

/*
 * Opens and locks a segment for reading. Errors: MR_EAGAIN when somebody holds
 * it (its writer lives, or another replay works on it) or it is gone; MR_EINVAL
 * when it is no segment; MR_EIO; MR_ENOMEM. A damaged header is an item, if the
 * file's name tells the id.
 */
enum mr_err mr_segment_open(struct mr_segment **segment, const char *path,
    struct mr_error *err);

/*
 * The next item. Bytes that are no good record are one item, up to the next
 * good one: MR_SEGMENT_DAMAGE, or MR_SEGMENT_TORN for an incomplete end, such
 * as a crash leaves of a record that nobody was told is kept.
 */
void mr_segment_next(struct mr_segment *segment, struct mr_segment_item *item);

/*
 * The same without a lock, for looking only: a copy of what the file holds now.
 * Its end may be incomplete because it is just being written.
 */
enum mr_err mr_segment_peek(struct mr_segment **segment, const char *path,
    struct mr_error *err);

/* The segment's id; until the close. */
const uint8_t *mr_segment_id(const struct mr_segment *segment);

/* The id in the name of a segment, or of a file whose name begins with one. */
bool mr_segment_id_of_name(uint8_t id[MR_UUID_BYTES], const char *path);

/*
 * What looks like a record in damaged bytes, from *at on, which is moved behind
 * it; its checksum is wrong or was not looked at. false: there is none.
 */
bool mr_segment_guess(struct mr_str bytes, size_t *at, struct mr_segment_item *item);

/* When a segment was begun, by its name. */
int64_t mr_segment_created_us(const char *path);

/*
 * Counts records from *offset on, which is moved behind the last of them: from one
 * to the next by their lengths, which a crc guards when they are replayed. Stops
 * at the end, at what is incomplete or no record, and when the file is gone.
 */
uint64_t mr_segment_count(const char *path, off_t *offset);

/* How far it was read, and how long it is. */
void mr_segment_progress(const struct mr_segment *segment, int64_t *read_bytes,
    int64_t *bytes);

/* Gives up the lock. */
void mr_segment_close(struct mr_segment *segment);

#endif
