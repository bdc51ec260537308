/*
 * The books: see books.h. Each step is one store, and they become visible in
 * this order, so that a death between any two leaves either the total of before
 * or a pending group whose base is that total.
 */
#include "counters/books.h"

#include <string.h>

#include "base/log.h"
#include "counters/shared.h"
#include "counters/stats.h"

static struct mr_shared_slot *
slot_of(size_t i)
{
	return &mr_shared()->slots[i];
}

static void
set64(_Atomic uint64_t *at, uint64_t v)
{
	atomic_store_explicit(at, v, memory_order_relaxed);
}

static uint64_t
get64(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static bool
is_pending(const struct mr_shared_slot *s)
{
	return atomic_load_explicit(&s->pending, memory_order_acquire) != 0;
}

void
mr_book_open(struct mr_book *book)
{
	for (size_t i = 0; i < MR_SHARED_SLOTS; i++) {
		if (is_pending(slot_of(i)) || !mr_shared_claim(i))
			continue;
		/* Its owner of a moment ago may have died just now. */
		if (!is_pending(slot_of(i))) {
			book->slot = i;
			return;
		}
		mr_shared_release(i);
	}
	mr_log_warning("all %d places in the books are taken: a worker that is killed may leave "
	    "them wrong", MR_SHARED_SLOTS);
	book->slot = SIZE_MAX;
}

void
mr_book_begin(struct mr_book *book, const uint8_t group[MR_UUID_BYTES], uint32_t n)
{
	struct mr_shared_slot *s;
	uint64_t id[2];

	if (book->slot == SIZE_MAX)
		return;
	s = slot_of(book->slot);
	memcpy(id, group, sizeof id);
	set64(&s->base, get64(&s->total));
	set64(&s->group[0], id[0]);
	set64(&s->group[1], id[1]);
	atomic_store_explicit(&s->n, n, memory_order_relaxed);
	atomic_store_explicit(&s->pending, 1, memory_order_release);
}

static void
end(struct mr_shared_slot *s, uint32_t kept)
{
	set64(&s->total, get64(&s->base) + kept);
	atomic_store_explicit(&s->pending, 0, memory_order_release);
}

void
mr_book_end(struct mr_book *book, uint32_t kept)
{
	if (book->slot == SIZE_MAX)
		mr_stat_add(MR_STAT_EVENTS_UNBOOKED, kept);
	else
		end(slot_of(book->slot), kept);
}

void
mr_book_leave(struct mr_book *book)
{
	mr_book_close(book);
	mr_book_open(book);
}

void
mr_book_close(struct mr_book *book)
{
	if (book->slot != SIZE_MAX)
		mr_shared_release(book->slot);
	book->slot = SIZE_MAX;
}

/* Until what was read belongs together: its lane may be at work. */
static void
read_slot(struct mr_shared_slot *s, struct mr_books *books)
{
	uint64_t group, n, total;
	bool pending;

	do {
		group = get64(&s->group[0]);
		pending = is_pending(s);
		n = pending ? atomic_load_explicit(&s->n, memory_order_relaxed) : 0;
		total = get64(pending ? &s->base : &s->total);
		atomic_thread_fence(memory_order_acquire);
	} while (pending != is_pending(s) || group != get64(&s->group[0]));
	books->accepted += total;
	books->in_flight += n;
}

void
mr_books_read(struct mr_books *books)
{
	*books = (struct mr_books){ .accepted = mr_stat_get(MR_STAT_EVENTS_UNBOOKED) };
	for (size_t i = 0; i < MR_SHARED_SLOTS; i++)
		read_slot(slot_of(i), books);
}

bool
mr_books_orphan(size_t *from, struct mr_orphan *orphan)
{
	for (; *from < MR_SHARED_SLOTS; (*from)++) {
		struct mr_shared_slot *s = slot_of(*from);
		uint64_t id[2];

		if (!is_pending(s) || !mr_shared_claim(*from))
			continue;
		if (!is_pending(s)) {
			mr_shared_release(*from);
			continue;
		}
		id[0] = get64(&s->group[0]);
		id[1] = get64(&s->group[1]);
		orphan->slot = (*from)++;
		orphan->n = atomic_load_explicit(&s->n, memory_order_relaxed);
		memcpy(orphan->group, id, sizeof id);
		return true;
	}
	return false;
}

void
mr_books_settle(const struct mr_orphan *orphan, uint32_t kept)
{
	end(slot_of(orphan->slot), kept);
	mr_shared_release(orphan->slot);
}

void
mr_books_put_back(const struct mr_orphan *orphan)
{
	mr_shared_release(orphan->slot);
}
