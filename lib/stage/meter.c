/* The hashing stage: see meter.h. */
#include "stage/meter.h"

#include <stdlib.h>

struct meter {
	struct mr_stage stage;
	struct mr_sha256 sha256;
};

static enum mr_err
meter_bytes(struct mr_stage *s, struct mr_str data, struct mr_error *err)
{
	struct meter *m = (struct meter *)s;

	mr_sha256_add(&m->sha256, data.p, data.n);
	return mr_stage_bytes(s->next, data, err);
}

static void
meter_free(struct mr_stage *s)
{
	free(s);
}

static const struct mr_stage_ops ops = {
	.name = "meter",
	.bytes = meter_bytes,
	.free = meter_free,
};

struct mr_stage *
mr_meter_new(struct mr_stage *next, struct mr_error *err)
{
	struct meter *m = calloc(1, sizeof *m);

	if (m == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for the meter");
		return NULL;
	}
	m->stage.ops = &ops;
	m->stage.next = next;
	mr_sha256_init(&m->sha256);
	return &m->stage;
}

void
mr_meter_sha256(const struct mr_stage *meter, char hex[MR_SHA256_HEX])
{
	struct mr_sha256 sha256 = ((const struct meter *)meter)->sha256;
	unsigned char digest[MR_SHA256_BYTES];

	mr_sha256_final(&sha256, digest);
	mr_secret_hex(digest, sizeof digest, hex);
}
