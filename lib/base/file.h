/*
 * What every reader and writer of files needs: all of the bytes or an error, a
 * folder on disk, and a path that is whole or refused. As system calls do, each
 * returns -1 and says why in errno.
 */
#ifndef MR_BASE_FILE_H
#define MR_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"

/* Room for any path, its NUL included. */
#define MR_FILE_PATH_MAX 4096

/* Writes all the bytes. A file system that takes none of them is full: ENOSPC. */
int mr_file_write_all(int fd, struct mr_str bytes);

/* The same with a function in place of write(2). */
int mr_file_write_all_with(ssize_t (*put)(int fd, const void *p, size_t n), int fd,
    struct mr_str bytes);

/*
 * Reads to the end of the file, at most `size` bytes: how many there were. When
 * all the room was taken, there may be more.
 */
ssize_t mr_file_read_all(int fd, void *to, size_t size);

/* The names in a folder are on disk when it returns. */
int mr_file_sync_dir(const char *folder);

/*
 * FOLDER/NAMESUFFIX; suffix may be "". ENAMETOOLONG when it does not fit; the
 * path is "" then.
 */
int mr_file_join(char *path, size_t size, const char *folder, const char *name,
    const char *suffix);

/* The folder that a path names its file in: "." when it has no slash. As join. */
int mr_file_folder(char *folder, size_t size, const char *path);

#endif
