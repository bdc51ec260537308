/* Which jobs the next commit takes: small and large ones apart and in turns, as much as fits. */
#include "ingest/pace.h"
#include "ingest/queue.h"
#include "../tap.h"

#define MAX_JOBS 16

static struct mr_batch batches[64];
static struct mr_job jobs[64];
static size_t n_jobs;
static struct mr_queue queue;

static const struct mr_queue_limits wide = { .max_jobs = MAX_JOBS, .max_rows = 4000,
	.max_bytes = 4 << 20, .max_cost_us = 50000, .checks = true };

/* Adds a job: 's' of one row, 'm' of 20 rows and 20 KB, 'l' of 200 rows and 1 MB, 'c' a check. */
static void
add(char kind, const char *key)
{
	struct mr_batch *batch = &batches[n_jobs];
	struct mr_job *job = &jobs[n_jobs++];

	*batch = (struct mr_batch){ .n_rows = kind == 'l' ? 200 : kind == 'm' ? 20 : 1,
		.bytes = kind == 'l' ? 1000000 : kind == 'm' ? 20000 : 300,
		.site_id = mr_str("a.test"), .batch_id = mr_str(key) };
	*job = (struct mr_job){ .batch = kind == 'c' ? NULL : batch };
	mr_queue_add(&queue, job);
}

static void
start(const char *kinds)
{
	n_jobs = 0;
	mr_queue_init(&queue);
	for (; *kinds != '\0'; kinds++)
		add(*kinds, NULL);
}

/* The places of the jobs of the next groups: "0 1|2|", up to the end or an empty group. */
static struct mr_str
groups(const struct mr_queue_limits *limits)
{
	static char text[400];
	struct mr_job *group[MAX_JOBS];
	size_t n, at = 0;

	text[0] = '\0';
	while ((n = mr_queue_take(&queue, limits, group)) > 0) {
		for (size_t i = 0; i < n; i++)
			at += (size_t)snprintf(text + at, sizeof text - at, "%s%d",
			    i > 0 ? " " : "", (int)(group[i] - jobs));
		at += (size_t)snprintf(text + at, sizeof text - at, "|");
	}
	return mr_str(text);
}

static const struct {
	int line;
	const char *kinds;
	const char *groups;
} turns[] = {
	{ __LINE__, "", "" },
	{ __LINE__, "s", "0|" },
	{ __LINE__, "sms", "0 1 2|" },
	{ __LINE__, "ll", "0 1|" },
	/* A small one that comes last does not wait for the large ones, and is not with them. */
	{ __LINE__, "lls", "2|0 1|" },
	{ __LINE__, "lllllllls", "8|0 1 2 3|4 5 6 7|" },
	/* A flood of small ones does not keep the large one waiting. */
	{ __LINE__, "ssssssssssssssssssssssssssssssssssssssssl",
	    "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15|40|"
	    "16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31|32 33 34 35 36 37 38 39|" },
	/* A check stands alone, and nobody is behind it that came before. */
	{ __LINE__, "csl", "0|1|2|" },
	{ __LINE__, "sc", "0|1|" },
};

static void
in_turns(void)
{
	for (size_t i = 0; i < ROWS(turns); i++) {
		row(turns[i].line);
		start(turns[i].kinds);
		is_str(groups(&wide), turns[i].groups, "the groups");
		ok(mr_queue_is_empty(&queue), "nothing is left");
		is_int(queue.cost_us, 0, "at no cost");
	}
	row(0);
}

static void
bounded(void)
{
	struct mr_queue_limits limits = wide;

	start("mmmm");
	limits.max_cost_us = 2 * mr_queue_cost_us(&jobs[0]);
	is_str(groups(&limits), "0 1|2 3|", "by cost");
	start("llmm");
	limits.max_cost_us = 1;
	is_str(groups(&limits), "2|0|3|1|", "one is taken whatever it costs");
	limits = wide;
	limits.max_rows = 40;
	start("mmm");
	is_str(groups(&limits), "0 1|2|", "by rows");
	limits = wide;
	limits.max_bytes = 40000;
	start("mmm");
	is_str(groups(&limits), "0 1|2|", "by bytes");
	limits = wide;
	limits.max_jobs = 1;
	start("ss");
	is_str(groups(&limits), "0|1|", "by number");
}

static void
checks(void)
{
	struct mr_queue_limits helper = wide;

	helper.checks = false;
	start("c");
	ok(!mr_queue_small_waits(&queue), "a check brings no batch");
	is_str(groups(&helper), "", "a helper leaves a check");
	add('l', NULL);
	add('s', NULL);
	ok(mr_queue_small_waits(&queue), "a small job waits behind the check");
	is_str(groups(&helper), "2|1|", "and a helper takes it");
	is_str(groups(&wide), "0|", "the check is the first one's");
}

static void
repetitions(void)
{
	start("");
	for (int i = 0; i < 3; i++)
		add('s', "key");
	add('s', "other");
	is_str(groups(&wide), "0 3|1|2|", "one batchId is once in a group");
}

static const struct {
	int line;
	int64_t cost_us, took_us;
	int64_t min_room_us, max_room_us;
} paces[] = {
	{ __LINE__, 20000, 20000, 49000, 51000 }, /* as measured */
	{ __LINE__, 20000, 40000, 25000, 27000 }, /* half as fast */
	{ __LINE__, 20000, 10000, 95000, 100000 },
	{ __LINE__, 20000, 60000000, 4000, 4000 }, /* it hardly answers: the floor */
	{ __LINE__, 20000, 0, 190000, 200000 },    /* the ceiling */
	{ __LINE__, 100, 50100, 49000, 51000 },    /* far away, but not slow */
};

static void
learns(void)
{
	struct mr_pace pace;

	for (size_t i = 0; i < ROWS(paces); i++) {
		row(paces[i].line);
		mr_pace_init(&pace);
		is_int(mr_pace_room_us(&pace), 50000, "at first as measured");
		for (int k = 0; k < 100; k++)
			mr_pace_learn(&pace, paces[i].cost_us, paces[i].took_us);
		ok(mr_pace_room_us(&pace) >= paces[i].min_room_us, "not less");
		ok(mr_pace_room_us(&pace) <= paces[i].max_room_us, "not more");
	}
	row(0);
	mr_pace_init(&pace);
	for (int k = 0; k < 100; k++) {
		mr_pace_learn(&pace, 100, 50100);
		mr_pace_learn(&pace, 20000, 70000);
	}
	ok(mr_pace_room_us(&pace) > 45000, "a round trip is no reason for small groups");
	mr_pace_learn(&pace, 20000, 5000000);
	ok(mr_pace_room_us(&pace) > 15000, "one slow group is not taken at its word");
}

int
main(void)
{
	in_turns();
	bounded();
	checks();
	repetitions();
	learns();
	return done();
}
