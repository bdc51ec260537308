/* Files that get their names together: see filegroup.h. */
#include "stage/filegroup.h"

/* Of no more than that each is synced: what else is written to the file system may be much. */
#define FEW 4

enum mr_err
mr_filegroup_add(struct mr_filegroup *g, struct mr_newfile *f, struct mr_error *err)
{
	enum mr_err e = MR_NEWFILE_SYNCS_ALL && g->n >= FEW ? mr_newfile_leave_sync(f, err) : MR_OK;

	if (e == MR_OK)
		g->files[g->n++] = f;
	else
		mr_newfile_free(f);
	return e;
}

static enum mr_err
each(struct mr_filegroup *g, enum mr_err (*step)(struct mr_newfile *f, struct mr_error *err),
    struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < g->n && e == MR_OK; i++)
		e = step(g->files[i], err);
	return e;
}

static enum mr_err
commit_each(struct mr_filegroup *g, struct mr_error *err)
{
	enum mr_err e;

	if ((e = each(g, mr_newfile_sync, err)) == MR_OK &&
	    (e = each(g, mr_newfile_name, err)) == MR_OK)
		e = each(g, mr_newfile_sync_folders, err);
	return e;
}

/* Mostly they are all of one; a folder within may be another one's. */
static enum mr_err
sync_systems(struct mr_filegroup *g, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < g->n && e == MR_OK; i++)
		if (i == 0 || !mr_newfile_same_system(g->files[i - 1], g->files[i]))
			e = mr_newfile_sync_all(g->files[i], err);
	return e;
}

static enum mr_err
commit_all(struct mr_filegroup *g, struct mr_error *err)
{
	enum mr_err e;

	if ((e = each(g, mr_newfile_leave_sync, err)) == MR_OK &&
	    (e = sync_systems(g, err)) == MR_OK && (e = each(g, mr_newfile_name, err)) == MR_OK)
		e = sync_systems(g, err);
	return e;
}

enum mr_err
mr_filegroup_commit(struct mr_filegroup *g, struct mr_error *err)
{
	enum mr_err e = MR_NEWFILE_SYNCS_ALL && g->n > FEW ? commit_all(g, err) : commit_each(g, err);

	mr_filegroup_drop(g);
	return e;
}

void
mr_filegroup_drop(struct mr_filegroup *g)
{
	for (size_t i = 0; i < g->n; i++)
		mr_newfile_free(g->files[i]);
	g->n = 0;
}
