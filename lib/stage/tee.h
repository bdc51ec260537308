/*
 * One stream into several stages. One that fails is aborted and left out from
 * then on, while the others go on; the tee itself fails when all have failed.
 */
#ifndef MR_STAGE_TEE_H
#define MR_STAGE_TEE_H

#include "stage/stage.h"

#define MR_TEE_MAX 8

/*
 * Owns the n outputs, 1 to MR_TEE_MAX, from the moment it was made; MR_EINVAL
 * in *err when there are too many. NULL when it failed.
 */
struct mr_stage *mr_tee_new(struct mr_stage *const *outputs, size_t n, struct mr_error *err);

/* MR_OK, or the code with which output i failed and in *err (may be NULL) the whole error. */
enum mr_err mr_tee_result(const struct mr_stage *tee, size_t i, struct mr_error *err);

#endif
