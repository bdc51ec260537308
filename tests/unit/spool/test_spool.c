/*
 * The spool: spool/spool.h and spool/segment.h.
 *
 * Besides the real file system, it runs on one in memory that can fail at any
 * call and that knows what a crash would leave: of each file at least what was
 * synced and any part of what was not, under its old or its new name.
 */
#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../tap.h"

#define GROUPS 4
#define MAX_FILES 32
#define FILE_BYTES 4096

static char dir[] = "/tmp/mr-spool-XXXXXX";

/* --- reading back ------------------------------------------------------------ */

/* How often each group is found in the segments of dir; -1: a wrong payload. */
struct found {
	int group[256];
	int damage;
	int torn;
};

static void
payload_of(int g, char *text, size_t size)
{
	(void)snprintf(text, size, "payload of group %d, %.*s", g, g * 7 % 40,
	    "which is longer for some than for others");
}

static void
read_segment(const char *path, struct found *found)
{
	struct mr_segment *segment;
	struct mr_segment_item item;
	char want[100];

	if (mr_segment_open(&segment, path, NULL) != MR_OK)
		return;
	for (mr_segment_next(segment, &item); item.what != MR_SEGMENT_END;
	    mr_segment_next(segment, &item)) {
		found->damage += item.what == MR_SEGMENT_DAMAGE;
		found->torn += item.what == MR_SEGMENT_TORN;
		if (item.what != MR_SEGMENT_RECORD)
			continue;
		payload_of(item.group[0], want, sizeof want);
		if (mr_str_eq(item.bytes, mr_str(want)) && item.received_us == item.group[0] + 1000)
			found->group[item.group[0]]++;
		else
			found->group[item.group[0]] = -1000;
	}
	mr_segment_close(segment);
}

static struct found
read_all(void)
{
	struct found found = { .damage = 0 };
	struct mr_spool_list list;

	if (mr_spool_list(dir, &list, NULL) != MR_OK)
		return found;
	for (size_t i = 0; i < list.n; i++)
		read_segment(list.paths[i], &found);
	mr_spool_list_free(&list);
	return found;
}

static void
empty_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
}

static enum mr_err
append(struct mr_spool *spool, int g)
{
	uint8_t group[MR_UUID_BYTES] = { (uint8_t)g };
	char payload[100];

	payload_of(g, payload, sizeof payload);
	return mr_spool_append(spool, group, g + 1000, mr_str(payload), NULL);
}

static struct mr_spool *
new_spool(const struct mr_spool_io *io, int64_t segment_bytes)
{
	const struct mr_spool_options options = { .dir = dir, .segment_bytes = segment_bytes,
		.max_bytes = 1 << 20, .reserve_bytes = 0, .io = io };

	return mr_spool_new(&options);
}

/* --- the real file system ---------------------------------------------------- */

static void
test_real(void)
{
	struct mr_spool *spool = new_spool(&mr_spool_system_io, 200);
	struct mr_spool_list list;
	struct mr_segment *segment;
	struct found found;

	for (int g = 0; g < GROUPS; g++)
		is_int(append(spool, g), MR_OK, "append");
	is_int(mr_spool_list(dir, &list, NULL), MR_OK, "list");
	ok(list.n > 1, "a full segment is followed by another: %zu", list.n);
	is_int(mr_segment_open(&segment, list.paths[list.n - 1], NULL), MR_EAGAIN,
	    "the one that is written to is locked");
	mr_spool_list_free(&list);
	mr_spool_free(spool);
	found = read_all();
	for (int g = 0; g < GROUPS; g++)
		is_int(found.group[g], 1, "each group once");
	is_int(found.damage + found.torn, 0, "nothing else");
	empty_dir();
}

static int64_t
little_space(const char *path)
{
	(void)path;
	return 1000;
}

static void
test_limits(void)
{
	struct mr_spool_io io = mr_spool_system_io;
	struct mr_spool_options options = { .dir = dir, .segment_bytes = 1 << 20,
		.max_bytes = 300, .reserve_bytes = 0, .io = &io };
	struct mr_spool *spool = mr_spool_new(&options);
	enum mr_err e = MR_OK;
	int stored = 0;

	for (; stored < 100 && (e = append(spool, stored)) == MR_OK; stored++)
		;
	is_int(e, MR_ELIMIT, "max_bytes");
	ok(stored > 0, "%d groups before it", stored);
	mr_spool_free(spool);
	is_int(read_all().group[0], 1, "what was taken stays");
	empty_dir();

	io.free_bytes = little_space;
	options.max_bytes = 1 << 20;
	options.reserve_bytes = 990;
	spool = mr_spool_new(&options);
	is_int(append(spool, 1), MR_ELIMIT, "reserve_bytes");
	mr_spool_free(spool);
	options.dir = "/nonexistent";
	options.reserve_bytes = 0;
	io.free_bytes = mr_spool_system_io.free_bytes;
	spool = mr_spool_new(&options);
	is_int(append(spool, 1), MR_EIO, "no such folder");
	mr_spool_free(spool);
	empty_dir();
}

