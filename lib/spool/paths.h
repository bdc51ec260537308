/*
 * What lies in the spool's folder, by name, and paths of it, which are whole or
 * refused.
 *
 *   NAME.seg                      a segment (segment.h)
 *   NAME.tmp                      one in the making
 *   replay.lock                   held by the replay that is under way
 *   quarantine/NAME-OFFSET.bad    a damaged piece of a segment, or all of a file
 *   quarantine/NAME-OFFSET.txt    why it was put aside
 */
#ifndef MR_SPOOL_PATHS_H
#define MR_SPOOL_PATHS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/file.h"

#define MR_PATHS_SEGMENT ".seg"
#define MR_PATHS_NEW ".tmp"
#define MR_PATHS_LOCK "replay.lock"
#define MR_PATHS_QUARANTINE "quarantine"
#define MR_PATHS_PIECE ".bad"
#define MR_PATHS_REASON ".txt"

/* FOLDER/NAMESUFFIX. MR_EINVAL when it is too long to be a path. */
enum mr_err mr_paths_join(char path[MR_FILE_PATH_MAX], const char *folder, const char *name,
    const char *suffix, struct mr_error *err);

/* The last part of a path. */
const char *mr_paths_name(const char *path);

/* Whether a name has something in front of the suffix. */
bool mr_paths_end(const char *name, const char *suffix);

#endif
