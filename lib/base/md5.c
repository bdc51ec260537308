/* MD5: see md5.h. Names are those of RFC 1321, section 3.4. */
#include "base/md5.h"

#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64)
#define LENGTH_BYTES ((size_t)8)

#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))

#define STEP(f, a, b, c, d, k, i, s) \
	(a) += f(b, c, d) + x[(k) & 15] + sines[i]; \
	(a) = ((a) << (s) | (a) >> (32 - (s))) + (b)

/* Four steps; the next one's word lies `by` behind. */
#define FOUR(f, k, by, i, s1, s2, s3, s4) \
	STEP(f, a, b, c, d, k, i, s1); \
	STEP(f, d, a, b, c, (k) + (by), (i) + 1, s2); \
	STEP(f, c, d, a, b, (k) + 2 * (by), (i) + 2, s3); \
	STEP(f, b, c, d, a, (k) + 3 * (by), (i) + 3, s4)

/* 2^32 times the absolute value of the sine of 1 to 64. */
static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static uint32_t
little_endian(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void
take_block(uint32_t state[4], const unsigned char *p)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], x[16];

	for (unsigned i = 0; i < 16; i++)
		x[i] = little_endian(p + (size_t)4 * i);
	for (unsigned i = 0; i < 16; i += 4) {
		FOUR(F, i, 1, i, 7, 12, 17, 22);
	}
	for (unsigned i = 0; i < 16; i += 4) {
		FOUR(G, 5 * i + 1, 5, 16 + i, 5, 9, 14, 20);
	}
	for (unsigned i = 0; i < 16; i += 4) {
		FOUR(H, 3 * i + 5, 3, 32 + i, 4, 11, 16, 23);
	}
	for (unsigned i = 0; i < 16; i += 4) {
		FOUR(I, 7 * i, 7, 48 + i, 6, 10, 15, 21);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static void
put_little_endian(unsigned char *to, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(v >> 8 * i);
}

void
mr_md5(const void *data, size_t n, unsigned char digest[MR_MD5_BYTES])
{
	uint32_t state[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
	unsigned char last[2 * BLOCK_BYTES] = { 0 };
	const unsigned char *p = data;
	size_t left = n, end;

	for (; left >= BLOCK_BYTES; left -= BLOCK_BYTES, p += BLOCK_BYTES)
		take_block(state, p);
	if (left > 0)
		memcpy(last, p, left);
	last[left] = 0x80;
	end = left + 1 + LENGTH_BYTES > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES;
	put_little_endian(last + end - LENGTH_BYTES, (uint64_t)n * 8, LENGTH_BYTES);
	for (size_t at = 0; at < end; at += BLOCK_BYTES)
		take_block(state, last + at);
	for (size_t i = 0; i < 4; i++)
		put_little_endian(digest + 4 * i, state[i], 4);
}
