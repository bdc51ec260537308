/* Names and paths in the spool's folder: see paths.h. */
#include "spool/paths.h"

#include <string.h>

enum mr_err
mr_paths_join(char path[MR_FILE_PATH_MAX], const char *folder, const char *name,
    const char *suffix, struct mr_error *err)
{
	if (mr_file_join(path, MR_FILE_PATH_MAX, folder, name, suffix) == 0)
		return MR_OK;
	return mr_fail(err, MR_EINVAL, "spool %.300s: the path of %.100s%s in it is too long", folder,
	    name, suffix);
}

const char *
mr_paths_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

bool
mr_paths_end(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}
