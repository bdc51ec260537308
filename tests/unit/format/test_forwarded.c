/* The Forwarded header: format/forwarded.h, and the client that it tells of. */
#include "format/forwarded.h"

#include "../tap.h"
#include "base/ip.h"

static struct mr_arena arena;

/* Trusted: 127.0.0.1, the peer, and 10.0.0.0/8. */
static const char *
client_of(const char *header)
{
	static char text[MR_IP_TEXT];
	struct mr_ip_block trusted[2];
	struct mr_ip peer, client;
	struct mr_str list;
	size_t n = strlen(header);
	char *exact = malloc(n != 0 ? n : 1);

	if (exact == NULL || !mr_ip_parse(mr_str("127.0.0.1"), &peer))
		bail("no memory");
	memcpy(exact, header, n);
	mr_ip_block_parse(mr_str("127.0.0.1"), &trusted[0]);
	mr_ip_block_parse(mr_str("10.0.0.0/8"), &trusted[1]);
	list = mr_forwarded_for(&arena, (struct mr_str){ exact, n });
	client = mr_ip_client(&peer, list, trusted, 2);
	mr_ip_format(&client, text);
	free(exact);
	return text;
}

static void
test_clients(void)
{
	static const struct {
		int line;
		const char *header, *client;
	} rows[] = {
		{ __LINE__, "for=192.0.2.60", "192.0.2.60" },
		{ __LINE__, "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60" },
		{ __LINE__, "proto=http; For=\"192.0.2.60\" ; by=203.0.113.43", "192.0.2.60" },
		{ __LINE__, "FOR=192.0.2.60", "192.0.2.60" },
		{ __LINE__, "for=192.0.2.43:47011", "192.0.2.43" },
		{ __LINE__, "for=\"192.0.2.43:47011\"", "192.0.2.43" },
		{ __LINE__, "for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17" },
		{ __LINE__, "for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17" },
		{ __LINE__, "for=[2001:db8:cafe::17]", "2001:db8:cafe::17" },
		{ __LINE__, "for=\"\\1\\92.0.2.60\"", "192.0.2.60" },
		{ __LINE__, "for=192.0.2.43, for=198.51.100.17", "198.51.100.17" },
		{ __LINE__, "for=192.0.2.43, for=198.51.100.17;by=10.0.0.9, for=10.0.0.1", "198.51.100.17" },
		{ __LINE__, "for=198.51.100.17,", "198.51.100.17" },
		{ __LINE__, " , for=198.51.100.17 , ,for=10.0.0.1,", "198.51.100.17" },
		{ __LINE__, "ext=\"a, for=1.2.3.4\";for=198.51.100.17", "198.51.100.17" },

		/* who does not say ends the search */
		{ __LINE__, "for=_hidden", "127.0.0.1" },
		{ __LINE__, "for=unknown", "127.0.0.1" },
		{ __LINE__, "for=\"_SEVKISEK\"", "127.0.0.1" },
		{ __LINE__, "for=192.0.2.43, for=_hidden, for=10.0.0.1", "10.0.0.1" },
		{ __LINE__, "for=192.0.2.43, proto=https, for=10.0.0.1", "10.0.0.1" },
		{ __LINE__, "for=192.0.2.43, proto=https", "127.0.0.1" },
		{ __LINE__, "", "127.0.0.1" },
		{ __LINE__, ",", "127.0.0.1" },

		/* no element; one value that pretends to be two */
		{ __LINE__, "192.0.2.43", "127.0.0.1" },
		{ __LINE__, "for", "127.0.0.1" },
		{ __LINE__, "for=", "127.0.0.1" },
		{ __LINE__, "for =192.0.2.43", "127.0.0.1" },
		{ __LINE__, "for=192.0.2.43 198.51.100.17", "127.0.0.1" },
		{ __LINE__, "for=\"192.0.2.43, 198.51.100.17\"", "127.0.0.1" },
		{ __LINE__, "for=\"192.0.2.43,198.51.100.17\", for=10.0.0.1", "10.0.0.1" },
		{ __LINE__, "for=6.6.6.6, for=\", for=198.51.100.17", "127.0.0.1" },
		{ __LINE__, "for=\"6.6.6.6\\", "127.0.0.1" },
		{ __LINE__, "for=6.6.6.6;for=7.7.7.7", "127.0.0.1" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_str(mr_str(client_of(rows[i].header)), rows[i].client, "the client");
	}
	row(0);
	ok(mr_forwarded_for(&arena, MR_STR_NULL).p == NULL, "no header");
}

int
main(void)
{
	mr_arena_init(&arena, 1u << 20);
	test_clients();
	mr_arena_free(&arena);
	return done();
}
