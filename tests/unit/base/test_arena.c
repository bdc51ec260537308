/* The request's bump allocator: base/arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>

#include "../tap.h"

static void
test_pieces(void)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 7, 8, 15, 16, 17, 100, 4095, 4096, 4097,
		65535, 65536, 200000 };
	unsigned char *pieces[ROWS(sizes)];
	struct mr_arena a;
	bool aligned = true, intact = true;

	mr_arena_init(&a, 1u << 20);
	ok(a.chunks == NULL && a.total == 0, "init allocates nothing");
	for (size_t i = 0; i < ROWS(sizes); i++) {
		pieces[i] = mr_arena_alloc(&a, sizes[i]);
		if (pieces[i] == NULL)
			bail("no piece of %zu bytes", sizes[i]);
		aligned = aligned && (uintptr_t)pieces[i] % alignof(max_align_t) == 0;
		memset(pieces[i], (int)i + 1, sizes[i]);
	}
	ok(aligned, "every piece is aligned for any type");
	for (size_t i = 0; i < ROWS(sizes); i++)
		for (size_t j = 0; j < sizes[i]; j++)
			intact = intact && pieces[i][j] == i + 1;
	ok(intact, "no piece overlaps another");
	ok(a.total <= a.max, "the total stays within the maximum");
	mr_arena_free(&a);
	ok(a.chunks == NULL && a.total == 0, "free gives everything back");
	ok(mr_arena_alloc(&a, 10) != NULL, "usable after free");
	mr_arena_free(&a);
}

static void
test_maximum(void)
{
	struct mr_arena a;
	size_t got = 0;

	mr_arena_init(&a, 100000);
	while (got < 200 && mr_arena_alloc(&a, 1000) != NULL)
		got++;
	ok(got > 0 && got <= 100, "pieces until the maximum, %zu of them", got);
	ok(a.total <= 100000, "the total stays within the maximum");
	mr_arena_reset(&a);
	ok(mr_arena_alloc(&a, 1000) != NULL, "usable after reset");
	ok(mr_arena_alloc(&a, 100001) == NULL, "a piece over the maximum fails");
	ok(mr_arena_alloc(&a, SIZE_MAX) == NULL, "a piece of SIZE_MAX bytes fails");
	ok(mr_arena_alloc(&a, SIZE_MAX - 8) == NULL, "a piece of almost SIZE_MAX bytes fails");
	ok(mr_arena_alloc(&a, 10) != NULL, "a failure does not spoil the arena");
	mr_arena_free(&a);
}

static void
test_array(void)
{
	struct mr_arena a;

	mr_arena_init(&a, 1u << 20);
	ok(mr_arena_array(&a, 10, sizeof(int64_t)) != NULL, "an array");
	ok(mr_arena_array(&a, 0, 16) != NULL, "an array of nothing");
	ok(mr_arena_array(&a, SIZE_MAX / 2, 3) == NULL, "a product that overflows fails");
	ok(mr_arena_array(&a, SIZE_MAX / 16 + 2, 16) == NULL,
	    "a product that overflows to a small number fails");
	mr_arena_free(&a);
}

static void
test_dup(void)
{
	struct mr_arena a;
	struct mr_str s;

	mr_arena_init(&a, 4096);
	s = mr_arena_dup(&a, MR_STR_LIT("a\0b"));
	is_bytes(s, MR_STR_LIT("a\0b"), "a copy");
	ok(s.p != NULL && s.p[s.n] == '\0', "a NUL stands behind the copy");
	s = mr_arena_dup(&a, mr_str(""));
	ok(s.p != NULL && s.n == 0 && s.p[0] == '\0', "a copy of nothing");
	s = mr_arena_dup(&a, (struct mr_str){ "x", SIZE_MAX });
	ok(s.p == NULL, "a copy that does not fit is NULL");
	mr_arena_free(&a);
}

static void
test_reset(void)
{
	struct mr_arena a;
	size_t after_first;

	mr_arena_init(&a, 1u << 20);
	mr_arena_reset(&a);
	ok(a.total == 0, "reset of an empty arena");
	mr_arena_alloc(&a, 100);
	after_first = a.total;
	for (int i = 0; i < 100; i++)
		mr_arena_alloc(&a, 9000);
	mr_arena_reset(&a);
	ok(a.chunks != NULL, "reset keeps a chunk");
	ok(a.total <= after_first, "reset keeps no more than one chunk of the ordinary size");
	for (int round = 0; round < 1000; round++) {
		mr_arena_reset(&a);
		if (mr_arena_alloc(&a, 500) == NULL)
			bail("round %d", round);
	}
	ok(a.total <= after_first, "small requests live in the kept chunk");
	mr_arena_reset(&a);
	mr_arena_alloc(&a, 300000);
	mr_arena_reset(&a);
	ok(a.total <= after_first, "a large chunk is not kept");
	mr_arena_free(&a);
}

int
main(void)
{
	test_pieces();
	test_maximum();
	test_array();
	test_dup();
	test_reset();
	return done();
}
