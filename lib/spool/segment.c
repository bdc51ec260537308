/* Spool segments: see segment.h. A segment is mapped, so that it is read once. */
#include "spool/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"

#include "base/file.h"
#include "spool/paths.h"

#define SEGMENT_MAGIC "MRSPOOL1"
#define RECORD_MAGIC "MREC"

/* Offsets within a header and a record. */
enum { H_ID = 8, H_CREATED = 24, H_CRC = 32 };
enum { R_LENGTH = 4, R_GROUP = 8, R_RECEIVED = 24, R_CRC = 32, R_PAYLOAD = 36 };

struct mr_segment {
	int fd;
	const char *p; /* the mapped file, or a copy of it */
	bool copied;
	size_t n;
	size_t at;
	uint8_t id[MR_UUID_BYTES];
};

static uint32_t
get_be32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static int64_t
get_be64(const char *p)
{
	return (int64_t)((uint64_t)get_be32(p) << 32 | get_be32(p + 4));
}

void
mr_segment_put_header(struct mr_buf *out, const uint8_t id[MR_UUID_BYTES], int64_t created_us)
{
	size_t start = out->len;

	mr_buf_add_cstr(out, SEGMENT_MAGIC);
	mr_buf_add(out, id, MR_UUID_BYTES);
	mr_buf_add_be64(out, (uint64_t)created_us);
	if (!out->failed)
		mr_buf_add_be32(out, mr_crc32c(0, out->p + start, H_CRC));
}

static uint32_t
record_crc(const uint8_t id[MR_UUID_BYTES], const char *head, struct mr_str payload)
{
	uint32_t crc = mr_crc32c(0, id, MR_UUID_BYTES);

	return mr_crc32c(mr_crc32c(crc, head, R_CRC), payload.p, payload.n);
}

void
mr_segment_put_record(struct mr_buf *out, const uint8_t id[MR_UUID_BYTES],
    const uint8_t group[MR_UUID_BYTES], int64_t received_us, struct mr_str payload)
{
	size_t start = out->len;

	if (payload.n > MR_SEGMENT_MAX_PAYLOAD) {
		out->failed = true;
		return;
	}
	mr_buf_add_cstr(out, RECORD_MAGIC);
	mr_buf_add_be32(out, (uint32_t)payload.n);
	mr_buf_add(out, group, MR_UUID_BYTES);
	mr_buf_add_be64(out, (uint64_t)received_us);
	if (!out->failed)
		mr_buf_add_be32(out, record_crc(id, out->p + start, payload));
	mr_buf_add_str(out, payload);
}

void
mr_segment_name(char name[MR_SEGMENT_NAME + 1], const uint8_t id[MR_UUID_BYTES],
    int64_t created_us)
{
	int n = snprintf(name, MR_SEGMENT_NAME + 1, "%016llx-", (unsigned long long)created_us);

	for (int i = 0; i < MR_UUID_BYTES; i++)
		n += snprintf(name + n, (size_t)(MR_SEGMENT_NAME + 1 - n), "%02x", id[i]);
}

int64_t
mr_segment_created_us(const char *path)
{
	return (int64_t)strtoull(mr_paths_name(path), NULL, 16);
}

bool
mr_segment_id_of_name(uint8_t id[MR_UUID_BYTES], const char *path)
{
	const char *name = mr_paths_name(path), *hex = name + MR_SEGMENT_NAME - 2 * MR_UUID_BYTES;
	unsigned byte;

	if (strlen(name) < MR_SEGMENT_NAME || hex[-1] != '-' ||
	    strspn(hex, "0123456789abcdef") != 2 * MR_UUID_BYTES)
		return false;
	for (int i = 0; i < MR_UUID_BYTES; i++) {
		(void)sscanf(hex + 2 * i, "%2x", &byte);
		id[i] = (uint8_t)byte;
	}
	return true;
}

