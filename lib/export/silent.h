/*
 * Endpoints that did not answer in this run: what else goes there is not waited for. Belongs
 * to the run.
 */
#ifndef MR_EXPORT_SILENT_H
#define MR_EXPORT_SILENT_H

#include <stddef.h>

#include "base/error.h"
#include "conf/conf.h"

#define MR_SILENT_MAX 32 /* of more it is not known; those are tried */

struct mr_silent {
	struct {
		const struct mr_conf_bucket *bucket; /* the configuration's; one that is there */
		struct mr_error why;
	} of[MR_SILENT_MAX];
	size_t n;
};

void mr_silent_note(struct mr_silent *silent, const struct mr_conf_bucket *bucket,
    const struct mr_error *why);

/* Why the bucket's endpoint is known not to answer; NULL: it is not. */
const struct mr_error *mr_silent_find(const struct mr_silent *silent,
    const struct mr_conf_bucket *bucket);

#endif
