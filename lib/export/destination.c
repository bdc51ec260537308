/* Destinations, which are folders or buckets: see destination.h. */
#include "export/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "db/query.h"
#include "stage/sink_file.h"
#include "stage/sink_s3.h"

/* No request of a run that was killed is carried out after that. */
#define REQUEST_AGE "10 minutes"
/* Of a suspect's endpoint, which is asked whether it is there. */
#define PROBE_ATTEMPTS 2
#define PROBE_CONNECT_MS 3000
#define PROBE_STALL_S 5

enum mr_err
mr_destination_open(struct mr_destination *d, const char *name, const char *client,
    const struct mr_conf_bucket *conf, const struct mr_context *x, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;

	*d = (struct mr_destination){ .name = name, .client = client, .conf = conf, .db = x->db,
		.silent = x->silent };
	if ((e = mr_target_open(&d->at, conf, &why)) != MR_OK)
		return mr_fail(err, e, "client %s, %s: %s", client, name, why.text);
	return MR_OK;
}

void
mr_destination_close(struct mr_destination *d)
{
	mr_complete_drop(&d->complete);
	mr_s3_free(d->s3);
	mr_creds_free(d->creds);
	mr_target_free(&d->at);
	free(d->prefix);
	*d = (struct mr_destination){ .name = NULL };
}

void
mr_destination_fail(struct mr_destination *d, const struct mr_error *why)
{
	d->failed = true;
	d->err = *why;
	if (why->code == MR_EAGAIN && d->s3 != NULL && !mr_s3_was_answered(d->s3))
		mr_silent_note(d->silent, d->conf, why);
}

/* --- where a batch goes --- */

static enum mr_err
load_prefix(struct mr_destination *d, const struct mr_planned_batch *batch, const char *place,
    struct mr_error *err)
{
	struct mr_db_args here = MR_DB_ARGS_INIT, args;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_int(&here, batch->id);
	mr_db_arg_text(&here, d->name);
	mr_db_arg_text(&here, place);
	/* What lies in another place is not here. */
	e = mr_db_tell(d->db, "DELETE FROM export_objects o USING export_places p WHERE "
	    "o.batch = $1::bigint AND o.destination = $2 AND p.batch = o.batch AND "
	    "p.destination = o.destination AND p.place <> $3", &here, err);
	if (e != MR_OK)
		return e;
	args = (struct mr_db_args)MR_DB_ARGS_INIT;
	mr_db_arg_int(&args, batch->id);
	mr_db_arg_text(&args, d->name);
	mr_db_arg_text(&args, place);
	mr_db_arg_text(&args, d->at.prefix);
	e = mr_db_ask(d->db, "INSERT INTO export_places AS p (batch, destination, place, prefix) "
	    "VALUES ($1::bigint, $2, $3, $4) ON CONFLICT (batch, destination) DO UPDATE SET "
	    "prefix = CASE p.place WHEN excluded.place THEN p.prefix ELSE excluded.prefix END, "
	    "place = excluded.place RETURNING prefix", &args, &rows, err);
	if (e != MR_OK)
		return e;
	free(d->prefix);
	d->prefix = strdup(mr_db_value(rows, 0, 0).p);
	mr_db_rows_free(rows);
	return d->prefix != NULL ? MR_OK : mr_fail(err, MR_ENOMEM, "no memory");
}

enum mr_err
mr_destination_settle(struct mr_destination *d, const struct mr_planned_batch *batch,
    struct mr_error *err)
{
	const char *endpoint = d->at.folder == NULL ? d->conf->endpoint : "";
	struct mr_buf place;
	enum mr_err e;

	mr_buf_init(&place, 8192);
	mr_buf_printf(&place, "%s %s", endpoint, d->at.folder != NULL ? d->at.folder : d->at.bucket);
	mr_buf_add_char(&place, '\0');
	e = place.failed ? mr_fail(err, MR_ENOMEM, "no memory") :
	    load_prefix(d, batch, place.p, err);
	mr_buf_free(&place);
	return e;
}

enum mr_err
mr_destination_unsettle(struct mr_destination *d, const struct mr_planned_batch *batch,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_int(&args, batch->id);
	mr_db_arg_text(&args, d->name);
	return mr_db_tell(d->db, "DELETE FROM export_places p WHERE batch = $1::bigint AND "
	    "destination = $2 AND NOT EXISTS (SELECT FROM export_objects o WHERE "
	    "o.batch = p.batch AND o.destination = p.destination)", &args, err);
}

