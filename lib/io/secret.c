/* Secrets: see secret.h. */
#include "io/secret.h"

#include <sodium.h>

bool
mr_secret_matches(struct mr_str token, const char *sha256_hex)
{
	unsigned char want[crypto_hash_sha256_BYTES], got[crypto_hash_sha256_BYTES];
	size_t n;

	if (sodium_init() < 0 || token.p == NULL)
		return false;
	if (sodium_hex2bin(want, sizeof want, sha256_hex, strlen(sha256_hex), NULL, &n,
	    NULL) != 0 || n != sizeof want)
		return false;
	crypto_hash_sha256(got, (const unsigned char *)token.p, token.n);
	return sodium_memcmp(want, got, sizeof want) == 0;
}
