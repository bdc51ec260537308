/*
 * The checksums that a store is given with an object or a part of one, so that it keeps
 * nothing else; a bucket with Object Lock insists on one. Pure.
 * Source: Amazon S3 User Guide, "Checking object integrity".
 */
#ifndef MR_S3_CHECKSUM_H
#define MR_S3_CHECKSUM_H

#include "base/str.h"
#include "conf/words.h"
#include "secret/secret.h"

#define MR_S3_CHECKSUM_TEXT 48 /* of the longest, with its NUL */

/* The header that has the checksum; NULL: there is none of that kind. */
const char *mr_s3_checksum_header(enum mr_checksum kind);

/* What S3 calls it when an upload in parts is created: "SHA256"; NULL: that is not said. */
const char *mr_s3_checksum_algorithm(enum mr_checksum kind);

/* Writes the header's value for the data, of which the SHA-256 is known already. */
void mr_s3_checksum_put(enum mr_checksum kind, struct mr_str data,
    const unsigned char sha256[MR_SHA256_BYTES], char text[MR_S3_CHECKSUM_TEXT]);

#endif
