/*
 * CRC-32C, the Castagnoli polynomial 0x1EDC6F41, reflected (RFC 3720,
 * appendix B.4).
 */
#ifndef MR_BASE_CRC32C_H
#define MR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc`, which is 0 at the start; "123456789" gives 0xe3069283. */
uint32_t mr_crc32c(uint32_t crc, const void *data, size_t n);

#endif
