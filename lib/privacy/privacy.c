/* Who a visitor is: see privacy.h. */
#include "privacy/privacy.h"

#include <stdlib.h>

#include "privacy/salt.h"
#include "privacy/visitor.h"
#include "secret/secret.h"

struct mr_privacy {
	struct mr_salts *salts;
	struct mr_visitors *visitors;
};

enum mr_err
mr_privacy_start(struct mr_privacy **out, const struct mr_conf *conf, struct mr_error *err)
{
	struct mr_privacy *privacy;
	enum mr_err e;

	*out = NULL;
	if (conf->visitor_id != MR_VISITOR_HASH)
		return MR_OK;
	privacy = calloc(1, sizeof *privacy);
	if (privacy == NULL || (privacy->visitors = mr_visitors_new()) == NULL) {
		free(privacy);
		return mr_fail(err, MR_ENOMEM, "no memory for the table of visitors");
	}
	e = mr_salts_start(&privacy->salts, conf, err);
	if (e != MR_OK) {
		mr_visitors_free(privacy->visitors);
		free(privacy);
		return e;
	}
	*out = privacy;
	return MR_OK;
}

void
mr_privacy_stop(struct mr_privacy *privacy)
{
	if (privacy == NULL)
		return;
	mr_salts_stop(privacy->salts);
	mr_visitors_free(privacy->visitors);
	free(privacy);
}

void
mr_privacy_apply(struct mr_privacy *privacy, const struct mr_ip *client, struct mr_arena *arena,
    struct mr_batch *batch)
{
	unsigned char today[MR_SALT_BYTES], yesterday[MR_SALT_BYTES];
	struct mr_str site = MR_STR_NULL, visitor = MR_STR_NULL;
	char id[MR_VISITOR_TEXT];
	int64_t now_us, day;
	bool both;

	if (privacy == NULL || batch->n_rows == 0)
		return;
	now_us = batch->rows[0].received_us;
	day = mr_salts_day(now_us);
	if (!mr_salts_get(privacy->salts, day, today))
		return;
	both = mr_salts_get(privacy->salts, day - 1, yesterday);
	for (size_t i = 0; i < batch->n_rows; i++) {
		struct mr_event *row = &batch->rows[i];

		/* Most batches are of one site. */
		if (visitor.p == NULL || !mr_str_eq(site, row->site_id)) {
			site = row->site_id;
			mr_visitor_id(privacy->visitors, now_us, today, both ? yesterday : NULL, site,
			    client, row->user_agent, id);
			visitor = mr_arena_dup(arena, mr_str(id));
		}
		row->visitor_id = visitor;
		batch->bytes += visitor.n;
	}
	mr_secret_wipe(today, sizeof today);
	mr_secret_wipe(yesterday, sizeof yesterday);
}
