/* How much one commit may hold: see pace.h. */
#include "ingest/pace.h"

#define GROUP_US 50000
/* 100,000 rows a second; payloads of some KB, which PostgreSQL compresses, 100 MB/s. */
#define ROW_US 8
#define BYTES_A_US 100
/* Below it a group tells what the round trip takes, above it what its rows do. */
#define TELLING_US 4000
/* One that met a checkpoint, or a stopped machine, tells nothing about the next. */
#define MIN_PERMILLE 250
#define MAX_PERMILLE 16000
#define MAX_FIXED_US 100000
/* Some hundred rows; smaller groups cost more than they make others wait. */
#define MIN_ROOM_US 4000
/* The weight of the latest group is one in so many. */
#define MEMORY 8

static int64_t
within(int64_t v, int64_t min, int64_t max)
{
	return v < min ? min : v > max ? max : v;
}

void
mr_pace_init(struct mr_pace *pace)
{
	*pace = (struct mr_pace){ .permille = 1000 };
}

int64_t
mr_pace_cost_us(size_t rows, size_t bytes)
{
	return (int64_t)(rows * ROW_US + bytes / BYTES_A_US);
}

int64_t
mr_pace_room_us(const struct mr_pace *pace)
{
	int64_t room = GROUP_US * 1000 / pace->permille;

	return room < MIN_ROOM_US ? MIN_ROOM_US : room;
}

void
mr_pace_learn(struct mr_pace *pace, int64_t cost_us, int64_t took_us)
{
	int64_t now;

	if (cost_us < TELLING_US) {
		now = within(took_us - cost_us * pace->permille / 1000, 0, MAX_FIXED_US);
		pace->fixed_us += (now - pace->fixed_us) / MEMORY;
	} else {
		now = within((took_us - pace->fixed_us) * 1000 / cost_us, MIN_PERMILLE, MAX_PERMILLE);
		pace->permille += (now - pace->permille) / MEMORY;
	}
}
