/*
 * Files that are whole, and get their names together: a few with a sync each, more with two
 * syncs of the file system, each of which costs about as much as one of a file.
 */
#ifndef MR_STAGE_FILEGROUP_H
#define MR_STAGE_FILEGROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "stage/newfile.h"

#define MR_FILEGROUP_MOST (MR_NEWFILE_SYNCS_ALL ? 200 : 40) /* descriptors are open of each */

/* Owns the files; begin with {0}. */
struct mr_filegroup {
	struct mr_newfile *files[MR_FILEGROUP_MOST];
	size_t n;
};

/*
 * Takes a file over, also after an error, behind its last write; there has to be room. MR_EIO:
 * it did not reach the disk.
 */
enum mr_err mr_filegroup_add(struct mr_filegroup *g, struct mr_newfile *f, struct mr_error *err);

/*
 * Syncs, names, and syncs again: after MR_OK all of them survive a crash. After an error some
 * may be there, and what has no name is removed. The group is empty afterwards.
 */
enum mr_err mr_filegroup_commit(struct mr_filegroup *g, struct mr_error *err);

/* Removes them. */
void mr_filegroup_drop(struct mr_filegroup *g);

#endif
