/*
 * The manifest, which is the last object of a batch, and what is recorded with it. Its
 * bytes follow from the plan and the objects.
 */
#ifndef MR_EXPORT_MANIFEST_H
#define MR_EXPORT_MANIFEST_H

#include <stdbool.h>

#include "base/error.h"
#include "export/delivery.h"
#include "export/destination.h"

/*
 * Writes the manifest to a destination that has not failed, and records the batch as
 * delivered; a destination where it cannot be written is marked as failed. Errors are not
 * those of the destination: MR_ENOMEM, or as mr_db_ask().
 */
enum mr_err mr_manifest_deliver(const struct mr_delivery *d, struct mr_destination *to,
    bool moves_cursor, struct mr_error *err);

/* The row in export_audit of a destination that failed. As mr_db_tell(). */
enum mr_err mr_manifest_audit_failure(const struct mr_delivery *d,
    const struct mr_destination *to, struct mr_error *err);

#endif
