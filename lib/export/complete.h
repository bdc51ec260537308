/*
 * Objects that are complete, until that is recorded: files get their names, and the database
 * is told, for many objects at once. What is not recorded when the run ends is written again
 * by the next one, to the same key.
 */
#ifndef MR_EXPORT_COMPLETE_H
#define MR_EXPORT_COMPLETE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"
#include "secret/secret.h"
#include "stage/filegroup.h"

/* One object at one destination. */
struct mr_complete {
	int number; /* of its slice */
	char *key;  /* owned */
	char sha256[MR_SHA256_HEX];
	int64_t rows, bytes;
	int64_t min_id, max_id;
	int64_t min_created_us, max_created_us;
};

/* Those at one destination; begin with {0}. */
struct mr_complete_list {
	struct mr_complete of[MR_FILEGROUP_MOST];
	size_t n;
	struct mr_filegroup files; /* of a folder */
};

/* Takes the key over; there has to be room. */
void mr_complete_add(struct mr_complete_list *list, const struct mr_complete *object);

/*
 * Records them as objects of the batch at the destination, in one statement; what was
 * recorded of them is replaced. The list stays. MR_ENOMEM, or as mr_db_tell().
 */
enum mr_err mr_complete_record(const struct mr_complete_list *list, struct mr_db *db, int64_t batch,
    const char *destination, struct mr_error *err);

/* Forgets them, and removes files that have no name yet. */
void mr_complete_drop(struct mr_complete_list *list);

#endif
