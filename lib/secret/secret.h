/*
 * Secrets and what is made of them: comparing in constant time, hashes, random
 * numbers, guarded memory, authenticated encryption. The only user of
 * libsodium, which starts at the first call of any of these.
 */
#ifndef MR_SECRET_SECRET_H
#define MR_SECRET_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Whether the SHA-256 of the token is the one given as 64 hex digits. Takes
 * the same time for every wrong token of the same length. False when the hex
 * is malformed or libsodium does not start.
 */
bool mr_secret_matches(struct mr_str token, const char *sha256_hex);

/* --- hashes --- */

#define MR_SHA256_BYTES 32
#define MR_SHA256_HEX 65 /* with the closing NUL */

/* A SHA-256 in the making; the contents are libsodium's. */
struct mr_sha256 {
	uint64_t state[16];
};

void mr_sha256_init(struct mr_sha256 *s);
void mr_sha256_add(struct mr_sha256 *s, const void *data, size_t n);
void mr_sha256_final(struct mr_sha256 *s, unsigned char digest[MR_SHA256_BYTES]);

/* The SHA-256 of data in lower-case hex. */
void mr_sha256_hex(struct mr_str data, char hex[MR_SHA256_HEX]);

/* HMAC-SHA-256 (RFC 2104). digest may be where the key is. */
void mr_hmac_sha256(struct mr_str key, struct mr_str data,
    unsigned char digest[MR_SHA256_BYTES]);

/*
 * A hash of 64 bits for tables (SipHash-2-4): who does not know the key cannot choose what
 * falls together.
 */
#define MR_SHORT_HASH_KEY_BYTES 16
uint64_t mr_secret_short_hash(const unsigned char key[MR_SHORT_HASH_KEY_BYTES],
    struct mr_str data);

/* n bytes as 2 n lower-case hex digits and a NUL. */
void mr_secret_hex(const unsigned char *bytes, size_t n, char *hex);

/* --- random numbers --- */

void mr_secret_random(void *to, size_t n);

/* Evenly from 0 to bound - 1; 0 when bound is 0. */
uint32_t mr_secret_random_below(uint32_t bound);

/* --- memory --- */

/*
 * n zeroed bytes between guard pages, left out of core dumps, kept out of swap
 * where the system allows it. n must be a multiple of 16, so that it suits any
 * type. NULL: no memory. Costs several pages: for few, long-lived things.
 */
void *mr_secret_alloc(size_t n);

/* Wipes and releases; NULL is allowed. */
void mr_secret_free(void *p);

/* Overwrites n bytes, which the compiler cannot leave out. */
void mr_secret_wipe(void *p, size_t n);

/*
 * No core dumps of this process from here on, whatever the limits and the
 * system's core_pattern say, so that what libraries keep of a secret does not
 * end in one either. For main() of a program that works with secrets.
 */
void mr_secret_no_core(void);

/* --- encryption: XChaCha20-Poly1305, which authenticates `with` too --- */

#define MR_SECRET_KEY_BYTES 32
#define MR_SECRET_EXTRA_BYTES 40 /* a random nonce in front, the tag behind */

/* Writes plain.n + MR_SECRET_EXTRA_BYTES bytes to `box`. */
enum mr_err mr_secret_encrypt(const unsigned char key[MR_SECRET_KEY_BYTES], struct mr_str with,
    struct mr_str plain, unsigned char *box, struct mr_error *err);

/*
 * Writes box_n - MR_SECRET_EXTRA_BYTES bytes to `plain`. False when the box is
 * too short or not what the key sealed, or `with` differs.
 */
bool mr_secret_decrypt(const unsigned char key[MR_SECRET_KEY_BYTES], struct mr_str with,
    const unsigned char *box, size_t box_n, unsigned char *plain);

/* --- base64url without padding (RFC 4648, section 5) --- */

/* Room for the text of n bytes and its NUL. */
#define MR_BASE64_TEXT(n) (((n) * 4 + 2) / 3 + 1)

void mr_secret_base64(const unsigned char *bytes, size_t n, char *text);

/* Strict: no blanks, no padding. False also when more than `most` bytes come. */
bool mr_secret_unbase64(struct mr_str text, unsigned char *bytes, size_t most, size_t *n);

#endif
