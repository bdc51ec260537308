/*
 * A sink that writes one file below a directory (destination file:///…).
 *
 * The file has a name that begins with a dot until it is whole and synced; it
 * then replaces whatever had its name, and the directory is synced. So a
 * reader sees all of it or nothing, and after finish it survives a crash.
 * Abort removes it. What a killed process left is replaced by the next try.
 * Folders in the key are made (0750), the file has 0640, both less the umask;
 * made by root, they belong to the owner of the directory.
 */
#ifndef MR_STAGE_SINK_FILE_H
#define MR_STAGE_SINK_FILE_H

#include "stage/filegroup.h"
#include "stage/stage.h"

/*
 * dir has to exist: a file system that is not mounted is an error, not a new
 * folder. key is the path below it, with '/' between names none of which is
 * empty, "." or ".."; symbolic links in it are not followed. Errors (NULL):
 * MR_EINVAL for the key, MR_EIO with path and reason, MR_ENOMEM.
 *
 * group (NULL: none): finish leaves syncing it and giving it its name to the group, which has
 * to have room for it by then.
 */
struct mr_stage *mr_sink_file_new(const char *dir, const char *key, struct mr_filegroup *group,
    struct mr_error *err);

#endif