/* --- S3 --- */

/* $1 and $2 of the statements below. */
static void
put_names(struct mr_db_args *args, const struct mr_destination *d)
{
	mr_db_arg_text(args, d->client);
	mr_db_arg_text(args, d->name);
}

/*
 * A crash from here on may leave an upload whose id nobody was told: one without
 * an id is on record until there is one.
 */
static enum mr_err
note_key(void *arg, const char *bucket, const char *key, struct mr_error *err)
{
	struct mr_destination *d = arg;
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	put_names(&args, d);
	mr_db_arg_text(&args, bucket);
	mr_db_arg_text(&args, key);
	e = mr_db_ask(d->db, "INSERT INTO export_uploads (client, destination, bucket, key, "
	    "upload_id) VALUES ($1, $2, $3, $4, '') ON CONFLICT DO NOTHING RETURNING 1", &args, &rows,
	    err);
	if (e != MR_OK)
		return e;
	d->stale_uploads = mr_db_n_rows(rows) == 0;
	mr_db_rows_free(rows);
	return MR_OK;
}

/* A crash from here on leaves an upload that the next run can abort by its id. */
static enum mr_err
note_upload(void *arg, const char *bucket, const char *key, const char *id, struct mr_error *err)
{
	const struct mr_destination *d = arg;
	struct mr_db_args args = MR_DB_ARGS_INIT;

	put_names(&args, d);
	mr_db_arg_text(&args, bucket);
	mr_db_arg_text(&args, key);
	mr_db_arg_text(&args, id);
	mr_db_arg_text(&args, d->stale_uploads ? "true" : "false");
	return mr_db_tell(d->db, "WITH known AS (DELETE FROM export_uploads WHERE client = $1 AND "
	    "destination = $2 AND key = $4 AND upload_id = '' AND NOT $6::boolean) "
	    "INSERT INTO export_uploads (client, destination, bucket, key, upload_id) "
	    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", &args, err);
}

static void
forget_upload(void *arg, const char *bucket, const char *key, const char *id)
{
	const struct mr_destination *d = arg;
	struct mr_db_args args = MR_DB_ARGS_INIT;

	(void)bucket;
	put_names(&args, d);
	mr_db_arg_text(&args, key);
	mr_db_arg_text(&args, id);
	(void)mr_db_tell(d->db, "DELETE FROM export_uploads WHERE client = $1 AND "
	    "destination = $2 AND key = $3 AND upload_id = $4", &args, NULL);
}

/* Whether it answers at all: what it says to the real requests is told by those. */
static enum mr_err
probe(struct mr_destination *d, struct mr_s3_options s3, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_s3 *client;
	enum mr_err e;

	s3.max_attempts = PROBE_ATTEMPTS;
	s3.connect_timeout_ms = PROBE_CONNECT_MS;
	s3.stall_timeout_s = PROBE_STALL_S;
	if ((e = mr_s3_new(&client, &s3, err)) != MR_OK)
		return e;
	e = mr_s3_head_bucket(client, d->at.bucket, &why);
	if (e == MR_EAGAIN && !mr_s3_was_answered(client)) {
		mr_silent_note(d->silent, d->conf, &why);
		*err = why;
	} else {
		e = MR_OK;
	}
	mr_s3_free(client);
	return e;
}

static enum mr_err
open_s3(struct mr_destination *d, const struct mr_context *x, struct mr_error *err)
{
	struct mr_creds_options creds = mr_target_creds_options(x->conf, d->conf);
	struct mr_s3_options s3 = mr_target_s3_options(d->conf);
	const struct mr_error *silent = mr_silent_find(d->silent, d->conf);
	enum mr_err e;

	if (d->s3 != NULL)
		return MR_OK;
	if (silent != NULL)
		return *err = *silent, silent->code;
	creds.stop = s3.stop = x->stop;
	if (d->creds == NULL && (e = mr_creds_new(&d->creds, &creds, err)) != MR_OK)
		return e;
	s3.creds = d->creds;
	if (d->suspect && (e = probe(d, s3, err)) != MR_OK)
		return e;
	s3.creating = note_key;
	s3.created = note_upload;
	s3.ended = forget_upload;
	s3.arg = d;
	return mr_s3_new(&d->s3, &s3, err);
}

struct mr_stage *
mr_destination_sink(struct mr_destination *d, const struct mr_context *x, const char *key,
    const char *content_type, struct mr_filegroup *group, struct mr_error *err)
{
	if (d->at.folder != NULL)
		return mr_sink_file_new(d->at.folder, key, group, err);
	if (open_s3(d, x, err) != MR_OK)
		return NULL;
	return mr_sink_s3_new(d->s3, d->at.bucket, key, content_type, d->conf->if_none_match, err);
}

/*
 * Uploads to a key that an earlier run may have begun. A request that was under
 * way when that run was killed may be carried out still, so `recent` keys are
 * looked at again. Without the permission to list nothing can be done.
 */
static enum mr_err
abort_by_key(struct mr_destination *d, const char *bucket, const char *key, bool recent,
    struct mr_error *err)
{
	enum mr_err e = mr_s3_abort_key(d->s3, bucket, key, NULL, err);

	if (e == MR_EINVAL)
		mr_log_debug("client %s, %s: uploads that an earlier run may have left are not "
		    "looked for: %s", d->client, d->name, err->text);
	if (e == MR_EINVAL || (e == MR_OK && !recent))
		forget_upload(d, bucket, key, "");
	return e == MR_EINVAL ? MR_OK : e;
}

void
mr_destination_abort_stale(struct mr_destination *d, const struct mr_context *x)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_rows *rows = NULL;
	enum mr_err e = MR_OK;

	put_names(&args, d);
	if (d->at.folder != NULL || mr_db_ask(d->db, "SELECT bucket, key, upload_id, "
	    "(created_at > now() - interval '" REQUEST_AGE "')::int FROM export_uploads "
	    "WHERE client = $1 AND destination = $2 ORDER BY created_at LIMIT 10000", &args, &rows,
	    NULL) != MR_OK)
		return;
	for (int i = 0; i < mr_db_n_rows(rows) && e == MR_OK; i++) {
		const char *bucket = mr_db_value(rows, i, 0).p, *key = mr_db_value(rows, i, 1).p;
		const char *id = mr_db_value(rows, i, 2).p;

		if ((e = open_s3(d, x, &err)) != MR_OK)
			break;
		if (id[0] != '\0')
			e = mr_s3_abort_upload(d->s3, bucket, key, id, &err);
		else
			e = abort_by_key(d, bucket, key, mr_db_int(rows, i, 3) != 0, &err);
	}
	if (e != MR_OK)
		mr_log_warning("client %s, %s: an upload that an earlier run left was not aborted: %s",
		    d->client, d->name, err.text);
	mr_db_rows_free(rows);
}

