/* The file of counters: see shared.h. */
#include "counters/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"

#define MAGIC "MRCOUNT1"
#define VERSION 1
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Bytes that are locked, far behind the file's end: one for the opening, then the claims. */
#define LOCK_BASE ((off_t)1 << 40)
#define LOCK_OPENING 0
#define LOCK_PROCESS 1
#define LOCK_SLOT (LOCK_PROCESS + MR_SHARED_PROCESSES)
#define N_LOCKS (LOCK_SLOT + MR_SHARED_SLOTS)

static struct mr_shared own_memory;
static struct mr_shared *current = &own_memory;
static int file = -1;
static int process = -1; /* our place in the list */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Guarded by lock: what this process has claimed; the kernel does not keep it from itself. */
static bool claimed[N_LOCKS];

struct mr_shared *
mr_shared(void)
{
	return current;
}

const uint8_t *
mr_shared_instance(void)
{
	return current->header.instance;
}

bool
mr_shared_is_file(void)
{
	return file >= 0;
}

/* --- locks --------------------------------------------------------------- */

static bool
lock_byte(int fd, int command, short type, size_t index)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET,
		.l_start = LOCK_BASE + (off_t)index, .l_len = 1 };
	int e;

	while ((e = fcntl(fd, command, &l)) != 0 && errno == EINTR)
		;
	return e == 0 && (command != F_OFD_GETLK || l.l_type != F_UNLCK);
}

static bool
claim(size_t index)
{
	bool got = false;

	pthread_mutex_lock(&lock);
	if (!claimed[index])
		got = claimed[index] = file < 0 || lock_byte(file, F_OFD_SETLK, F_WRLCK, index);
	pthread_mutex_unlock(&lock);
	return got;
}

static void
release(size_t index)
{
	pthread_mutex_lock(&lock);
	claimed[index] = false;
	if (file >= 0)
		(void)lock_byte(file, F_OFD_SETLK, F_UNLCK, index);
	pthread_mutex_unlock(&lock);
}

bool
mr_shared_claim(size_t slot)
{
	return claim(LOCK_SLOT + slot);
}

void
mr_shared_release(size_t slot)
{
	release(LOCK_SLOT + slot);
}

/* --- the list of processes ----------------------------------------------- */

static bool
is_listed(size_t i)
{
	return (int)i == process ||
	    (file >= 0 && lock_byte(file, F_OFD_GETLK, F_WRLCK, LOCK_PROCESS + i));
}

size_t
mr_shared_processes(int64_t *oldest_us)
{
	size_t n = 0;

	*oldest_us = 0;
	for (size_t i = 0; i < MR_SHARED_PROCESSES; i++) {
		int64_t started = atomic_load(&current->processes[i].started_us);

		if (!is_listed(i))
			continue;
		if (n++ == 0 || started < *oldest_us)
			*oldest_us = started;
	}
	return n;
}

/* When the list is full, the process works unlisted. */
static void
list_process(void)
{
	for (size_t i = 0; i < MR_SHARED_PROCESSES && process < 0; i++)
		if (claim(LOCK_PROCESS + i))
			process = (int)i;
	if (process < 0)
		return;
	atomic_store(&current->processes[process].pid, getpid());
	atomic_store(&current->processes[process].started_us, mr_clock_now_us());
}

/* --- the file ------------------------------------------------------------ */

/* All zero where the system does not say. */
static void
read_boot_id(uint8_t id[MR_SHARED_ID_BYTES])
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t n = fd >= 0 ? mr_file_read_all(fd, text, sizeof text) : -1;

	memset(id, 0, MR_SHARED_ID_BYTES);
	for (ssize_t i = 0, digits = 0; i < n && digits < 2 * MR_SHARED_ID_BYTES; i++) {
		const char *hex = "0123456789abcdef", *at = strchr(hex, text[i]);

		if (text[i] == '\0' || at == NULL)
			continue;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | (at - hex));
		digits++;
	}
	if (fd >= 0)
		close(fd);
}

static uint32_t
layout(void)
{
	const size_t places[] = { offsetof(struct mr_shared, stats),
		offsetof(struct mr_shared, hists), offsetof(struct mr_shared, processes),
		offsetof(struct mr_shared, slots), sizeof(struct mr_shared),
		sizeof(struct mr_shared_slot), MR_SHARED_SLOTS };

	return mr_crc32c(mr_catalogue_layout(), places, sizeof places);
}

static void
new_header(struct mr_shared_header *h)
{
	*h = (struct mr_shared_header){ .version = VERSION, .layout = layout(),
		.bytes = sizeof(struct mr_shared), .created_us = mr_clock_now_us() };
	memcpy(h->magic, MAGIC, sizeof h->magic);
	while (getrandom(h->instance, sizeof h->instance, 0) != sizeof h->instance)
		;
	h->instance[6] = (uint8_t)((h->instance[6] & 0x0f) | 0x40);
	h->instance[8] = (uint8_t)((h->instance[8] & 0x3f) | 0x80);
	read_boot_id(h->boot);
}

