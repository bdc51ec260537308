/* IP addresses, blocks, X-Forwarded-For: base/ip.h. */
#include "base/ip.h"

#include "../tap.h"

static struct mr_ip
ip_of(const char *text)
{
	struct mr_ip ip;

	if (!mr_ip_parse(mr_str(text), &ip))
		bail("%s was not read", text);
	return ip;
}

static void
test_parse_good(void)
{
	static const struct {
		int line;
		const char *text;
		int family;
		const char *formatted;
	} rows[] = {
		{ __LINE__, "192.0.2.1", 4, "192.0.2.1" },
		{ __LINE__, "0.0.0.0", 4, "0.0.0.0" },
		{ __LINE__, "255.255.255.255", 4, "255.255.255.255" },
		{ __LINE__, "192.0.2.1:80", 4, "192.0.2.1" },
		{ __LINE__, "192.0.2.1:65535", 4, "192.0.2.1" },
		{ __LINE__, "  192.0.2.1 ", 4, "192.0.2.1" },
		{ __LINE__, "\t192.0.2.1\t", 4, "192.0.2.1" },
		{ __LINE__, "2001:db8::1", 6, "2001:db8::1" },
		{ __LINE__, "2001:0DB8:0000:0000:0000:0000:0000:0001", 6, "2001:db8::1" },
		{ __LINE__, "[2001:db8::1]:443", 6, "2001:db8::1" },
		{ __LINE__, " [2001:db8::1]:443 ", 6, "2001:db8::1" },
		{ __LINE__, "::", 6, "::" },
		{ __LINE__, "::1", 6, "::1" },
		{ __LINE__, "fe80::1", 6, "fe80::1" },
		{ __LINE__, "1:2:3:4:5:6:7:8", 6, "1:2:3:4:5:6:7:8" },
		{ __LINE__, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6,
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		/* IPv4-mapped IPv6 is IPv4 */
		{ __LINE__, "::ffff:192.0.2.1", 4, "192.0.2.1" },
		{ __LINE__, "::FFFF:c000:0201", 4, "192.0.2.1" },
		{ __LINE__, "[::ffff:192.0.2.1]:8080", 4, "192.0.2.1" },
		/* other prefixes of the mapped form are not */
		{ __LINE__, "64:ff9b::c000:201", 6, "64:ff9b::c000:201" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip ip;
		char text[MR_IP_TEXT];

		row(rows[i].line);
		memset(&ip, 0xee, sizeof ip);
		if (!ok(mr_ip_parse(mr_str(rows[i].text), &ip), "\"%s\" is read", rows[i].text))
			continue;
		is_int(ip.family, rows[i].family, "its family");
		mr_ip_format(&ip, text);
		is_str(mr_str(text), rows[i].formatted, "formatted");
	}
	row(0);
}

static void
test_parse_bytes(void)
{
	struct mr_ip ip = ip_of("192.0.2.1");

	ok(memcmp(ip.bytes, "\xc0\x00\x02\x01", 4) == 0, "IPv4 in network order");
	ip = ip_of("2001:db8::1");
	ok(memcmp(ip.bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) == 0,
	    "IPv6 in network order");
}

static void
test_parse_bad(void)
{
	static const struct {
		int line;
		struct mr_str text;
	} rows[] = {
		{ __LINE__, BYTES("") },
		{ __LINE__, { NULL, 0 } },
		{ __LINE__, BYTES(" ") },
		{ __LINE__, BYTES("unknown") },
		{ __LINE__, BYTES("_hidden") },
		{ __LINE__, BYTES("localhost") },
		{ __LINE__, BYTES("192.0.2") },
		{ __LINE__, BYTES("192.0.2.") },
		{ __LINE__, BYTES("192.0.2.1.") },
		{ __LINE__, BYTES("192.0.2.1.1") },
		{ __LINE__, BYTES("192.0.2.256") },
		{ __LINE__, BYTES("192.0.2.-1") },
		{ __LINE__, BYTES("192.0.2.010") }, /* octal to some readers */
		{ __LINE__, BYTES("0x7f.0.0.1") },
		{ __LINE__, BYTES("2130706433") },
		{ __LINE__, BYTES("192.0.2.1x") },
		{ __LINE__, BYTES("192.0.2.1:80x") },
		{ __LINE__, BYTES("192.0.2.1 192.0.2.2") },
		{ __LINE__, BYTES("192.0.2.1, 192.0.2.2") },
		{ __LINE__, BYTES("192.0.2.1\0") },
		{ __LINE__, BYTES("192.0.2.1\0" "5") },
		{ __LINE__, BYTES("192.0.2.1/24") },
		{ __LINE__, BYTES("2001:db8::1::2") },
		{ __LINE__, BYTES("2001:db8") },
		{ __LINE__, BYTES("2001:db8:0:0:0:0:0:0:1") },
		{ __LINE__, BYTES("2001:db8::12345") },
		{ __LINE__, BYTES("2001:db8::g") },
		{ __LINE__, BYTES("fe80::1%eth0") },
		{ __LINE__, BYTES("[fe80::1%eth0]:80") },
		{ __LINE__, BYTES("[2001:db8::1") },
		{ __LINE__, BYTES("2001:db8::1]") },
		{ __LINE__, BYTES("[2001:db8::1]x") },
		{ __LINE__, BYTES("[2001:db8::1]:x") },
		{ __LINE__, BYTES("[]:80") },
		{ __LINE__, BYTES("::ffff:192.0.2.256") },
		{ __LINE__, BYTES("1111111111111111111111111111111111111111111111111111111111") },
		{ __LINE__, BYTES("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111") },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip ip;

		row(rows[i].line);
		ok(!mr_ip_parse(rows[i].text, &ip), "refused");
	}
	row(0);
}

static void
test_block(void)
{
	static const struct {
		int line;
		const char *block;
		const char *ip;
		bool in;
	} rows[] = {
		{ __LINE__, "10.0.0.0/8", "10.255.255.255", true },
		{ __LINE__, "10.0.0.0/8", "11.0.0.0", false },
		{ __LINE__, "10.0.0.0/8", "9.255.255.255", false },
		{ __LINE__, "192.0.2.128/25", "192.0.2.128", true },
		{ __LINE__, "192.0.2.128/25", "192.0.2.255", true },
		{ __LINE__, "192.0.2.128/25", "192.0.2.127", false },
		{ __LINE__, "172.16.0.0/12", "172.31.255.255", true },
		{ __LINE__, "172.16.0.0/12", "172.32.0.0", false },
		{ __LINE__, "192.0.2.1/32", "192.0.2.1", true },
		{ __LINE__, "192.0.2.1/32", "192.0.2.2", false },
		{ __LINE__, "192.0.2.1", "192.0.2.1", true },
		{ __LINE__, "192.0.2.1", "192.0.2.0", false },
		{ __LINE__, "0.0.0.0/0", "203.0.113.9", true },
		{ __LINE__, "0.0.0.0/0", "2001:db8::1", false },
		{ __LINE__, "0.0.0.0/1", "127.255.255.255", true },
		{ __LINE__, "0.0.0.0/1", "128.0.0.0", false },
		{ __LINE__, "2001:db8::/32", "2001:db8:ffff::1", true },
		{ __LINE__, "2001:db8::/32", "2001:db9::1", false },
		{ __LINE__, "2001:db8:8000::/33", "2001:db8:8000::1", true },
		{ __LINE__, "2001:db8:8000::/33", "2001:db8:7fff::1", false },
		{ __LINE__, "::1", "::1", true },
		{ __LINE__, "::1/128", "::2", false },
		{ __LINE__, "::/0", "2001:db8::1", true },
		{ __LINE__, "::/0", "192.0.2.1", false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip_block block;
		struct mr_ip ip = ip_of(rows[i].ip);

		row(rows[i].line);
		if (ok(mr_ip_block_parse(mr_str(rows[i].block), &block), "%s is read", rows[i].block))
			ok(mr_ip_in(&ip, &block, 1) == rows[i].in, "%s is%s in it", rows[i].ip,
			    rows[i].in ? "" : " not");
	}
	row(0);
}

static void
test_block_bad(void)
{
	static const struct {
		int line;
		struct mr_str text;
	} rows[] = {
		{ __LINE__, BYTES("") },
		{ __LINE__, BYTES("/8") },
		{ __LINE__, BYTES("10.0.0.0/") },
		{ __LINE__, BYTES("10.0.0.0/33") },
		{ __LINE__, BYTES("10.0.0.0/-1") },
		{ __LINE__, BYTES("10.0.0.0/+8") },
		{ __LINE__, BYTES("10.0.0.0/8x") },
		{ __LINE__, BYTES("10.0.0.0/8/8") },
		{ __LINE__, BYTES("10.0.0.0/4294967304") }, /* 2^32 + 8 */
		{ __LINE__, BYTES("10.0.0.0/264") },        /* 2^8 + 8 */
		{ __LINE__, BYTES("10.0.0.0/255.0.0.0") },
		{ __LINE__, BYTES("10.0.0/8") },
		{ __LINE__, BYTES("10.0.0.0/8\0") },
		{ __LINE__, BYTES("2001:db8::/129") },
		{ __LINE__, BYTES("2001:db8::/x") },
		{ __LINE__, BYTES("localhost") },
		{ __LINE__, BYTES("*") },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip_block block;

		row(rows[i].line);
		ok(!mr_ip_block_parse(rows[i].text, &block), "refused");
	}
	row(0);
}

/* A mapped block's prefix counts 96 bits more than its IPv4 address has. */
static void
test_block_mapped(void)
{
	struct mr_ip_block block;
	struct mr_ip inside = ip_of("10.1.2.3"), outside = ip_of("11.1.2.3");

	if (!mr_ip_block_parse(mr_str("::ffff:10.0.0.0/104"), &block)) {
		ok(true, "a mapped block is refused");
		return;
	}
	ok(block.ip.family != 4 || block.bits <= 32, "a mapped block's prefix fits its family");
	ok(!mr_ip_in(&outside, &block, 1), "a mapped block does not hold other addresses");
	if (block.ip.family == 4)
		ok(mr_ip_in(&inside, &block, 1), "a mapped block holds its addresses");
}

static void
test_in_many(void)
{
	struct mr_ip_block blocks[3];
	struct mr_ip none = { 0 }, ip = ip_of("192.0.2.77");

	mr_ip_block_parse(mr_str("10.0.0.0/8"), &blocks[0]);
	mr_ip_block_parse(mr_str("2001:db8::/32"), &blocks[1]);
	mr_ip_block_parse(mr_str("192.0.2.0/24"), &blocks[2]);
	ok(mr_ip_in(&ip, blocks, 3), "the last of several blocks");
	ok(!mr_ip_in(&ip, blocks, 2), "none of several blocks");
	ok(!mr_ip_in(&ip, blocks, 0), "no blocks");
	ok(!mr_ip_in(&ip, NULL, 0), "no blocks, no array");
	mr_ip_block_parse(mr_str("0.0.0.0/0"), &blocks[0]);
	mr_ip_block_parse(mr_str("::/0"), &blocks[1]);
	ok(!mr_ip_in(&none, blocks, 2), "no address is in no block");
}

static void
test_loopback(void)
{
	static const struct {
		int line;
		const char *ip;
		bool loopback;
	} rows[] = {
		{ __LINE__, "127.0.0.1", true },
		{ __LINE__, "127.255.255.254", true },
		{ __LINE__, "::1", true },
		{ __LINE__, "::ffff:127.0.0.1", true },
		{ __LINE__, "128.0.0.1", false },
		{ __LINE__, "126.255.255.255", false },
		{ __LINE__, "0.0.0.0", false },
		{ __LINE__, "::", false },
		{ __LINE__, "::2", false },
		{ __LINE__, "7f00:1::", false },
		{ __LINE__, "1::1", false },
	};
	struct mr_ip none = { 0 };

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip ip = ip_of(rows[i].ip);

		row(rows[i].line);
		ok(mr_ip_is_loopback(&ip) == rows[i].loopback, "%s", rows[i].ip);
	}
	row(0);
	ok(!mr_ip_is_loopback(&none), "no address is not loopback");
}

/* Trusted: 127.0.0.1, 10.0.0.0/8, 2001:db8:f::/48. */
static void
test_client(void)
{
	static const struct {
		int line;
		const char *peer;
		const char *forwarded;
		const char *client;
	} rows[] = {
		/* an untrusted peer is the client, whatever it says */
		{ __LINE__, "203.0.113.9", NULL, "203.0.113.9" },
		{ __LINE__, "203.0.113.9", "198.51.100.7", "203.0.113.9" },
		{ __LINE__, "203.0.113.9", "10.0.0.1, 127.0.0.1", "203.0.113.9" },
		{ __LINE__, "2001:db8:e::1", "198.51.100.7", "2001:db8:e::1" },

		/* a trusted peer without the header is the client */
		{ __LINE__, "127.0.0.1", NULL, "127.0.0.1" },
		{ __LINE__, "127.0.0.1", "", "127.0.0.1" },
		{ __LINE__, "127.0.0.1", "   ", "127.0.0.1" },

		/* from the right, the first that is not trusted */
		{ __LINE__, "127.0.0.1", "198.51.100.7", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", " 198.51.100.7 ", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "192.0.2.66, 198.51.100.7", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "192.0.2.66,198.51.100.7,10.1.1.1", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "192.0.2.66 , 198.51.100.7 , 10.1.1.1 , 10.2.2.2",
		    "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "2001:db8::77", "2001:db8::77" },
		{ __LINE__, "127.0.0.1", "2001:db8::77, 2001:db8:f::1", "2001:db8::77" },
		{ __LINE__, "127.0.0.1", "[2001:db8::77]:4711", "2001:db8::77" },
		{ __LINE__, "127.0.0.1", "198.51.100.7:4711", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "::ffff:198.51.100.7, ::ffff:10.0.0.1", "198.51.100.7" },
		{ __LINE__, "::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7" },
		{ __LINE__, "2001:db8:f::1", "198.51.100.7", "198.51.100.7" },

		/* all trusted: the farthest */
		{ __LINE__, "127.0.0.1", "10.9.9.9, 10.1.1.1", "10.9.9.9" },

		/* an empty entry is none */
		{ __LINE__, "127.0.0.1", "198.51.100.7,", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "198.51.100.7, , ,", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "192.0.2.66, 198.51.100.7,, 10.1.1.1", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", ",", "127.0.0.1" },
		{ __LINE__, "127.0.0.1", ",10.1.1.1", "10.1.1.1" },

		/* an entry that is no address ends the search */
		{ __LINE__, "127.0.0.1", "unknown", "127.0.0.1" },
		{ __LINE__, "127.0.0.1", "198.51.100.7, unknown", "127.0.0.1" },
		{ __LINE__, "127.0.0.1", "198.51.100.7, unknown, 10.1.1.1", "10.1.1.1" },
		{ __LINE__, "127.0.0.1", "unknown, 198.51.100.7", "198.51.100.7" },
		{ __LINE__, "127.0.0.1", "198.51.100.7, 10.1.1.999, 10.2.2.2", "10.2.2.2" },
		{ __LINE__, "127.0.0.1", "198.51.100.7;DROP TABLE events", "127.0.0.1" },
	};
	struct mr_ip_block trusted[3];

	mr_ip_block_parse(mr_str("127.0.0.1"), &trusted[0]);
	mr_ip_block_parse(mr_str("10.0.0.0/8"), &trusted[1]);
	mr_ip_block_parse(mr_str("2001:db8:f::/48"), &trusted[2]);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip peer = ip_of(rows[i].peer), got;
		char text[MR_IP_TEXT];

		row(rows[i].line);
		got = mr_ip_client(&peer, mr_str(rows[i].forwarded), trusted, 3);
		mr_ip_format(&got, text);
		is_str(mr_str(text), rows[i].client, "the client's address");
	}
	row(0);
}

/* Trusted: 127.0.0.1, ::1, 10.0.0.0/8. */
static void
test_client_is_loopback(void)
{
	static const struct {
		int line;
		const char *peer;
		const char *forwarded;
		bool loopback;
	} rows[] = {
		{ __LINE__, "127.0.0.1", NULL, true },
		{ __LINE__, "127.8.8.8", NULL, true },
		{ __LINE__, "::1", NULL, true },
		{ __LINE__, "192.0.2.1", NULL, false },
		{ __LINE__, "10.0.0.1", NULL, false },
		{ __LINE__, "127.0.0.1", "127.0.0.1", true },
		{ __LINE__, "127.0.0.1", "198.51.100.7, 127.0.0.2", true },
		{ __LINE__, "10.0.0.1", "::1", true },
		{ __LINE__, "127.0.0.1", "198.51.100.7", false },
		/* who asks is not known */
		{ __LINE__, "127.0.0.1", "", false },
		{ __LINE__, "127.0.0.1", "unknown", false },
		{ __LINE__, "127.0.0.1", "198.51.100.7, unknown", false },
		{ __LINE__, "127.0.0.1", "unknown, 127.0.0.1", false },
		{ __LINE__, "::1", ",127.0.0.1", false },
		/* a proxy that nobody trusts */
		{ __LINE__, "127.8.8.8", "127.0.0.1", false },
		{ __LINE__, "192.0.2.1", "127.0.0.1", false },
	};
	struct mr_ip_block trusted[3];

	mr_ip_block_parse(mr_str("127.0.0.1"), &trusted[0]);
	mr_ip_block_parse(mr_str("::1"), &trusted[1]);
	mr_ip_block_parse(mr_str("10.0.0.0/8"), &trusted[2]);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip peer = ip_of(rows[i].peer);

		row(rows[i].line);
		is_int(mr_ip_client_is_loopback(&peer, mr_str(rows[i].forwarded), trusted, 3),
		    rows[i].loopback, "whether it is the machine itself");
	}
	row(0);
}

static void
test_client_without(void)
{
	struct mr_ip peer = ip_of("127.0.0.1"), none = { 0 }, got;
	struct mr_ip_block all;

	got = mr_ip_client(&peer, mr_str("198.51.100.7"), NULL, 0);
	ok(memcmp(got.bytes, peer.bytes, 4) == 0, "nobody is trusted: the peer");
	mr_ip_block_parse(mr_str("0.0.0.0/0"), &all);
	got = mr_ip_client(&none, mr_str("198.51.100.7"), &all, 1);
	is_int(got.family, 0, "a peer without an address is not trusted");
}

static void
test_anonymize(void)
{
	static const struct {
		int line;
		const char *ip;
		enum mr_ip_privacy how;
		const char *kept;
	} rows[] = {
		{ __LINE__, "203.0.113.77", MR_IP_KEEP, "203.0.113.77" },
		{ __LINE__, "203.0.113.77", MR_IP_TRUNCATE, "203.0.113.0" },
		{ __LINE__, "255.255.255.255", MR_IP_TRUNCATE, "255.255.255.0" },
		{ __LINE__, "2001:db8:1:2:3:4:5:6", MR_IP_KEEP, "2001:db8:1:2:3:4:5:6" },
		{ __LINE__, "2001:db8:1:2:3:4:5:6", MR_IP_TRUNCATE, "2001:db8:1::" },
		{ __LINE__, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MR_IP_TRUNCATE,
		    "ffff:ffff:ffff::" },
		{ __LINE__, "::ffff:203.0.113.77", MR_IP_TRUNCATE, "203.0.113.0" },
		{ __LINE__, "203.0.113.77", MR_IP_DROP, NULL },
		{ __LINE__, "2001:db8::1", MR_IP_DROP, NULL },
	};
	struct mr_ip none = { 0 };

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_ip ip = ip_of(rows[i].ip);
		char text[MR_IP_TEXT];

		row(rows[i].line);
		mr_ip_anonymize(&ip, rows[i].how);
		if (rows[i].kept == NULL) {
			is_int(ip.family, 0, "no address is left");
			continue;
		}
		mr_ip_format(&ip, text);
		is_str(mr_str(text), rows[i].kept, "what is left");
	}
	row(0);
	mr_ip_anonymize(&none, MR_IP_TRUNCATE);
	is_int(none.family, 0, "no address stays none");
}

int
main(void)
{
	test_parse_good();
	test_parse_bytes();
	test_parse_bad();
	test_block();
	test_block_bad();
	test_block_mapped();
	test_in_many();
	test_loopback();
	test_client();
	test_client_is_loopback();
	test_client_without();
	test_anonymize();
	return done();
}
