/* What lies in the spool: the part of replay.h that changes nothing. */
#include "ingest/replay.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/record.h"
#include "spool/segment.h"
#include "spool/spool.h"

/* A record's structs need up to about four times its bytes. */
#define ARENA_BYTES (4 * MR_SEGMENT_MAX_PAYLOAD)

int64_t
mr_replay_pending(const char *dir)
{
	struct mr_spool_list list;
	int64_t bytes = 0;
	struct stat st;

	if (mr_spool_list(dir, &list, NULL) != MR_OK)
		return 0;
	for (size_t i = 0; i < list.n; i++) {
		int fd = open(list.paths[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0)
			bytes += st.st_size;
		if (fd >= 0)
			close(fd);
	}
	mr_spool_list_free(&list);
	return bytes;
}

static void
inspect_record(const struct mr_segment_item *item, struct mr_arena *arena,
    struct mr_replay_segment *shown)
{
	struct mr_batch *batches;
	size_t n;

	mr_arena_reset(arena);
	if (mr_record_decode(arena, item->bytes, &batches, &n, NULL) != MR_OK) {
		shown->damaged++;
		return;
	}
	shown->records++;
	for (size_t i = 0; i < n; i++)
		shown->events += batches[i].n_rows + batches[i].n_rejects;
	if (shown->oldest_us == 0 || item->received_us < shown->oldest_us)
		shown->oldest_us = item->received_us;
	if (item->received_us > shown->newest_us)
		shown->newest_us = item->received_us;
}

static void
inspect(const char *path, struct mr_arena *arena, struct mr_replay_segment *shown)
{
	struct mr_segment *segment;
	struct mr_segment_item item;
	struct stat st;
	enum mr_err e = mr_segment_open(&segment, path, NULL);

	*shown = (struct mr_replay_segment){ .path = path, .busy = e == MR_EAGAIN,
		.foreign = e != MR_OK && e != MR_EAGAIN };
	if (stat(path, &st) == 0)
		shown->bytes = st.st_size;
	if (shown->busy)
		e = mr_segment_peek(&segment, path, NULL);
	if (e != MR_OK)
		return;
	for (mr_segment_next(segment, &item); item.what != MR_SEGMENT_END;
	    mr_segment_next(segment, &item)) {
		if (item.what == MR_SEGMENT_RECORD)
			inspect_record(&item, arena, shown);
		shown->damaged += item.what == MR_SEGMENT_DAMAGE;
		/* Of one that is in use, the end is just being written. */
		shown->torn += item.what == MR_SEGMENT_TORN && !shown->busy;
	}
	mr_segment_close(segment);
}

enum mr_err
mr_replay_inspect(const char *dir,
    void (*visit)(void *arg, const struct mr_replay_segment *segment), void *arg,
    struct mr_error *err)
{
	struct mr_replay_segment shown;
	struct mr_spool_list list;
	struct mr_arena arena;
	enum mr_err e = mr_spool_list(dir, &list, err);

	if (e != MR_OK)
		return e;
	mr_arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < list.n; i++) {
		inspect(list.paths[i], &arena, &shown);
		visit(arg, &shown);
	}
	mr_arena_free(&arena);
	mr_spool_list_free(&list);
	return MR_OK;
}