/* Makes an empty file, or one whose making was cut short, a good one. */
static enum mr_err
fill_new(int fd, const char *path, struct mr_error *err)
{
	struct mr_shared_header h;
	int e;

	new_header(&h);
	/* All of it is allocated now: a full disk must not kill a worker later. */
	e = ftruncate(fd, 0) != 0 ? errno : posix_fallocate(fd, 0, sizeof(struct mr_shared));
	if (e == 0 && pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		e = errno;
	if (e == 0)
		return MR_OK;
	(void)unlink(path);
	return mr_fail(err, MR_EIO, "counters %s: %s", path, strerror(e));
}

/* Why the file cannot be gone on with; NULL when it can. */
static const char *
unfit(int fd, const struct stat *st)
{
	struct mr_shared_header h;
	uint8_t boot[MR_SHARED_ID_BYTES];

	if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
	    memcmp(h.magic, MAGIC, sizeof h.magic) != 0)
		return "is no file of counters";
	if (h.version != VERSION || h.layout != layout() || h.bytes != sizeof(struct mr_shared) ||
	    st->st_size != (off_t)h.bytes)
		return "is of another version of millrace";
	read_boot_id(boot);
	if (h.clean != 1 && memcmp(h.boot, boot, sizeof boot) != 0)
		return "was in use when the machine stopped, and may lack what was counted last";
	return NULL;
}

/* Empty, or zeroes where the magic is to be. */
static bool
is_unfinished(int fd)
{
	static const char zeroes[sizeof(((struct mr_shared_header *)NULL)->magic)];
	char magic[sizeof zeroes];
	ssize_t n = pread(fd, magic, sizeof magic, 0);

	return n == 0 || (n == (ssize_t)sizeof magic && memcmp(magic, zeroes, sizeof magic) == 0);
}

static enum mr_err
set_aside(const char *path, const char *why, struct mr_error *err)
{
	char old[4096];

	if (snprintf(old, sizeof old, "%s.old", path) >= (int)sizeof old || rename(path, old) != 0)
		return mr_fail(err, MR_EIO, "counters %s: cannot be renamed: %s", path,
		    strerror(errno));
	mr_log_warning("counters %s %s: set aside as %s, counting begins anew", path, why, old);
	return MR_OK;
}

/* The folder of the path, when its parent is there. */
static void
make_folder(const char *path)
{
	char folder[MR_FILE_PATH_MAX];

	if (mr_file_folder(folder, sizeof folder, path) == 0)
		(void)mkdir(folder, 0750);
}

/* Opens the path and locks it for the opening; -1 and *e when it cannot be. */
static int
open_locked(const char *path, enum mr_shared_mode mode, enum mr_err *e, struct mr_error *err)
{
	int create = mode != MR_SHARED_LOOK ? O_CREAT : 0, fd;

	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | create, 0640);
	if (fd < 0 && errno == ENOENT && create != 0) {
		make_folder(path);
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | create, 0640);
	}
	if (fd >= 0 && lock_byte(fd, F_OFD_SETLKW, F_WRLCK, LOCK_OPENING))
		return fd;
	*e = mr_fail(err, MR_EIO, "counters %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Makes sure of what the locked file is; MR_EAGAIN: it is another one now. */
static enum mr_err
settle_file(int fd, const char *path, enum mr_shared_mode mode, struct mr_error *err)
{
	struct stat st, named;
	const char *why;
	enum mr_err e;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return mr_fail(err, MR_EIO, "counters %s: is no regular file", path);
	if (stat(path, &named) != 0 || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
		return MR_EAGAIN;
	if (mode != MR_SHARED_LOOK && is_unfinished(fd))
		return fill_new(fd, path, err);
	why = unfit(fd, &st);
	if (why == NULL)
		return MR_OK;
	if (mode == MR_SHARED_LOOK)
		return mr_fail(err, MR_EINVAL, "counters %s %s", path, why);
	e = set_aside(path, why, err);
	return e == MR_OK ? MR_EAGAIN : e;
}

static enum mr_err
map(int fd, const char *path, struct mr_error *err)
{
	void *p = mmap(NULL, sizeof(struct mr_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return mr_fail(err, MR_EIO, "counters %s: cannot be mapped: %s", path,
		    strerror(errno));
	current = p;
	file = fd;
	return MR_OK;
}

/* On disk before anything is counted, or the mark of the last use would outlive it. */
static void
mark_in_use(void)
{
	read_boot_id(current->header.boot);
	if (current->header.clean != 0) {
		current->header.clean = 0;
		(void)msync(current, sizeof *current, MS_SYNC);
	}
}

enum mr_err
mr_shared_open(const char *path, enum mr_shared_mode mode, struct mr_error *err)
{
	enum mr_err e = MR_OK;
	int fd;

	do {
		if ((fd = open_locked(path, mode, &e, err)) < 0)
			return e;
		e = settle_file(fd, path, mode, err);
		if (e != MR_OK)
			close(fd);
	} while (e == MR_EAGAIN);
	if (e != MR_OK)
		return e;
	if ((e = map(fd, path, err)) != MR_OK) {
		close(fd);
		return e;
	}
	if (mode != MR_SHARED_LOOK)
		mark_in_use();
	if (mode == MR_SHARED_WORK)
		list_process();
	(void)lock_byte(fd, F_OFD_SETLK, F_UNLCK, LOCK_OPENING);
	return MR_OK;
}

/* With the opening locked, nobody comes in meanwhile. */
static void
leave_clean(void)
{
	int64_t oldest;

	if (!lock_byte(file, F_OFD_SETLKW, F_WRLCK, LOCK_OPENING))
		return;
	release((size_t)(LOCK_PROCESS + process));
	process = -1;
	if (mr_shared_processes(&oldest) == 0 &&
	    msync(current, sizeof *current, MS_SYNC) == 0) {
		current->header.clean = 1;
		(void)msync(current, sizeof *current, MS_SYNC);
	}
}

void
mr_shared_close(void)
{
	if (file < 0)
		return;
	if (process >= 0)
		leave_clean();
	munmap(current, sizeof *current);
	current = &own_memory;
	close(file);
	file = -1;
	memset(claimed, 0, sizeof claimed);
}
