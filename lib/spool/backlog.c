/* What waits in the spool: see backlog.h. */
#include "spool/backlog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/segment.h"
#include "spool/spool.h"

#define QUARANTINE "quarantine"
#define QUARANTINE_SUFFIX ".bad"
#define MAX_NAME 64 /* of a segment: 49 digits and the suffix */
#define KNOWN 64    /* segments that are remembered; others are counted each time */
#define MAGIC "MREC"

/* How far a segment was counted. */
struct known {
	char name[MAX_NAME]; /* "": free */
	off_t offset;
	uint64_t records;
	bool seen;           /* in this round */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known known[KNOWN]; /* guarded by lock */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* The one of that name, or a free one, or the fallback, all of it at 0. */
static struct known *
find(const char *name, struct known *fallback)
{
	struct known *unused = fallback;

	for (size_t i = 0; i < KNOWN; i++) {
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
		if (known[i].name[0] == '\0')
			unused = &known[i];
	}
	*unused = (struct known){ .offset = MR_SEGMENT_HEADER_BYTES };
	(void)snprintf(unused->name, sizeof unused->name, "%s", name);
	return unused;
}

/* From record to record by their lengths, which a crc guards when they are replayed. */
static void
count_records(const char *path, struct known *k)
{
	unsigned char head[8];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size = fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;

	while (k->offset + MR_SEGMENT_RECORD_BYTES <= size &&
	    pread(fd, head, sizeof head, k->offset) == (ssize_t)sizeof head &&
	    memcmp(head, MAGIC, 4) == 0) {
		off_t n = MR_SEGMENT_RECORD_BYTES + ((off_t)head[4] << 24 | (off_t)head[5] << 16 |
		    (off_t)head[6] << 8 | (off_t)head[7]);

		if (k->offset + n > size)
			break;
		k->offset += n;
		k->records++;
	}
	if (fd >= 0)
		close(fd);
}

static void
count_segments(const struct mr_spool_list *list, struct mr_backlog *b)
{
	struct known alone = { .name = "" };

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < list->n; i++) {
		struct known *k = find(base_name(list->paths[i]), &alone);

		count_records(list->paths[i], k);
		k->seen = true;
		b->records += k->records;
	}
	for (size_t i = 0; i < KNOWN; i++) {
		if (!known[i].seen)
			known[i].name[0] = '\0';
		known[i].seen = false;
	}
	pthread_mutex_unlock(&lock);
}

static void
count_quarantine(const char *dir, struct mr_backlog *b)
{
	char path[4096];
	struct dirent *entry;
	struct stat st;
	DIR *d;

	if (snprintf(path, sizeof path, "%s/" QUARANTINE, dir) >= (int)sizeof path ||
	    (d = opendir(path)) == NULL)
		return;
	while ((entry = readdir(d)) != NULL) {
		const char *suffix = strrchr(entry->d_name, '.');

		if (suffix == NULL || strcmp(suffix, QUARANTINE_SUFFIX) != 0)
			continue;
		b->quarantined++;
		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			b->quarantined_bytes += st.st_size;
	}
	closedir(d);
}

enum mr_err
mr_backlog_read(const char *dir, struct mr_backlog *b, struct mr_error *err)
{
	struct mr_spool_list list;
	enum mr_err e;

	*b = (struct mr_backlog){ .segments = 0 };
	if (access(dir, F_OK) != 0 && errno == ENOENT)
		return MR_OK;
	if ((e = mr_spool_list(dir, &list, err)) != MR_OK)
		return e;
	b->segments = list.n;
	b->bytes = list.bytes;
	/* Names begin with the time in hex, and are sorted. */
	if (list.n > 0)
		b->oldest_us = (int64_t)strtoull(base_name(list.paths[0]), NULL, 16);
	count_segments(&list, b);
	mr_spool_list_free(&list);
	count_quarantine(dir, b);
	return MR_OK;
}
