/*
 * UUIDs of version 7 (RFC 9562): they begin with the time, so that sorting
 * their bytes is sorting by age.
 */
#ifndef MR_BASE_UUID_H
#define MR_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define MR_UUID_BYTES 16
#define MR_UUID_TEXT 37 /* "01998f3e-…" and its NUL */

/*
 * A new one. The bits behind the milliseconds hold their fraction (section
 * 6.2, method 3); each is greater than those that this process made before,
 * whatever the clock does. Safe from any thread.
 */
void mr_uuid_make(uint8_t id[MR_UUID_BYTES]);

/*
 * Marks an id as made by an instance (shared.h): its last six bytes become the
 * first of the instance's, as the node of older versions. A nil instance: stays.
 */
void mr_uuid_mark(uint8_t id[MR_UUID_BYTES], const uint8_t instance[MR_UUID_BYTES]);

/* Whether it is marked so. */
bool mr_uuid_is_of(const uint8_t id[MR_UUID_BYTES], const uint8_t instance[MR_UUID_BYTES]);

/* When it was made, in microseconds, to the millisecond. */
int64_t mr_uuid_time_us(const uint8_t id[MR_UUID_BYTES]);

/* The least one of that time. */
void mr_uuid_least(uint8_t id[MR_UUID_BYTES], int64_t time_us);

void mr_uuid_format(const uint8_t id[MR_UUID_BYTES], char text[MR_UUID_TEXT]);

#endif