/* --- reading --- */

static enum mr_err
read_file(const struct mr_destination *d, const char *key,
    bool (*take)(void *arg, const char *p, size_t n), void *arg, bool *missing,
    struct mr_error *err)
{
	static char buffer[65536];
	size_t n = strlen(d->at.folder) + strlen(key) + 2;
	char *path = malloc(n);
	ssize_t got = -1;
	int fd = -1;

	if (path == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	(void)snprintf(path, n, "%s/%s", d->at.folder, key);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		while ((got = read(fd, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR))
			if (got > 0 && !take(arg, buffer, (size_t)got))
				break;
	if (got < 0) {
		int error = errno;

		*missing = error == ENOENT && access(d->at.folder, F_OK) == 0;
		(void)mr_fail(err, MR_EIO, "%s: cannot be read: %s", path, strerror(error));
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return got < 0 ? MR_EIO : MR_OK;
}

enum mr_err
mr_destination_read(struct mr_destination *d, const struct mr_context *x, const char *key,
    bool (*take)(void *arg, const char *p, size_t n), void *arg, bool *missing,
    struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;

	*missing = false;
	if (d->at.folder != NULL)
		return read_file(d, key, take, arg, missing, err);
	if ((e = open_s3(d, x, err)) != MR_OK)
		return e;
	if ((e = mr_s3_get(d->s3, d->at.bucket, key, take, arg, &why)) == MR_OK)
		return MR_OK;
	*missing = strcmp(mr_s3_error_code(d->s3), "NoSuchKey") == 0;
	return mr_fail(err, e, "%s: %s", why.text, key);
}
