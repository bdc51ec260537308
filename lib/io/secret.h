/*
 * Secrets: comparing them so that the time taken tells nothing. The only user
 * of libsodium.
 */
#ifndef MR_IO_SECRET_H
#define MR_IO_SECRET_H

#include <stdbool.h>

#include "base/str.h"

/*
 * Whether the SHA-256 of the token is the one given as 64 hex digits. Takes
 * the same time for every wrong token of the same length. False when the hex
 * is malformed or libsodium does not start.
 */
bool mr_secret_matches(struct mr_str token, const char *sha256_hex);

#endif
