/* What lies in the spool: spool/inspect.h, and what is put aside there: spool/quarantine.h. */
#include "spool/inspect.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"
#include "base/clock.h"
#include "spool/paths.h"
#include "spool/quarantine.h"
#include "spool/record.h"
#include "spool/spool.h"

enum { MANY = 100 };

static char dir[200], quarantine[220];
static struct mr_error err;

static void
make_dir(void)
{
	make_temp_dir(dir, sizeof dir, "inspect");
	snprintf(quarantine, sizeof quarantine, "%s/quarantine", dir);
}

static void
empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
}

static struct mr_spool *
new_spool(int64_t segment_bytes)
{
	const struct mr_spool_options options = { .dir = dir, .segment_bytes = segment_bytes,
		.max_bytes = 1 << 20, .reserve_bytes = 0, .io = &mr_spool_system_io };
	struct mr_spool *spool = mr_spool_new(&options);

	if (spool == NULL)
		bail("no memory");
	return spool;
}

static void
append(struct mr_spool *spool, int times)
{
	uint8_t group[MR_UUID_BYTES];

	for (int i = 0; i < times; i++) {
		mr_uuid_make(group);
		if (mr_spool_append(spool, group, 1000, mr_str("any payload"), &err) != MR_OK)
			bail("%s", err.text);
	}
}

static struct mr_backlog
look(void)
{
	struct mr_backlog b;

	is_int(mr_inspect_backlog(dir, &b, &err), MR_OK, "counted");
	return b;
}

/* The oldest segment, to be spoilt. */
static int
open_first(void)
{
	struct mr_spool_list list;
	int fd;

	if (mr_spool_list(dir, &list, &err) != MR_OK || list.n == 0)
		bail("no segment");
	fd = open(list.paths[0], O_RDWR);
	mr_spool_list_free(&list);
	if (fd < 0)
		bail("cannot open a segment");
	return fd;
}

static void
test_growing(void)
{
	struct mr_spool *spool = new_spool(1 << 20);
	int64_t before = mr_clock_now_us();
	struct mr_backlog b = look();

	is_int(b.segments + b.records + b.quarantined, 0, "an empty folder");
	is_int(b.oldest_us, 0, "no oldest one");
	append(spool, 3);
	b = look();
	is_int(b.segments, 1, "one segment");
	is_int(b.records, 3, "three records");
	is_int(b.bytes, 36 + 3 * (36 + 11), "their bytes");
	ok(b.oldest_us >= before && b.oldest_us <= mr_clock_now_us(), "begun now");
	append(spool, 2);
	is_int(look().records, 5, "what was added is counted");
	mr_spool_free(spool);
	spool = new_spool(1 << 20);
	append(spool, 1);
	b = look();
	ok(b.segments == 2 && b.records == 6, "a second segment");
	mr_spool_free(spool);
	empty(dir);
	is_int(look().records, 0, "what was replayed is forgotten");
}

static void
test_many(void)
{
	struct mr_spool *spool = new_spool(0);

	append(spool, MANY);
	mr_spool_free(spool);
	for (int i = 0; i < 2; i++) {
		struct mr_backlog b = look();

		ok(b.segments == MANY && b.records == MANY, "more segments than are remembered");
	}
	empty(dir);
}

static void
test_damage(void)
{
	struct mr_spool *spool = new_spool(1 << 20);
	struct stat st;
	int fd;

	append(spool, 3);
	mr_spool_free(spool);
	fd = open_first();
	if (fstat(fd, &st) != 0 || ftruncate(fd, st.st_size - 1) != 0)
		bail("cannot cut the segment");
	is_int(look().records, 2, "a torn record is none");
	close(fd);
	empty(dir);
	(void)look();

	spool = new_spool(1 << 20);
	append(spool, 3);
	mr_spool_free(spool);
	fd = open_first();
	if (pwrite(fd, "XXXX", 4, 36 + 36 + 11) != 4)
		bail("cannot spoil the segment");
	close(fd);
	is_int(look().records, 1, "records are counted up to the damage");
	empty(dir);
}

