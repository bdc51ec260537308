/* The sink that writes a file: see sink_file.h. */
#include "stage/sink_file.h"

#include <stdlib.h>

#include "stage/newfile.h"

struct sink {
	struct mr_stage stage;
	struct mr_newfile *file;    /* NULL: it is finished or aborted */
	struct mr_filegroup *group; /* NULL: for itself */
};

static enum mr_err
sink_bytes(struct mr_stage *stage, struct mr_str data, struct mr_error *err)
{
	return mr_newfile_write(((struct sink *)stage)->file, data, err);
}

static void
drop(struct sink *s)
{
	mr_newfile_free(s->file);
	s->file = NULL;
}

static enum mr_err
finish_alone(struct sink *s, struct mr_error *err)
{
	enum mr_err e;

	if ((e = mr_newfile_sync(s->file, err)) == MR_OK &&
	    (e = mr_newfile_name(s->file, err)) == MR_OK)
		e = mr_newfile_sync_folders(s->file, err);
	return e;
}

static enum mr_err
sink_finish(struct mr_stage *stage, struct mr_error *err)
{
	struct sink *s = (struct sink *)stage;

	struct mr_newfile *file = s->file;

	if (s->group == NULL)
		return finish_alone(s, err);
	s->file = NULL;
	return mr_filegroup_add(s->group, file, err);
}

static void
sink_abort(struct mr_stage *stage)
{
	drop((struct sink *)stage);
}

static void
sink_free(struct mr_stage *stage)
{
	drop((struct sink *)stage);
	free(stage);
}

static const struct mr_stage_ops ops = {
	.name = "file",
	.bytes = sink_bytes,
	.finish = sink_finish,
	.abort = sink_abort,
	.free = sink_free,
};

struct mr_stage *
mr_sink_file_new(const char *dir, const char *key, struct mr_filegroup *group,
    struct mr_error *err)
{
	struct sink *s = calloc(1, sizeof *s);

	if (s == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for the file %s", key);
		return NULL;
	}
	s->stage.ops = &ops;
	s->group = group;
	if ((s->file = mr_newfile_open(dir, key, err)) != NULL)
		return &s->stage;
	free(s);
	return NULL;
}
