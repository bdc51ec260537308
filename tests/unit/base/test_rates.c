/* Leaky buckets in a table of fixed size: base/rates.h. The clock is the test's own. */
#include "base/rates.h"

#include "../tap.h"

#define S INT64_C(1000000)

/* A burst of three, and one a second. */
static void
test_one(void)
{
	static const struct {
		int line;
		int64_t now;
		int64_t cost;
		int64_t wait;
	} rows[] = {
		{ __LINE__, 100 * S, S, 0 },
		{ __LINE__, 100 * S, S, 0 },
		{ __LINE__, 100 * S, S, 0 },
		{ __LINE__, 100 * S, S, S },
		/* what was refused costs nothing */
		{ __LINE__, 100 * S + S / 2, S, S / 2 },
		{ __LINE__, 101 * S, S, 0 },
		{ __LINE__, 101 * S, S, S },
		/* it runs empty, and not emptier than that */
		{ __LINE__, 900 * S, 3 * S, 0 },
		{ __LINE__, 900 * S, S, S },
		{ __LINE__, 901 * S, 2 * S, S },
		/* more than a burst fits only into an empty one, and has to be paid off */
		{ __LINE__, 902 * S, 10 * S, S },
		{ __LINE__, 903 * S, 10 * S, 0 },
		{ __LINE__, 904 * S, S, 7 * S },
		{ __LINE__, 911 * S, S, 0 },
	};
	struct mr_rates *rates = mr_rates_new(1);

	if (rates == NULL)
		bail("no memory");
	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(mr_rates_ask(rates, 7, rows[i].cost, 3 * S, rows[i].now), rows[i].wait, "asked");
		is_int(mr_rates_take(rates, 7, rows[i].cost, 3 * S, rows[i].now), rows[i].wait, "the wait");
	}
	row(0);
	is_int(mr_rates_take(rates, 8, S, 3 * S, 903 * S), 0, "another key has its own");
	mr_rates_free(rates);
	mr_rates_free(NULL);
}

/* How many of the keys 1 to n have used up what they may. */
static int
count_full(struct mr_rates *rates, uint64_t n, int64_t now)
{
	int full = 0;

	for (uint64_t key = 1; key <= n; key++)
		full += mr_rates_ask(rates, key, S, S, now) > 0;
	return full;
}

static void
test_many(void)
{
	struct mr_rates *rates = mr_rates_new(1024);

	if (rates == NULL)
		bail("no memory");
	for (uint64_t key = 1; key <= 1024; key++)
		(void)mr_rates_take(rates, key, S, S, 0);
	is_int(count_full(rates, 1024, 0), 1024, "as many as fit are all known");
	/* These use more, so they stay. */
	for (uint64_t key = 1; key <= 8; key++)
		(void)mr_rates_take(rates, key, 60 * S, S, S);
	for (uint64_t key = 10000; key < 30000; key++)
		(void)mr_rates_take(rates, key, S, S, S);
	is_int(count_full(rates, 1024, S), 8, "of too many those that used the least are forgotten");
	is_int(count_full(rates, 30000, 100 * S), 0, "all run empty");
	mr_rates_free(rates);
}

int
main(void)
{
	test_one();
	test_many();
	return done();
}
