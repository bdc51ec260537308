/* Comparing secrets: io/secret.h. */
#include "io/secret.h"

#include "tap.h"

/* SHA-256 of "abc" and of nothing, from FIPS 180-2 and its test vectors. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_UPPER "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* SHA-256 of "a", NUL, "b". */
#define A_NUL_B "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"

int
main(void)
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
	return done();
}
