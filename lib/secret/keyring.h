/*
 * The key file, and values sealed with the keys in it.
 *
 * The file holds one key a line, newest first; '#' starts a comment:
 *   millrace-key:v1:KEYID:BASE64
 * KEYID is 8 hex digits that follow from the key (the start of a SHA-256), so
 * that a damaged line is noticed. BASE64 is the base64url of 32 bytes.
 *
 * A sealed value is one word, which an INI file holds without quotes:
 *   sealed:v1:KEYID:BASE64
 * BASE64 is nonce, ciphertext and tag of XChaCha20-Poly1305, which covers the
 * text up to it. The key is found by its id, so values sealed with an older
 * key open for as long as the key stays in the file.
 */
#ifndef MR_SECRET_KEYRING_H
#define MR_SECRET_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "secret/secret.h"

#define MR_KEYRING_MAX 16          /* keys in a file */
#define MR_KEY_ID_TEXT 9           /* 8 hex digits and a NUL */
#define MR_SEALED_MAX_PLAIN 4096   /* bytes of a value before it is sealed */

struct mr_keyring;

/*
 * Reads the key file. It must be a regular file of the effective user or root
 * that nobody else can read or write (mode 0600 or 0400). Errors: MR_EIO when
 * it cannot be read, MR_EINVAL when it is open to others, another user's,
 * empty or damaged. The keys lie in guarded memory.
 */
enum mr_err mr_keyring_load(struct mr_keyring **ring, const char *path, struct mr_error *err);

/* Wipes and releases; NULL is allowed. */
void mr_keyring_free(struct mr_keyring *ring);

/* The id of the newest key. */
const char *mr_keyring_newest(const struct mr_keyring *ring);

/*
 * Makes the file with one new key, mode 0600. One that exists stays untouched
 * and is an error (MR_EINVAL).
 */
enum mr_err mr_keyring_make(const char *path, struct mr_error *err);

/* Puts a new key before those in the file; all or nothing. */
enum mr_err mr_keyring_add(const char *path, struct mr_error *err);

/* Whether the text begins as a sealed value does, whatever follows. */
bool mr_sealed_is(struct mr_str text);

/* The id of the key that sealed it; "" when it is malformed. */
void mr_sealed_key_id(struct mr_str sealed, char id[MR_KEY_ID_TEXT]);

/* Appends the sealed value, sealed with the newest key. */
enum mr_err mr_seal(const struct mr_keyring *ring, struct mr_str plain, struct mr_buf *sealed,
    struct mr_error *err);

/*
 * Opens a sealed value into `plain`, which has room for `most` bytes; no NUL is
 * added. Errors, none of which shows anything of the value: MR_EINVAL when it
 * is malformed, no key has its id, or it was altered; MR_ELIMIT when `most` is
 * too small.
 */
enum mr_err mr_unseal(const struct mr_keyring *ring, struct mr_str sealed, char *plain,
    size_t most, size_t *n, struct mr_error *err);

#endif
