/*
 * The books: how many events this host has accepted, that is, taken on itself
 * to keep, exact to the event whatever is killed when.
 *
 * Every lane has a slot in the file of counters (counters/shared.h). Before a group
 * goes out, the slot notes the group, its events and the total so far; when its
 * fate is known, the total becomes that base and what was kept, however often
 * this is done. A slot whose owner died in between stays as it is: whoever can
 * ask the ledger and the spool settles it (balance.h).
 */
#ifndef MR_COUNTERS_BOOKS_H
#define MR_COUNTERS_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

/* A lane's slot; belongs to one thread. */
struct mr_book {
	size_t slot; /* SIZE_MAX: all were taken; it counts, but not exactly */
};

void mr_book_open(struct mr_book *book);

/* A group of n events goes out; then one of end and leave. */
void mr_book_begin(struct mr_book *book, const uint8_t group[MR_UUID_BYTES], uint32_t n);

/* kept: how many of its events are kept: stored, known to be duplicates, rejected or spooled. */
void mr_book_end(struct mr_book *book, uint32_t kept);

/* Nobody can say now what became of it: leaves that to whoever settles the books. */
void mr_book_leave(struct mr_book *book);

void mr_book_close(struct mr_book *book);

struct mr_books {
	uint64_t accepted;  /* of groups whose fate is known */
	uint64_t in_flight; /* events of the others */
};

void mr_books_read(struct mr_books *books);

/* A group whose lane is gone, claimed for whoever settles it. */
struct mr_orphan {
	size_t slot;
	uint8_t group[MR_UUID_BYTES];
	uint32_t n;
};

/* The next one from slot *from on, which is moved behind it. false: no more. */
bool mr_books_orphan(size_t *from, struct mr_orphan *orphan);

/* kept: as for end. */
void mr_books_settle(const struct mr_orphan *orphan, uint32_t kept);

/* Leaves it for another time. */
void mr_books_put_back(const struct mr_orphan *orphan);

#endif
