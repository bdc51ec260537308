/* Secrets: see secret.h. */
#include "secret/secret.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <sodium.h>

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct mr_sha256), "SHA-256 state");
_Static_assert(crypto_hash_sha256_BYTES == MR_SHA256_BYTES, "SHA-256");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == MR_SECRET_KEY_BYTES, "key");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
    crypto_aead_xchacha20poly1305_ietf_ABYTES == MR_SECRET_EXTRA_BYTES, "nonce and tag");

_Static_assert(crypto_shorthash_KEYBYTES == MR_SHORT_HASH_KEY_BYTES, "key");
_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "SipHash");

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

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

void
mr_sha256_init(struct mr_sha256 *s)
{
	(void)crypto_hash_sha256_init((crypto_hash_sha256_state *)s->state);
}

void
mr_sha256_add(struct mr_sha256 *s, const void *data, size_t n)
{
	(void)crypto_hash_sha256_update((crypto_hash_sha256_state *)s->state, data, n);
}

void
mr_sha256_final(struct mr_sha256 *s, unsigned char digest[MR_SHA256_BYTES])
{
	(void)crypto_hash_sha256_final((crypto_hash_sha256_state *)s->state, digest);
}

uint64_t
mr_secret_short_hash(const unsigned char key[MR_SHORT_HASH_KEY_BYTES], struct mr_str data)
{
	uint64_t hash;

	(void)crypto_shorthash((unsigned char *)&hash, (const unsigned char *)data.p, data.n, key);
	return hash;
}

void
mr_sha256_hex(struct mr_str data, char hex[MR_SHA256_HEX])
{
	unsigned char digest[MR_SHA256_BYTES];

	(void)crypto_hash_sha256(digest, (const unsigned char *)data.p, data.n);
	mr_secret_hex(digest, sizeof digest, hex);
}

void
mr_hmac_sha256(struct mr_str key, struct mr_str data, unsigned char digest[MR_SHA256_BYTES])
{
	crypto_auth_hmacsha256_state s;

	(void)crypto_auth_hmacsha256_init(&s, (const unsigned char *)key.p, key.n);
	(void)crypto_auth_hmacsha256_update(&s, (const unsigned char *)data.p, data.n);
	(void)crypto_auth_hmacsha256_final(&s, digest);
	sodium_memzero(&s, sizeof s);
}

void
mr_secret_hex(const unsigned char *bytes, size_t n, char *hex)
{
	(void)sodium_bin2hex(hex, 2 * n + 1, bytes, n);
}

/* Without a source of random numbers nothing here may go on. */
static void
start(void)
{
	if (sodium_init() < 0)
		abort();
}

void
mr_secret_random(void *to, size_t n)
{
	start();
	randombytes_buf(to, n);
}

uint32_t
mr_secret_random_below(uint32_t bound)
{
	start();
	return randombytes_uniform(bound);
}

void *
mr_secret_alloc(size_t n)
{
	void *p;

	start();
	p = sodium_malloc(n);
	if (p != NULL)
		memset(p, 0, n);
	return p;
}

void
mr_secret_free(void *p)
{
	sodium_free(p);
}

void
mr_secret_wipe(void *p, size_t n)
{
	if (n > 0)
		sodium_memzero(p, n);
}

void
mr_secret_no_core(void)
{
	static const struct rlimit none = { 0, 0 };

	/* A core_pattern that is a pipe ignores the limit, not the flag. */
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

enum mr_err
mr_secret_encrypt(const unsigned char key[MR_SECRET_KEY_BYTES], struct mr_str with,
    struct mr_str plain, unsigned char *box, struct mr_error *err)
{
	mr_secret_random(box, NONCE_BYTES);
	if (crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_BYTES, NULL,
	    (const unsigned char *)plain.p, plain.n, (const unsigned char *)with.p, with.n, NULL,
	    box, key) != 0)
		return mr_fail(err, MR_EIO, "libsodium could not encrypt");
	return MR_OK;
}

bool
mr_secret_decrypt(const unsigned char key[MR_SECRET_KEY_BYTES], struct mr_str with,
    const unsigned char *box, size_t box_n, unsigned char *plain)
{
	if (box_n < MR_SECRET_EXTRA_BYTES)
		return false;
	start();
	return crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, box + NONCE_BYTES,
	    box_n - NONCE_BYTES, (const unsigned char *)with.p, with.n, box, key) == 0;
}

void
mr_secret_base64(const unsigned char *bytes, size_t n, char *text)
{
	(void)sodium_bin2base64(text, MR_BASE64_TEXT(n), bytes, n,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool
mr_secret_unbase64(struct mr_str text, unsigned char *bytes, size_t most, size_t *n)
{
	const char *end = NULL;

	/* libsodium 1.0.18 takes a byte of 128 and more for one of the alphabet. */
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > 127)
			return false;
	return sodium_base642bin(bytes, most, text.p, text.n, NULL, n, &end,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 && end == text.p + text.n;
}
