/*
 * libFuzzer target for format/forwarded.h: no element makes more than one entry, and what a
 * proxy appends to a header is never less than the end of the list, whatever came before it.
 */
#include "format/forwarded.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/ip.h"

#define APPENDED ", for=192.0.2.7"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
demand(int condition)
{
	if (!condition)
		abort();
}

static size_t
count(struct mr_str s, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == c;
	return n;
}

/* The client is the one that the proxy saw, or, when the header cannot be read, the proxy. */
static void
check_appended(struct mr_arena *arena, const uint8_t *data, size_t size)
{
	struct mr_ip peer, seen, client;
	struct mr_ip_block trusted;
	char *header = mr_arena_alloc(arena, size + sizeof APPENDED);
	struct mr_str list;

	demand(header != NULL);
	memcpy(header, data, size);
	memcpy(header + size, APPENDED, sizeof APPENDED - 1);
	list = mr_forwarded_for(arena, (struct mr_str){ header, size + sizeof APPENDED - 1 });
	demand(mr_ip_parse(mr_str("127.0.0.1"), &peer) && mr_ip_parse(mr_str("192.0.2.7"), &seen));
	demand(mr_ip_block_parse(mr_str("127.0.0.1"), &trusted));
	client = mr_ip_client(&peer, list, &trusted, 1);
	demand(memcmp(&client, &seen, sizeof client) == 0 || memcmp(&client, &peer, sizeof client) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_str header = { (const char *)data, size }, list;
	struct mr_arena arena;

	mr_arena_init(&arena, (size_t)1 << 20);
	list = mr_forwarded_for(&arena, header);
	demand(list.p != NULL && list.n <= 2 * (size + 1));
	demand(count(list, ',') <= count(header, ',') + 1);
	check_appended(&arena, data, size);
	mr_arena_free(&arena);
	return 0;
}
