/* CRC-32C: base/crc32c.h. */
#include "base/crc32c.h"

#include "../tap.h"

int
main(void)
{
	char zeros[32] = { 0 }, ones[32], ascending[32];
	const char *text = "a text that is longer than eight bytes, and odd";
	size_t n = strlen(text);
	uint32_t whole = mr_crc32c(0, text, n);

	memset(ones, 0xff, sizeof ones);
	for (size_t i = 0; i < sizeof ascending; i++)
		ascending[i] = (char)i;
	is_int(mr_crc32c(0, "", 0), 0, "nothing");
	is_int(mr_crc32c(0, "123456789", 9), 0xe3069283, "the check value");
	/* RFC 3720, appendix B.4 */
	is_int(mr_crc32c(0, zeros, 32), 0x8a9136aa, "32 bytes of zeros");
	is_int(mr_crc32c(0, ones, 32), 0x62a8ab43, "32 bytes of ones");
	is_int(mr_crc32c(0, ascending, 32), 0x46dd794e, "32 bytes ascending");
	for (size_t i = 0; i <= n; i++)
		ok(mr_crc32c(mr_crc32c(0, text, i), text + i, n - i) == whole, "in two parts, at %zu", i);
	return done();
}