static void
test_quarantine(void)
{
	static const char *const names[] = { "a.bad", "b.bad", "a.txt", "c" };
	struct mr_backlog b;
	char path[300];

	if (mkdir(quarantine, 0700) != 0)
		bail("cannot make %s", quarantine);
	for (size_t i = 0; i < ROWS(names); i++) {
		FILE *f;

		snprintf(path, sizeof path, "%s/%s", quarantine, names[i]);
		f = fopen(path, "w");
		if (f == NULL || fputs("12345", f) < 0 || fclose(f) != 0)
			bail("cannot write %s", path);
	}
	b = look();
	ok(b.quarantined == 2 && b.quarantined_bytes == 10, "pieces in the quarantine");
	empty(quarantine);
	rmdir(quarantine);
}

static void
test_missing(void)
{
	struct mr_backlog b;
	char path[300];

	snprintf(path, sizeof path, "%s/none", dir);
	is_int(mr_inspect_backlog(path, &b, &err), MR_OK, "a folder that is not there");
	is_int(b.segments, 0, "holds nothing");
	snprintf(path, sizeof path, "%s/file", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	is_int(mr_inspect_backlog(path, &b, &err), MR_EIO, "a file is no folder");
	empty(dir);
}

/* --- segments and groups, with payloads that can be read -------------------------- */

static const uint8_t ours[MR_UUID_BYTES] = { 1, [6] = 0x40, [8] = 0x80, [15] = 1 };
static const uint8_t others[MR_UUID_BYTES] = { 2, [6] = 0x40, [8] = 0x80, [15] = 2 };

static struct mr_spool *
new_spool_of(const uint8_t *instance)
{
	struct mr_spool_options options = { .dir = dir, .segment_bytes = 1 << 20,
		.max_bytes = 1 << 20, .reserve_bytes = 0, .io = &mr_spool_system_io };
	struct mr_spool *spool;

	memcpy(options.instance, instance, MR_UUID_BYTES);
	spool = mr_spool_new(&options);
	if (spool == NULL)
		bail("no memory");
	return spool;
}

/* Appends a group of so many events, which is numbered. */
static void
append_events(struct mr_spool *spool, uint8_t number, size_t events)
{
	struct mr_event rows[8] = { { .received_us = 0 } };
	struct mr_batch batch = { .rows = rows, .n_rows = events, .site_id = MR_STR_LIT("s") };
	const struct mr_batch *const group[] = { &batch };
	uint8_t id[MR_UUID_BYTES] = { number };
	struct mr_buf payload;

	for (size_t i = 0; i < events; i++)
		rows[i] = (struct mr_event){ .site_id = MR_STR_LIT("s"),
			.event_type = MR_STR_LIT("t"), .payload = MR_STR_LIT("{}") };
	mr_buf_init(&payload, 65536);
	mr_record_encode(group, 1, &payload);
	if (payload.failed || mr_spool_append(spool, id, 1000 + number, mr_buf_str(&payload),
	    &err) != MR_OK)
		bail("%s", err.text);
	mr_buf_free(&payload);
}

struct shown {
	struct mr_inspect_segment segments[8]; /* their paths are gone */
	size_t n;
};

static void
keep_shown(void *arg, const struct mr_inspect_segment *segment)
{
	struct shown *shown = arg;

	if (shown->n < ROWS(shown->segments))
		shown->segments[shown->n++] = *segment;
}

static void
spoil(off_t offset, const char *with)
{
	int fd = open_first();

	if (pwrite(fd, with, strlen(with), offset) != (ssize_t)strlen(with))
		bail("cannot spoil the segment");
	close(fd);
}

static void
test_segments(void)
{
	struct mr_spool *spool = new_spool_of(ours);
	struct shown shown = { .n = 0 };
	struct mr_inspect_segment *s = shown.segments;
	char path[300];
	struct stat st;
	int fd;

	append_events(spool, 1, 3);
	append_events(spool, 2, 4);
	is_int(mr_inspect_segments(dir, keep_shown, &shown, &err), MR_OK, "shown");
	is_int(shown.n, 1, "one segment");
	ok(s->busy && !s->foreign, "which is in use");
	ok(s->records == 2 && s->events == 7, "and what is in it so far");
	ok(s->oldest_us == 1001 && s->newest_us == 1002, "and since when");
	is_int(mr_inspect_pending(dir), 0, "nothing that nobody writes to");
	mr_spool_free(spool);
	fd = open_first();
	if (fstat(fd, &st) != 0)
		bail("no segment");
	is_int(mr_inspect_pending(dir), st.st_size, "when it is closed, all of it waits");
	shown.n = 0;
	(void)mr_inspect_segments(dir, keep_shown, &shown, &err);
	ok(!s->busy && s->bytes == st.st_size && s->damaged == 0 && s->torn == 0, "it is good");
	if (ftruncate(fd, st.st_size - 1) != 0)
		bail("cannot cut the segment");
	close(fd);
	spoil(36 + 20, "XX");
	snprintf(path, sizeof path, "%s/zzz.seg", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	shown.n = 0;
	(void)mr_inspect_segments(dir, keep_shown, &shown, &err);
	is_int(shown.n, 2, "and a file that is none");
	ok(s->damaged + s->torn > 0 && s->records == 0, "a spoilt record, and one cut short");
	ok(s[1].foreign && s[1].records == 0 && s[1].bytes == 0, "the file is foreign");
	empty(dir);
	is_int(mr_inspect_segments(path, keep_shown, &shown, &err), MR_EIO, "no folder");
}

/* A record that is whole, of a payload that is none. */
static void
test_unreadable_payload(void)
{
	struct mr_spool *spool = new_spool_of(ours);
	struct shown shown = { .n = 0 };
	struct mr_inspect_groups groups;

	append(spool, 1);
	append_events(spool, 2, 1);
	mr_spool_free(spool);
	(void)mr_inspect_segments(dir, keep_shown, &shown, &err);
	ok(shown.segments[0].records == 1 && shown.segments[0].damaged == 1,
	    "what cannot be read is damaged");
	is_int(look().records, 2, "which the count by length does not see");
	is_int(mr_inspect_groups(&groups, dir, ours, &err), MR_OK, "listed");
	is_int(groups.n, 1, "and it is no group");
	mr_inspect_free(&groups);
	empty(dir);
}

static void
test_groups(void)
{
	struct mr_spool *spool = new_spool_of(ours);
	struct mr_inspect_groups groups;
	uint8_t id[MR_UUID_BYTES] = { 0 };

	is_int(mr_inspect_groups(&groups, dir, ours, &err), MR_OK, "an empty folder");
	is_int(groups.n, 0, "has no groups");
	append_events(spool, 7, 5);
	append_events(spool, 3, 2);
	mr_spool_free(spool);
	spool = new_spool_of(others);
	append_events(spool, 5, 1);
	is_int(mr_inspect_groups(&groups, dir, ours, &err), MR_OK, "two segments, one in use");
	is_int(groups.n, 3, "three groups");
	for (size_t i = 0; i < groups.n; i++) {
		ok(groups.groups[i].id[0] == 3 + 2 * i, "group %zu in the order of the ids", i);
		ok(groups.groups[i].ours == (i != 1) && !groups.groups[i].quarantined,
		    "group %zu: whose", i);
	}
	id[0] = 7;
	is_int(mr_inspect_find(&groups, id), 5, "found with its events");
	id[0] = 4;
	is_int(mr_inspect_find(&groups, id), 0, "another is not");
	mr_inspect_free(&groups);
	is_int(groups.n, 0, "freed");
	mr_spool_free(spool);
	is_int(mr_inspect_groups(&groups, "", ours, &err), MR_OK, "no spool");
	is_int(groups.n, 0, "has none");
	empty(dir);
}

/* What lies in the quarantine, twice or beside its segment, counts once. */
static void
test_quarantined_groups(void)
{
	struct mr_spool *spool = new_spool_of(ours);
	struct mr_spool_list list;
	struct mr_inspect_groups groups;
	char text[4096];
	ssize_t n;
	int fd;

	append_events(spool, 1, 2);
	append_events(spool, 2, 3);
	mr_spool_free(spool);
	fd = open_first();
	n = mr_file_read_all(fd, text, sizeof text);
	close(fd);
	if (n <= 0 || mr_spool_list(dir, &list, &err) != MR_OK)
		bail("cannot read the segment");
	for (int i = 0; i < 2; i++)
		is_int(mr_quarantine(dir, list.paths[0], 36, (struct mr_str){ text + 36,
		    (size_t)n - 36 }, "a test", &err), MR_OK, "put aside");
	is_int(mr_quarantine(dir, list.paths[0], 7, mr_str("rubbish"), "a test", &err), MR_OK,
	    "so is rubbish");
	is_int(mr_inspect_groups(&groups, dir, ours, &err), MR_OK, "listed");
	is_int(groups.n, 2, "each group once");
	ok(groups.n == 2 && !groups.groups[0].quarantined, "the one in its segment counts");
	is_int(groups.unreadable, 1, "one piece has no group in it");
	mr_inspect_free(&groups);
	is_int(mr_quarantine_file(dir, list.paths[0], &err), MR_OK, "the whole file is put aside");
	is_int(mr_inspect_groups(&groups, dir, ours, &err), MR_OK, "listed");
	ok(groups.n == 2 && groups.groups[0].quarantined && groups.groups[0].ours,
	    "its groups are in the quarantine now, and ours by its name");
	mr_inspect_free(&groups);
	is_int(mr_quarantine_file(dir, list.paths[0], &err), MR_EIO, "a file that is gone is not");
	mr_spool_list_free(&list);
	empty(quarantine);
	rmdir(quarantine);
	empty(dir);
}

/* --- paths ------------------------------------------------------------------------ */

/* One that was cut would be the path of another file. */
static void
test_long_paths(void)
{
	static char folder[MR_FILE_PATH_MAX];
	char path[MR_FILE_PATH_MAX];
	struct mr_backlog b;

	memset(folder, '/', sizeof folder - 1);
	memcpy(folder, dir, strlen(dir));
	is_int(mr_paths_join(path, folder, "a", "", &err), MR_EINVAL, "a path that is too long");
	is_part(err.text, "too long", "is refused");
	is_str(mr_str(path), "", "and nothing is left of it");
	folder[sizeof folder - 4] = '\0';
	is_int(mr_paths_join(path, folder, "a", "", &err), MR_OK, "one that just fits");
	is_int(strlen(path), sizeof path - 2, "is whole");
	folder[4090] = '\0';
	is_int(mr_inspect_backlog(folder, &b, &err), MR_EINVAL,
	    "a spool whose quarantine has no path");
	is_int(mr_quarantine(folder, "x", 0, mr_str("y"), "z", &err), MR_EINVAL,
	    "and takes nothing");
	is_int(access(quarantine, F_OK), -1, "there is no other one");
}

static void
test_names(void)
{
	is_str(mr_str(mr_paths_name("/a/b")), "b", "the name of a path");
	is_str(mr_str(mr_paths_name("b")), "b", "of a name");
	ok(mr_paths_end("a.seg", MR_PATHS_SEGMENT), "ends");
	ok(!mr_paths_end(".seg", MR_PATHS_SEGMENT), "a suffix alone is no name");
	ok(!mr_paths_end("a.segment", MR_PATHS_SEGMENT), "does not end");
}

/* The quarantine cannot be made, or written to. */
static void
test_no_quarantine(void)
{
	int fd = open(quarantine, O_CREAT | O_WRONLY, 0600);

	close(fd);
	is_int(mr_quarantine(dir, "x", 0, mr_str("y"), "z", &err), MR_EIO, "a file in its place");
	is_part(err.text, "quarantine", "is said");
	unlink(quarantine);
}

int
main(void)
{
	make_dir();
	test_growing();
	test_many();
	test_damage();
	test_quarantine();
	test_missing();
	test_segments();
	test_unreadable_payload();
	test_groups();
	test_quarantined_groups();
	test_long_paths();
	test_names();
	test_no_quarantine();
	rmdir(dir);
	return done();
}
