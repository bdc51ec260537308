/*
 * MD5 (RFC 1321), for what asks for it as a checksum. It keeps no secret and
 * proves nothing.
 */
#ifndef MR_BASE_MD5_H
#define MR_BASE_MD5_H

#include <stddef.h>

#define MR_MD5_BYTES 16

void mr_md5(const void *data, size_t n, unsigned char digest[MR_MD5_BYTES]);

#endif
