/*
 * A file that gets its name when it is whole: made below a directory under a name that begins
 * with a dot, written, synced, named, and its folders synced. Each step is a call, so that
 * they can be done for many files together: the first sync then does most of the work of all.
 * What a killed process left under that name is replaced. See sink_file.h for modes and owners.
 */
#ifndef MR_STAGE_NEWFILE_H
#define MR_STAGE_NEWFILE_H

#include "config.h"

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

struct mr_newfile;

/* Whether there is such a directory; MR_EIO says why it cannot be one. */
enum mr_err mr_newfile_check(const char *dir, struct mr_error *err);

/* As mr_sink_file_new(); the file is the caller's. NULL after an error. */
struct mr_newfile *mr_newfile_open(const char *dir, const char *key, struct mr_error *err);

/* MR_EIO with path and reason, like those that follow. */
enum mr_err mr_newfile_write(struct mr_newfile *f, struct mr_str data, struct mr_error *err);

/* The steps after the last write, in this order. Behind the last one it survives a crash. */
enum mr_err mr_newfile_sync(struct mr_newfile *f, struct mr_error *err);
enum mr_err mr_newfile_name(struct mr_newfile *f, struct mr_error *err);
enum mr_err mr_newfile_sync_folders(struct mr_newfile *f, struct mr_error *err);

/*
 * Instead of both syncs, for many files, where the system can (MR_NEWFILE_SYNCS_ALL): closes
 * what only those need; then everything that was written to the file system of a file is
 * synced, before it gets its name and once more after.
 */
enum mr_err mr_newfile_leave_sync(struct mr_newfile *f, struct mr_error *err);
enum mr_err mr_newfile_sync_all(struct mr_newfile *f, struct mr_error *err);
bool mr_newfile_same_system(const struct mr_newfile *a, const struct mr_newfile *b);

#ifdef HAVE_SYNCFS
#define MR_NEWFILE_SYNCS_ALL true
#else
#define MR_NEWFILE_SYNCS_ALL false
#endif

/* Removes it, unless it has its name; NULL is allowed. */
void mr_newfile_free(struct mr_newfile *f);

#endif
