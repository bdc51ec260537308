/* Checksums for S3: see checksum.h. */
#include "s3/checksum.h"

#include <stddef.h>
#include <stdint.h>

#include "base/crc32c.h"
#include "base/md5.h"

static const struct {
	const char *header, *algorithm;
} kinds[] = {
	[MR_CHECKSUM_AUTO] = { "x-amz-checksum-sha256", "SHA256" },
	[MR_CHECKSUM_SHA256] = { "x-amz-checksum-sha256", "SHA256" },
	[MR_CHECKSUM_CRC32C] = { "x-amz-checksum-crc32c", "CRC32C" },
	[MR_CHECKSUM_MD5] = { "Content-MD5", NULL },
	[MR_CHECKSUM_NONE] = { NULL, NULL },
};

const char *
mr_s3_checksum_header(enum mr_checksum kind)
{
	return kinds[kind].header;
}

const char *
mr_s3_checksum_algorithm(enum mr_checksum kind)
{
	return kinds[kind].algorithm;
}

/* Base64 with padding (RFC 4648, section 4). */
static void
put_base64(const unsigned char *bytes, size_t n, char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t three = (uint32_t)bytes[i] << 16 |
		    (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0) | (i + 2 < n ? bytes[i + 2] : 0);

		*text++ = digits[three >> 18];
		*text++ = digits[three >> 12 & 63];
		*text++ = i + 1 < n ? digits[three >> 6 & 63] : '=';
		*text++ = i + 2 < n ? digits[three & 63] : '=';
	}
	*text = '\0';
}

/* The most significant byte first. */
static void
put_crc32c(struct mr_str data, char *text)
{
	uint32_t crc = mr_crc32c(0, data.p, data.n);
	unsigned char bytes[4];

	for (int i = 0; i < 4; i++)
		bytes[i] = (unsigned char)(crc >> (24 - 8 * i));
	put_base64(bytes, sizeof bytes, text);
}

static void
put_md5(struct mr_str data, char *text)
{
	unsigned char digest[MR_MD5_BYTES];

	mr_md5(data.p, data.n, digest);
	put_base64(digest, sizeof digest, text);
}

void
mr_s3_checksum_put(enum mr_checksum kind, struct mr_str data,
    const unsigned char sha256[MR_SHA256_BYTES], char text[MR_S3_CHECKSUM_TEXT])
{
	switch (kind) {
	case MR_CHECKSUM_AUTO:
	case MR_CHECKSUM_SHA256:
		put_base64(sha256, MR_SHA256_BYTES, text);
		break;
	case MR_CHECKSUM_CRC32C:
		put_crc32c(data, text);
		break;
	case MR_CHECKSUM_MD5:
		put_md5(data, text);
		break;
	case MR_CHECKSUM_NONE:
		text[0] = '\0';
		break;
	}
}