/* --- damage ------------------------------------------------------------------ */

static size_t
build_segment(char *to, size_t ends[GROUPS])
{
	uint8_t id[MR_UUID_BYTES] = { 1, 2, 3 };
	struct mr_buf buf;
	char payload[100];
	size_t n;

	mr_buf_init(&buf, FILE_BYTES);
	mr_segment_put_header(&buf, id, 5);
	for (int g = 0; g < GROUPS; g++) {
		uint8_t group[MR_UUID_BYTES] = { (uint8_t)g };

		payload_of(g, payload, sizeof payload);
		mr_segment_put_record(&buf, id, group, g + 1000, mr_str(payload));
		ends[g] = buf.len;
	}
	n = buf.len;
	memcpy(to, buf.p, n);
	mr_buf_free(&buf);
	return n;
}

static void
write_file(const char *name, const char *p, size_t n)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		abort();
}

static void
test_truncation(void)
{
	char bytes[FILE_BYTES];
	size_t ends[GROUPS], n = build_segment(bytes, ends);

	for (size_t len = 0; len <= n; len++) {
		struct found found;
		bool good = true, at_end = len == MR_SEGMENT_HEADER_BYTES;

		write_file("a.seg", bytes, len);
		found = read_all();
		for (int g = 0; g < GROUPS; g++) {
			good &= found.group[g] == (ends[g] <= len);
			at_end |= ends[g] == len;
		}
		ok(good && found.damage == 0 && (len < MR_SEGMENT_HEADER_BYTES || found.torn == !at_end),
		    "cut at byte %zu: every whole record, the rest is torn", len);
	}
	empty_dir();
}

static void
test_flips(void)
{
	char bytes[FILE_BYTES];
	size_t ends[GROUPS], n = build_segment(bytes, ends);

	for (size_t i = MR_SEGMENT_HEADER_BYTES; i < n; i++) {
		struct found found;
		int lost = 0, wrong = 0;

		bytes[i] = (char)(bytes[i] ^ 0x10);
		write_file("a.seg", bytes, n);
		bytes[i] = (char)(bytes[i] ^ 0x10);
		found = read_all();
		for (int g = 0; g < GROUPS; g++) {
			bool hit = i < ends[g] && (g == 0 || i >= ends[g - 1]);

			lost += found.group[g] == 0 && !hit;
			wrong += found.group[g] < 0 || (hit && found.group[g] != 0);
		}
		ok(lost == 0 && wrong == 0 && found.damage + found.torn == 1,
		    "a flip in byte %zu costs the one record that has it", i);
	}
	bytes[3] = 'x';
	write_file("a.seg", bytes, n);
	is_int(read_all().group[0], 0, "a damaged header: nothing is believed");
	empty_dir();
}

/* --- the file system in memory ----------------------------------------------- */

struct file {
	bool open, linked;
	char name[300];         /* as seen now; "" when unlinked */
	char durable_name[300]; /* as a crash would surely leave it; "" when not at all */
	char data[FILE_BYTES];
	size_t len, synced;
};

static struct file files[MAX_FILES];
static int n_files, n_calls, fail_at, crash_at;
static bool short_write;
static bool acknowledged[256];

/* Counts a call; whether this one fails. After the crash all do. */
static bool
fails(void)
{
	n_calls++;
	errno = EIO;
	return n_calls == fail_at || (crash_at > 0 && n_calls >= crash_at);
}

static int
fake_create(const char *path)
{
	if (fails() || n_files == MAX_FILES)
		return -1;
	files[n_files] = (struct file){ .open = true, .linked = true };
	snprintf(files[n_files].name, sizeof files[n_files].name, "%s", path);
	return n_files++;
}

static ssize_t
fake_write(int fd, const void *p, size_t n)
{
	struct file *f = &files[fd];
	bool failing = fails();

	/* A write that fails may still have left a part. */
	if (failing)
		n /= 2;
	memcpy(f->data + f->len, p, n);
	f->len += n;
	return failing && !short_write ? -1 : (ssize_t)n;
}

