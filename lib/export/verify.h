/*
 * --verify: what lies at the destinations of a client, against what was delivered.
 */
#ifndef MR_EXPORT_VERIFY_H
#define MR_EXPORT_VERIFY_H

#include <stddef.h>

#include "base/error.h"
#include "export/context.h"
#include "export/destination.h"

/*
 * Reads the last batch of each destination back, or those planned in the span that is asked
 * for, compares, and counts what is missing or differs. One where an object cannot be read
 * has failed: that is said once, and nothing more of it is read. MR_EAGAIN after a signal;
 * else as mr_db_ask().
 */
enum mr_err mr_verify_client(const struct mr_context *x, struct mr_destination *const *to,
    size_t n_to, struct mr_error *err);

#endif
