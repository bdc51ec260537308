/*
 * The spool: groups that PostgreSQL cannot take now, kept in append-only files
 * (segment.h) until a replay stores them. This is the writing side; it belongs
 * to one thread.
 */
#ifndef MR_SPOOL_SPOOL_H
#define MR_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "spool/segment.h"

/*
 * What the spool asks of the file system; as the calls of the same names, -1
 * and errno on failure. The tests put failing and forgetful ones in its place.
 */
struct mr_spool_io {
	int (*create)(const char *path);            /* O_EXCL, 0600, for writing */
	ssize_t (*write)(int fd, const void *p, size_t n);
	int (*truncate)(int fd, off_t length);
	int (*sync)(int fd);                        /* fdatasync */
	int (*rename)(const char *from, const char *to);
	int (*sync_dir)(const char *dir);
	int (*unlink)(const char *path);
	int (*close)(int fd);
	int64_t (*free_bytes)(const char *dir);     /* of the file system; -1: unknown */
};

extern const struct mr_spool_io mr_spool_system_io;

struct mr_spool_options {
	uint8_t instance[MR_UUID_BYTES]; /* the ids of segments are marked with it; nil: not */
	const char *dir;
	int64_t segment_bytes; /* a segment is closed when it is larger */
	int64_t max_bytes;     /* of all segments in dir */
	int64_t reserve_bytes; /* left free on the file system */
	const struct mr_spool_io *io;
};

/* As configured, on the real file system. instance: what marks the segments; NULL: none. */
struct mr_spool_options mr_spool_options(const struct mr_conf *conf, const uint8_t *instance);

/* Makes the folder if it is missing and its parent is there. MR_EIO: it cannot be used. */
enum mr_err mr_spool_prepare(const struct mr_spool_options *options, struct mr_error *err);

/* Whether it could take an ordinary group now; errors as of append. Writes nothing. */
enum mr_err mr_spool_check(const struct mr_spool_options *options, struct mr_error *err);

struct mr_spool;

/* Copies the options (not the strings). NULL: no memory. */
struct mr_spool *mr_spool_new(const struct mr_spool_options *options);

/* Closes the open segment, whose records stay, and frees the spool. */
void mr_spool_free(struct mr_spool *spool);

/*
 * Appends one group. MR_OK: it is on disk. Errors: MR_ELIMIT when max_bytes or
 * reserve_bytes does not allow it; MR_EIO, MR_ENOMEM. After an error it is not
 * acknowledged; yet a part of it, or all, may lie in the file.
 */
enum mr_err mr_spool_append(struct mr_spool *spool, const uint8_t group[MR_UUID_BYTES],
    int64_t received_us, struct mr_str payload, struct mr_error *err);

/* What the folder holds, as far as is known, and what may be added: of max_bytes and reserve_bytes. */
void mr_spool_room(struct mr_spool *spool, int64_t *used, int64_t *left);

/* Whether the record of the last append, which failed, may be found in the file all the same. */
bool mr_spool_in_doubt(const struct mr_spool *spool);

/* Closes the open segment, so that it can be replayed. */
void mr_spool_close_segment(struct mr_spool *spool);

/* The segments of a directory, oldest first. */
struct mr_spool_list {
	char **paths;
	size_t n;
	int64_t bytes;
};

/* MR_EIO when the directory cannot be read. Free with mr_spool_list_free. */
enum mr_err mr_spool_list(const char *dir, struct mr_spool_list *list, struct mr_error *err);
void mr_spool_list_free(struct mr_spool_list *list);

#endif