static int
fake_truncate(int fd, off_t length)
{
	if (fails())
		return -1;
	files[fd].len = (size_t)length;
	if (files[fd].synced > files[fd].len)
		files[fd].synced = files[fd].len;
	return 0;
}

static int
fake_sync(int fd)
{
	if (fails())
		return -1;
	files[fd].synced = files[fd].len;
	return 0;
}

static int
fake_rename(const char *from, const char *to)
{
	if (fails())
		return -1;
	for (int i = 0; i < n_files; i++)
		if (files[i].linked && strcmp(files[i].name, from) == 0)
			snprintf(files[i].name, sizeof files[i].name, "%s", to);
	return 0;
}

static int
fake_sync_dir(const char *path)
{
	(void)path;
	if (fails())
		return -1;
	for (int i = 0; i < n_files; i++)
		snprintf(files[i].durable_name, sizeof files[i].durable_name, "%s", files[i].name);
	return 0;
}

static int
fake_unlink(const char *path)
{
	if (fails())
		return -1;
	for (int i = 0; i < n_files; i++)
		if (files[i].linked && strcmp(files[i].name, path) == 0)
			files[i].name[0] = '\0';
	return 0;
}

static int
fake_close(int fd)
{
	files[fd].open = false;
	return 0;
}

static int64_t
fake_free_bytes(const char *path)
{
	(void)path;
	return 1 << 30;
}

static const struct mr_spool_io fake_io = {
	.create = fake_create, .write = fake_write, .truncate = fake_truncate,
	.sync = fake_sync, .rename = fake_rename, .sync_dir = fake_sync_dir,
	.unlink = fake_unlink, .close = fake_close, .free_bytes = fake_free_bytes,
};

/* Appends all groups and notes which were acknowledged; returns the calls it took. */
static int
play(int failing_call, int crash_call, bool is_short)
{
	struct mr_spool *spool = new_spool(&fake_io, 200);

	n_files = n_calls = 0;
	fail_at = failing_call;
	crash_at = crash_call;
	short_write = is_short;
	memset(acknowledged, 0, sizeof acknowledged);
	for (int g = 0; g < GROUPS; g++)
		acknowledged[g] = append(spool, g) == MR_OK;
	mr_spool_free(spool);
	return n_calls;
}

/* Puts the files down as one crash may leave them: `part` of what was not synced. */
static void
put_down(size_t part, size_t parts, bool new_names)
{
	empty_dir();
	for (int i = 0; i < n_files; i++) {
		const struct file *f = &files[i];
		const char *name = new_names ? f->name : f->durable_name;

		if (name[0] != '\0')
			write_file(strrchr(name, '/') + 1, f->data,
			    f->synced + (f->len - f->synced) * part / parts);
	}
}

/* Every acknowledged group once, no group twice, none with another's bytes. */
static bool
recovered(void)
{
	struct found found = read_all();

	for (int g = 0; g < GROUPS; g++)
		if (found.group[g] < 0 || found.group[g] > 1 || (acknowledged[g] && found.group[g] != 1))
			return false;
	return true;
}

static void
test_failures(void)
{
	int calls = play(0, 0, false);

	for (int g = 0; g < GROUPS; g++)
		ok(acknowledged[g], "without failures, group %d is acknowledged", g);
	for (int n = 1; n <= calls + 4; n++) {
		for (int is_short = 0; is_short < 2; is_short++) {
			struct found found;
			int acks = 0;

			play(n, 0, is_short != 0);
			for (int g = 0; g < GROUPS; g++)
				acks += acknowledged[g];
			put_down(1, 1, true);
			found = read_all();
			is_int(found.damage + found.torn, 0, "what a failed write left is cut off");
			ok(acks >= GROUPS - 1 && recovered(), "call %d fails%s: one group refused at most, "
			    "every other is there", n, is_short != 0 ? " (writes: come short)" : "");
		}
	}
	empty_dir();
}

static void
test_crashes(void)
{
	int calls = play(0, 0, false);
	const size_t parts = 8;

	for (int n = 1; n <= calls + 1; n++) {
		for (size_t part = 0; part <= parts; part++) {
			for (int new_names = 0; new_names < 2; new_names++) {
				play(0, n, false);
				put_down(part, parts, new_names != 0);
				ok(recovered(), "crash at call %d, %zu/%zu of what was not synced, "
				    "%s names", n, part, parts, new_names != 0 ? "new" : "durable");
			}
		}
	}
	empty_dir();
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return 99;
	test_real();
	test_limits();
	test_truncation();
	test_flips();
	test_failures();
	test_crashes();
	ok(rmdir(dir) == 0, "nothing is left behind");
	return done();
}
