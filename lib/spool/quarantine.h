/*
 * The quarantine: bytes of the spool that cannot be replayed, put aside with
 * the reason, for somebody to look at.
 */
#ifndef MR_SPOOL_QUARANTINE_H
#define MR_SPOOL_QUARANTINE_H

#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Copies bytes that lie at `offset` of the segment to SPOOL/quarantine/
 * SEGMENT-OFFSET.bad, and the reason into a file of that name with .txt; all on
 * disk when it returns. The same piece again replaces itself. MR_EIO; MR_EINVAL
 * when a name is too long.
 */
enum mr_err mr_quarantine(const char *spool, const char *segment, off_t offset,
    struct mr_str bytes, const char *reason, struct mr_error *err);

/* Moves a whole file of the spool there. Errors as above. */
enum mr_err mr_quarantine_file(const char *spool, const char *path, struct mr_error *err);

#endif