static enum mr_err
read_header(struct mr_segment *s, const char *path, struct mr_error *err)
{
	if (s->n >= MR_SEGMENT_HEADER_BYTES && memcmp(s->p, SEGMENT_MAGIC, H_ID) == 0 &&
	    get_be32(s->p + H_CRC) == mr_crc32c(0, s->p, H_CRC)) {
		memcpy(s->id, s->p + H_ID, MR_UUID_BYTES);
		s->at = MR_SEGMENT_HEADER_BYTES;
		return MR_OK;
	}
	/* Then reading begins with the header, which is no record. */
	if (s->n >= MR_SEGMENT_HEADER_BYTES &&
	    strlen(mr_paths_name(path)) == MR_SEGMENT_NAME + sizeof MR_PATHS_SEGMENT - 1 &&
	    mr_segment_id_of_name(s->id, path))
		return MR_OK;
	return mr_fail(err, MR_EINVAL, "%s: is no segment of the spool", path);
}

static enum mr_err
map_file(struct mr_segment *s, const char *path, struct mr_error *err)
{
	struct stat st;
	void *p;

	if (fstat(s->fd, &st) != 0)
		return mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	/* Unlinked between opening and locking: whoever held it has dealt with it. */
	if (st.st_nlink == 0)
		return mr_fail(err, MR_EAGAIN, "%s: is gone", path);
	s->n = (size_t)st.st_size;
	if (s->n == 0)
		return MR_OK;
	p = mmap(NULL, s->n, PROT_READ, MAP_PRIVATE, s->fd, 0);
	if (p == MAP_FAILED)
		return mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	s->p = p;
	return MR_OK;
}

static enum mr_err
lock_and_map(struct mr_segment *s, const char *path, struct mr_error *err)
{
	if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
		return mr_fail(err, errno == EWOULDBLOCK ? MR_EAGAIN : MR_EIO, "%s: %s", path,
		    errno == EWOULDBLOCK ? "is in use" : strerror(errno));
	return map_file(s, path, err);
}

/* Mapped, it would be a trap: its writer may cut the file. */
static enum mr_err
copy_file(struct mr_segment *s, const char *path, struct mr_error *err)
{
	struct stat st;
	char *p;
	ssize_t n;

	if (fstat(s->fd, &st) != 0)
		return mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	if (st.st_size == 0)
		return MR_OK;
	p = malloc((size_t)st.st_size);
	if (p == NULL)
		return mr_fail(err, MR_ENOMEM, "%s: no memory", path);
	s->p = p;
	s->copied = true;
	if ((n = mr_file_read_all(s->fd, p, (size_t)st.st_size)) < 0)
		return mr_fail(err, MR_EIO, "%s: %s", path, strerror(errno));
	s->n = (size_t)n;
	return MR_OK;
}

/* load: gets the bytes of the file that was opened. */
static enum mr_err
open_with(enum mr_err (*load)(struct mr_segment *, const char *, struct mr_error *),
    struct mr_segment **segment, const char *path, struct mr_error *err)
{
	struct mr_segment *s = calloc(1, sizeof *s);
	enum mr_err e;

	if (s == NULL)
		return mr_fail(err, MR_ENOMEM, "%s: no memory", path);
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0)
		e = mr_fail(err, errno == ENOENT ? MR_EAGAIN : MR_EIO, "%s: %s", path,
		    strerror(errno));
	else if ((e = load(s, path, err)) == MR_OK)
		e = read_header(s, path, err);
	if (e != MR_OK) {
		mr_segment_close(s);
		return e;
	}
	*segment = s;
	return MR_OK;
}

enum mr_err
mr_segment_open(struct mr_segment **segment, const char *path, struct mr_error *err)
{
	return open_with(lock_and_map, segment, path, err);
}

enum mr_err
mr_segment_peek(struct mr_segment **segment, const char *path, struct mr_error *err)
{
	return open_with(copy_file, segment, path, err);
}

const uint8_t *
mr_segment_id(const struct mr_segment *s)
{
	return s->id;
}

/* Whether a whole, good record lies at `at`. */
static bool
record_at(const struct mr_segment *s, size_t at, struct mr_segment_item *item)
{
	const char *p = s->p + at;
	size_t length;

	if (s->n - at < MR_SEGMENT_RECORD_BYTES || memcmp(p, RECORD_MAGIC, R_LENGTH) != 0)
		return false;
	length = get_be32(p + R_LENGTH);
	if (length > MR_SEGMENT_MAX_PAYLOAD || length > s->n - at - MR_SEGMENT_RECORD_BYTES)
		return false;
	item->bytes = (struct mr_str){ p + R_PAYLOAD, length };
	if (get_be32(p + R_CRC) != record_crc(s->id, p, item->bytes))
		return false;
	item->what = MR_SEGMENT_RECORD;
	memcpy(item->group, p + R_GROUP, MR_UUID_BYTES);
	item->received_us = get_be64(p + R_RECEIVED);
	item->offset = (off_t)at;
	return true;
}

