/*
 * The SHA-256 of what passes through, for the manifest. How many bytes it
 * were is in the `bytes` that every stage has.
 */
#ifndef MR_STAGE_METER_H
#define MR_STAGE_METER_H

#include "secret/secret.h"
#include "stage/stage.h"

/* NULL when there is no memory; *err says so. */
struct mr_stage *mr_meter_new(struct mr_stage *next, struct mr_error *err);

/* Of all bytes so far, in lower case. */
void mr_meter_sha256(const struct mr_stage *meter, char hex[MR_SHA256_HEX]);

#endif
