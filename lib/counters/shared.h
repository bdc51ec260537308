/*
 * The file of counters: atomics that every process of the host maps, so that
 * they are totals over all workers and survive the death and the restart of
 * each. Until it is open, and where it cannot be used, the same structure lies
 * in the process's own memory.
 *
 * A file of another version or layout, or one that a crash of the machine may
 * have left behind the database, is set aside as NAME.old and a new one is
 * begun under a new instance id: it is never misread.
 *
 * Parts that belong to one process or thread are claimed with locks on bytes
 * of the file (open file description locks), which the kernel gives up when
 * the process dies: what is not locked has no owner.
 */
#ifndef MR_COUNTERS_SHARED_H
#define MR_COUNTERS_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "counters/catalogue.h"

#define MR_SHARED_ID_BYTES 16
#define MR_SHARED_PROCESSES 64
#define MR_SHARED_SLOTS 1024

/* Numbers in the byte order of the machine; the file does not travel. */
struct mr_shared_header {
	char magic[8];          /* written last: without it the file is unfinished */
	uint32_t version;
	uint32_t layout;        /* of what was compiled */
	uint64_t bytes;         /* of the file */
	uint8_t instance[MR_SHARED_ID_BYTES]; /* a random UUID */
	uint8_t boot[MR_SHARED_ID_BYTES];     /* of the kernel that ran when it was last opened */
	int64_t created_us;
	uint64_t clean;         /* 1: the last process wrote everything to disk */
};

/* On a cache line of its own. */
struct mr_shared_cell {
	_Alignas(64) _Atomic uint64_t value;
};

struct mr_shared_hist {
	_Alignas(64) _Atomic uint64_t buckets[MR_HIST_BUCKETS + 1];
	_Atomic uint64_t sum;
};

struct mr_shared_process {
	_Atomic int64_t pid;
	_Atomic int64_t started_us;
};

/* What one lane has accepted: see counters/books.h, its only user. */
struct mr_shared_slot {
	_Alignas(64) _Atomic uint64_t total;
	_Atomic uint64_t base;
	_Atomic uint32_t pending; /* 1: a group is under way */
	_Atomic uint32_t n;       /* its events */
	_Atomic uint64_t group[2];
};

struct mr_shared {
	_Alignas(64) struct mr_shared_header header;
	struct mr_shared_cell stats[MR_STAT_N];
	struct mr_shared_hist hists[MR_HIST_N];
	struct mr_shared_process processes[MR_SHARED_PROCESSES];
	struct mr_shared_slot slots[MR_SHARED_SLOTS];
};

enum mr_shared_mode {
	MR_SHARED_WORK,  /* makes the file, and its folder, when missing; is listed as a process */
	MR_SHARED_VISIT, /* the same for a short life: not listed */
	MR_SHARED_LOOK   /* takes it as it is */
};

/*
 * Maps the file; once in a process, before other threads exist. On error the
 * process's own memory stays in use. Errors: MR_EINVAL when (LOOK) it is no
 * file of ours; MR_EIO.
 */
enum mr_err mr_shared_open(const char *path, enum mr_shared_mode mode, struct mr_error *err);

/* Back to the process's own memory; the last one to leave writes the file to disk. */
void mr_shared_close(void);

/* Never NULL. */
struct mr_shared *mr_shared(void);

/* The id of this instance, MR_SHARED_ID_BYTES of it; nil without a file. Until the next open or close. */
const uint8_t *mr_shared_instance(void);

/* Whether it is the file. */
bool mr_shared_is_file(void);

/*
 * Claims slot i for the caller, until it is released or the process dies.
 * false: somebody has it. Safe from any thread.
 */
bool mr_shared_claim(size_t slot);
void mr_shared_release(size_t slot);

/* The processes that are listed now; *oldest_us: when the first of them started. */
size_t mr_shared_processes(int64_t *oldest_us);

#endif
