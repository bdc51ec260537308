/* Secrets: secret/secret.h. */
#include "secret/secret.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "../tap.h"

/* SHA-256 of "abc" and of nothing, from FIPS 180-2 and its test vectors. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_UPPER "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* SHA-256 of "a", NUL, "b". */
#define A_NUL_B "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"

static void
check_matches(void)
{
	static const struct {
		int line;
		struct mr_str token;
		const char *hex;
		bool matches;
	} rows[] = {
		{ __LINE__, BYTES("abc"), ABC, true },
		{ __LINE__, BYTES("abc"), ABC_UPPER, true },
		{ __LINE__, BYTES("a\0b"), A_NUL_B, true },
		{ __LINE__, BYTES("abd"), ABC, false },
		{ __LINE__, BYTES("ab"), ABC, false },
		{ __LINE__, BYTES("abcd"), ABC, false },
		{ __LINE__, BYTES("ABC"), ABC, false },
		{ __LINE__, BYTES(" abc"), ABC, false },
		{ __LINE__, BYTES("abc\n"), ABC, false },
		{ __LINE__, BYTES("abc\0"), ABC, false },
		{ __LINE__, BYTES(""), ABC, false },
		{ __LINE__, { NULL, 0 }, ABC, false },
		{ __LINE__, { NULL, 0 }, NOTHING, false },
		{ __LINE__, BYTES("abc"), NOTHING, false },
		/* the hash itself is no token */
		{ __LINE__, BYTES(ABC), ABC, false },
		/* not 64 hex digits */
		{ __LINE__, BYTES("abc"), "", false },
		{ __LINE__, BYTES("abc"), "abc", false },
		{ __LINE__, BYTES("abc"), "ba7816bf8f01cfea414140de5dae2223", false },
		{ __LINE__, BYTES("abc"), ABC "00", false },
		{ __LINE__, BYTES("abc"), ABC "0", false },
		{ __LINE__, BYTES("abc"),
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", false },
		{ __LINE__, BYTES("abc"),
		    "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
		{ __LINE__, BYTES("abc"),
		    " a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
		{ __LINE__, BYTES("abc"), ABC "\n", false },
		/* one digit wrong, first and last */
		{ __LINE__, BYTES("abc"),
		    "aa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
		{ __LINE__, BYTES("abc"),
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ac", false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		ok(mr_secret_matches(rows[i].token, rows[i].hex) == rows[i].matches, "%s",
		    rows[i].matches ? "matches" : "does not match");
	}
	row(0);
}

static void
check_hashes(void)
{
	/* HMAC-SHA-256: RFC 4231, test cases 1 and 2. */
	static const struct {
		int line;
		struct mr_str key, data;
		const char *hex;
	} rows[] = {
		{ __LINE__, BYTES("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
		    "\x0b\x0b\x0b\x0b"), BYTES("Hi There"),
		    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ __LINE__, BYTES("Jefe"), BYTES("what do ya want for nothing?"),
		    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	};
	unsigned char digest[MR_SHA256_BYTES];
	char hex[MR_SHA256_HEX];
	struct mr_sha256 s;

	mr_sha256_hex(MR_STR_LIT("abc"), hex);
	is_str(mr_str(hex), ABC, "SHA-256 at once");
	mr_sha256_hex(MR_STR_NULL, hex);
	is_str(mr_str(hex), NOTHING, "SHA-256 of nothing");
	mr_sha256_init(&s);
	mr_sha256_add(&s, "a", 1);
	mr_sha256_add(&s, "", 0);
	mr_sha256_add(&s, "bc", 2);
	mr_sha256_final(&s, digest);
	mr_secret_hex(digest, sizeof digest, hex);
	is_str(mr_str(hex), ABC, "SHA-256 in pieces");
	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		mr_hmac_sha256(rows[i].key, rows[i].data, digest);
		mr_secret_hex(digest, sizeof digest, hex);
		is_str(mr_str(hex), rows[i].hex, "HMAC-SHA-256");
	}
	row(0);
	memcpy(digest, "Jefe", 4);
	mr_hmac_sha256((struct mr_str){ (const char *)digest, 4 }, rows[1].data, digest);
	mr_secret_hex(digest, sizeof digest, hex);
	is_str(mr_str(hex), rows[1].hex, "the digest in the key's place");
}

static void
check_base64(void)
{
	static const struct {
		int line;
		struct mr_str text;
		const char *bytes; /* NULL: refused */
	} rows[] = {
		{ __LINE__, BYTES(""), "" },       { __LINE__, BYTES("Zg"), "f" },
		{ __LINE__, BYTES("Zm8"), "fo" },  { __LINE__, BYTES("Zm9v"), "foo" },
		{ __LINE__, BYTES("-_-_"), "\xfb\xff\xbf" },
		{ __LINE__, BYTES("+/+/"), NULL }, { __LINE__, BYTES("Zg=="), NULL },
		{ __LINE__, BYTES("Z"), NULL },    { __LINE__, BYTES("Zm 9"), NULL },
		{ __LINE__, BYTES("-\xdf-\xdf"), NULL },
		{ __LINE__, BYTES("Zh"), NULL },   { __LINE__, BYTES("Zm9vZm9v"), NULL },
	};
	unsigned char bytes[3];
	char text[MR_BASE64_TEXT(3)];
	size_t n;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		n = 99;
		is_int(mr_secret_unbase64(rows[i].text, bytes, sizeof bytes, &n), rows[i].bytes != NULL,
		    "read or refused");
		if (rows[i].bytes == NULL)
			continue;
		is_bytes(((struct mr_str){ (const char *)bytes, n }), mr_str(rows[i].bytes), "the bytes");
		mr_secret_base64(bytes, n, text);
		is_bytes(mr_str(text), rows[i].text, "and back");
	}
	row(0);
}

static void
check_box(void)
{
	static const unsigned char key[MR_SECRET_KEY_BYTES] = { 1 }, other[MR_SECRET_KEY_BYTES] = { 2 };
	const struct mr_str plain = MR_STR_LIT("text"), with = MR_STR_LIT("header");
	unsigned char box[4 + MR_SECRET_EXTRA_BYTES], out[4];

	is_int(mr_secret_encrypt(key, with, plain, box, NULL), MR_OK, "encrypts");
	ok(mr_secret_decrypt(key, with, box, sizeof box, out) && memcmp(out, "text", 4) == 0,
	    "decrypts");
	ok(!mr_secret_decrypt(other, with, box, sizeof box, out), "not with another key");
	ok(!mr_secret_decrypt(key, MR_STR_LIT("Header"), box, sizeof box, out),
	    "not with another header");
	ok(!mr_secret_decrypt(key, with, box, sizeof box - 1, out), "not when cut");
	ok(!mr_secret_decrypt(key, with, box, 3, out), "not when shorter than a tag");
}

static void
check_core(void)
{
	struct rlimit limit;

	mr_secret_no_core();
	is_int(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0, "the process is not dumpable");
	ok(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0, "nor may it be again");
}

int
main(void)
{
	check_matches();
	check_hashes();
	check_base64();
	check_box();
	for (int i = 0; i < 1000; i++)
		if (mr_secret_random_below(3) > 2)
			ok(false, "a random number is below its bound");
	is_int(mr_secret_random_below(0), 0, "a bound of 0");
	check_core();
	return done();
}
