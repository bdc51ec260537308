/* UUIDs: base/uuid.h. */
#include "base/uuid.h"

#include "../tap.h"
#include "base/clock.h"

int
main(void)
{
	uint8_t id[MR_UUID_BYTES], next[MR_UUID_BYTES], least[MR_UUID_BYTES];
	char text[MR_UUID_TEXT];
	int64_t before = mr_clock_now_us(), made;
	bool ascending = true, version = true;

	mr_uuid_make(id);
	made = mr_uuid_time_us(id);
	ok(made >= before / 1000 * 1000 && made <= mr_clock_now_us(), "its time is now");
	for (int i = 0; i < 100000; i++) {
		mr_uuid_make(next);
		ascending &= memcmp(id, next, MR_UUID_BYTES) < 0;
		version &= next[6] >> 4 == 7 && next[8] >> 6 == 2;
		memcpy(id, next, MR_UUID_BYTES);
	}
	ok(ascending, "each is greater than the one before");
	ok(version, "version 7, variant 10");

	mr_uuid_least(least, made);
	is_int(mr_uuid_time_us(least), made, "the least of a time has that time");
	ok(memcmp(least, next, MR_UUID_BYTES) < 0, "and is less than those made then");
	mr_uuid_least(least, mr_clock_now_us() + 60 * MR_US_PER_S);
	ok(memcmp(least, next, MR_UUID_BYTES) > 0, "of a later time: greater");
	mr_uuid_least(least, -5);
	is_int(mr_uuid_time_us(least), 0, "of a time before 1970: the first");

	for (int i = 0; i < MR_UUID_BYTES; i++)
		id[i] = (uint8_t)(i * 17);
	mr_uuid_format(id, text);
	is_str(mr_str(text), "00112233-4455-6677-8899-aabbccddeeff", "as text");
	return done();
}