/* The offset of the next good record behind `from`; the file's end when there is none. */
static size_t
find_record(const struct mr_segment *s, size_t from)
{
	struct mr_segment_item ignored;
	const char *found;

	for (size_t at = from + 1; at < s->n; at++) {
		found = memmem(s->p + at, s->n - at, RECORD_MAGIC, R_LENGTH);
		if (found == NULL)
			break;
		at = (size_t)(found - s->p);
		if (record_at(s, at, &ignored))
			return at;
	}
	return s->n;
}

/* Whether what lies at `at` looks like a record that was not written to its end. */
static bool
is_torn(const struct mr_segment *s, size_t at)
{
	size_t left = s->n - at;

	if (left < MR_SEGMENT_RECORD_BYTES)
		return true;
	return memcmp(s->p + at, RECORD_MAGIC, R_LENGTH) == 0 &&
	    get_be32(s->p + at + R_LENGTH) > left - MR_SEGMENT_RECORD_BYTES;
}

void
mr_segment_next(struct mr_segment *s, struct mr_segment_item *item)
{
	size_t from = s->at;

	*item = (struct mr_segment_item){ .what = MR_SEGMENT_END, .offset = (off_t)from };
	if (from >= s->n)
		return;
	if (record_at(s, from, item)) {
		s->at = from + MR_SEGMENT_RECORD_BYTES + item->bytes.n;
		return;
	}
	s->at = find_record(s, from);
	item->what = s->at == s->n && is_torn(s, from) ? MR_SEGMENT_TORN : MR_SEGMENT_DAMAGE;
	item->bytes = (struct mr_str){ s->p + from, s->at - from };
}

bool
mr_segment_guess(struct mr_str bytes, size_t *at, struct mr_segment_item *item)
{
	const char *p;
	size_t length;

	for (; *at < bytes.n; (*at)++) {
		p = memmem(bytes.p + *at, bytes.n - *at, RECORD_MAGIC, R_LENGTH);
		if (p == NULL)
			return false;
		*at = (size_t)(p - bytes.p);
		if (bytes.n - *at < MR_SEGMENT_RECORD_BYTES)
			return false;
		length = get_be32(p + R_LENGTH);
		if (length > bytes.n - *at - MR_SEGMENT_RECORD_BYTES)
			continue;
		*item = (struct mr_segment_item){ .what = MR_SEGMENT_DAMAGE,
			.bytes = { p + R_PAYLOAD, length }, .offset = (off_t)*at,
			.received_us = get_be64(p + R_RECEIVED) };
		memcpy(item->group, p + R_GROUP, MR_UUID_BYTES);
		*at += MR_SEGMENT_RECORD_BYTES + length;
		return true;
	}
	return false;
}

uint64_t
mr_segment_count(const char *path, off_t *offset)
{
	char head[R_GROUP];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size = fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0, length;
	uint64_t records = 0;

	while (*offset + MR_SEGMENT_RECORD_BYTES <= size &&
	    pread(fd, head, sizeof head, *offset) == (ssize_t)sizeof head &&
	    memcmp(head, RECORD_MAGIC, R_LENGTH) == 0) {
		length = MR_SEGMENT_RECORD_BYTES + (off_t)get_be32(head + R_LENGTH);
		if (*offset + length > size)
			break;
		*offset += length;
		records++;
	}
	if (fd >= 0)
		close(fd);
	return records;
}

void
mr_segment_progress(const struct mr_segment *s, int64_t *read_bytes, int64_t *bytes)
{
	*read_bytes = (int64_t)s->at;
	*bytes = (int64_t)s->n;
}

void
mr_segment_close(struct mr_segment *s)
{
	if (s == NULL)
		return;
	if (s->copied)
		free((void *)(uintptr_t)s->p);
	else if (s->p != NULL)
		munmap((void *)(uintptr_t)s->p, s->n);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
