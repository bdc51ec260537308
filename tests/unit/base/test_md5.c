/* MD5: base/md5.h. */
#include "base/md5.h"

#include <stdio.h>

#include "../tap.h"

static void
check(int line, const char *text, const char *want)
{
	unsigned char digest[MR_MD5_BYTES];
	char hex[2 * MR_MD5_BYTES + 1];

	row(line);
	mr_md5(text, strlen(text), digest);
	for (size_t i = 0; i < MR_MD5_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	is_str(mr_str(hex), want, "the digest");
	row(0);
}

int
main(void)
{
	/* RFC 1321, appendix A.5 */
	check(__LINE__, "", "d41d8cd98f00b204e9800998ecf8427e");
	check(__LINE__, "a", "0cc175b9c0f1b6a831c399e269772661");
	check(__LINE__, "abc", "900150983cd24fb0d6963f7d28e17f72");
	check(__LINE__, "message digest", "f96b697d7cb7938d525a2f31aaf161d0");
	check(__LINE__, "abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b");
	check(__LINE__, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	    "d174ab98d277d9f5a5611c2c9f419d9f");
	check(__LINE__, "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
	    "57edf4a22be3c955ac49da2e2107b67a");
	/* By md5sum: the lengths around the end of a block. */
	check(__LINE__, "0123456789012345678901234567890123456789012345678901234", "6e7a4fc92eb1c3f6e652425bcc8d44b5");
	check(__LINE__, "01234567890123456789012345678901234567890123456789012345", "8af270b2847610e742b0791b53648c09");
	check(__LINE__, "012345678901234567890123456789012345678901234567890123456789012", "c5e256437e758092dbfe06283e489019");
	check(__LINE__, "0123456789012345678901234567890123456789012345678901234567890123", "7f7bfd348709deeaace19e3f535f8c54");
	check(__LINE__, "01234567890123456789012345678901234567890123456789012345678901234", "beb9f48bc802ca5ca043bcc15e219a5a");
	check(__LINE__, "0123456789012345678901234567890123456789012345678901234567890123456789"
	    "0123456789012345678901234567890123456789012345678",
	    "42eec8502cb0ed8f0d05aa5a24463b6a");
	check(__LINE__, "0123456789012345678901234567890123456789012345678901234567890123456789"
	    "01234567890123456789012345678901234567890123456789",
	    "71877a6051c58e0e9246babc177ca5f2");
	return done();
}
