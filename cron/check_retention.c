/*
 * millrace-check: the buffer. Who lacks which events, since when, and how many bytes wait for
 * that; whether millrace-maintain is run; when there will be too many bytes.
 */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "retention/holders.h"
#include "retention/spans.h"

#define HOUR_S 3600
#define DAY_S (24 * HOUR_S)
/* millrace-maintain looks at a partition within an hour of the end of its time. */
#define UNCOUNTED_S (3 * HOUR_S)
/* A destination that is away for less is nothing to wake anybody for. */
#define HELD_S DAY_S
#define FEW_DAYS 7
#define TEXT_MAX 1024

struct sums {
	int64_t unclaimed, unclaimed_bytes; /* partitions that only such events hold */
	int64_t nobody;                     /* that nobody has said may go */
	int64_t uncounted;
	int64_t may_go_bytes;
	int64_t day_bytes;                  /* of the largest day that is over */
};

/* How long ago a partition's time was over, in seconds. */
static int64_t
age_s(const struct mr_spans *spans, const struct mr_span *s)
{
	int64_t high_us;

	return mr_clock_parse(s->high, &high_us) ? (spans->now_us - high_us) / MR_US_PER_S : 0;
}

static struct sums
sum_up(const struct mr_conf *conf, const struct mr_spans *spans)
{
	struct sums sums = { 0 };

	for (size_t i = 0; i < spans->n; i++) {
		const struct mr_span *s = &spans->items[i];

		if (s->fate == MR_SPAN_UNCOUNTED && age_s(spans, s) > UNCOUNTED_S)
			sums.uncounted++;
		if (s->fate == MR_SPAN_KEPT || s->fate == MR_SPAN_GOES)
			sums.may_go_bytes += s->bytes;
		if (s->fate != MR_SPAN_OPEN && s->bytes > sums.day_bytes)
			sums.day_bytes = s->bytes;
		if (s->fate != MR_SPAN_HELD || s->held_by_destination)
			continue;
		sums.nobody += conf->n_clients == 0;
		sums.unclaimed += conf->n_clients > 0;
		sums.unclaimed_bytes += s->bytes;
	}
	return sums;
}

static void
tell_holder(const struct mr_holder *h, check_find *find)
{
	bool has_error = h->error.p != NULL && h->error.n > 0;
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof text, "client %.*s, %.*s, has not got all of %" PRId64 " events since %.*s, "
	    "which hold %" PRId64 " bytes in %" PRId64 " partition(s): %.*s", (int)h->client.n,
	    h->client.p, (int)h->destination.n, h->destination.p, h->rows, (int)h->since.n,
	    h->since.p, h->bytes, h->partitions, has_error ? (int)h->error.n : 100,
	    has_error ? h->error.p : !h->known ? "nothing was ever exported to it; run millrace-export, "
	    "or take it out of the configuration" : "millrace-export has not delivered them yet");
	find(!h->known || h->age_s > HELD_S ? WARNING : FINE, "retention", text);
}

static bool
tell_holders(const struct mr_conf *conf, struct mr_db *db, check_find *find)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_holders holders;

	if (mr_holders_load(db, conf, &holders, &why) != MR_OK) {
		find(WARNING, "retention", why.text);
		return false;
	}
	for (size_t i = 0; i < holders.n; i++)
		tell_holder(&holders.items[i], find);
	mr_holders_free(&holders);
	return true;
}

static void
tell_others(const struct sums *sums, check_find *find)
{
	char text[TEXT_MAX];

	if (sums->uncounted > 0) {
		(void)snprintf(text, sizeof text, "%" PRId64 " partition(s) were not looked at by "
		    "millrace-maintain; run it every hour from cron", sums->uncounted);
		find(WARNING, "retention", text);
	}
	if (sums->unclaimed > 0) {
		(void)snprintf(text, sizeof text, "events of sites of no client hold %" PRId64
		    " partition(s), %" PRId64 " bytes; list the sites in those of a client, or set "
		    "unclaimed = drop", sums->unclaimed, sums->unclaimed_bytes);
		find(WARNING, "retention", text);
	}
}

/* With max_bytes, what is delivered makes room; what is not fills the rest at the pace of a day. */
static void
tell_room(const struct mr_conf *conf, const struct mr_spans *spans, const struct sums *sums,
    check_find *find)
{
	int64_t left = conf->max_bytes - spans->bytes + sums->may_go_bytes;
	int64_t days = sums->day_bytes > 0 ? left / sums->day_bytes : FEW_DAYS;
	char text[TEXT_MAX];

	if (conf->max_bytes == 0 || days >= FEW_DAYS) {
		(void)snprintf(text, sizeof text, "%zu partition(s), %" PRId64 " bytes%s", spans->n,
		    spans->bytes, sums->nobody > 0 ? "; nothing is dropped, as there is no [client] and "
		    "[retention] events is not set" : "");
		find(FINE, "retention", text);
		return;
	}
	(void)snprintf(text, sizeof text, "%" PRId64 " of max_bytes' %" PRId64 " bytes are not "
	    "delivered; with %" PRId64 " bytes a day they are reached in %" PRId64 " day(s)",
	    spans->bytes - sums->may_go_bytes, conf->max_bytes, sums->day_bytes, days > 0 ? days : 0);
	find(left <= 0 ? CRITICAL : WARNING, "retention", text);
}

void
check_retention(const struct mr_conf *conf, struct mr_db *db, check_find *find)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_spans spans;
	struct sums sums;

	if (mr_spans_load(db, conf, &spans, &why) != MR_OK) {
		find(WARNING, "retention", why.text);
		return;
	}
	sums = sum_up(conf, &spans);
	if (tell_holders(conf, db, find)) {
		tell_others(&sums, find);
		tell_room(conf, &spans, &sums, find);
	}
	mr_spans_free(&spans);
}
