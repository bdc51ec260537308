/* What waits in the spool: spool/backlog.h. */
#include "spool/backlog.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"
#include "base/clock.h"
#include "spool/spool.h"

enum { MANY = 100 };

static char dir[200], quarantine[220];
static struct mr_error err;

static void
make_dir(void)
{
	make_temp_dir(dir, sizeof dir, "backlog");
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

	is_int(mr_backlog_read(dir, &b, &err), MR_OK, "counted");
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
	is_int(mr_backlog_read(path, &b, &err), MR_OK, "a folder that is not there");
	is_int(b.segments, 0, "holds nothing");
	snprintf(path, sizeof path, "%s/file", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	is_int(mr_backlog_read(path, &b, &err), MR_EIO, "a file is no folder");
	empty(dir);
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
	rmdir(dir);
	return done();
}
