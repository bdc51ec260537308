/* Objects that are complete: see complete.h. */
#include "export/complete.h"

#include <stdlib.h>

#include "base/buf.h"
#include "db/query.h"
#include "export/sql.h"
#include "format/jsonwriter.h"

static const char insert_sql[] =
    "INSERT INTO export_objects (batch, destination, number, key, rows, bytes, sha256, min_id, "
    "max_id, min_created_at, max_created_at) SELECT $1::bigint, $2, number, key, rows, bytes, "
    "sha256, min_id, max_id, " MR_SQL_TIME("min_us") ", " MR_SQL_TIME("max_us")
    " FROM json_to_recordset($3::json) AS o (number integer, key text, rows bigint, bytes bigint, "
    "sha256 text, min_id bigint, max_id bigint, min_us bigint, max_us bigint) "
    "ON CONFLICT (batch, destination, number) DO UPDATE SET key = excluded.key, "
    "rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256, "
    "min_id = excluded.min_id, max_id = excluded.max_id, "
    "min_created_at = excluded.min_created_at, max_created_at = excluded.max_created_at";

void
mr_complete_add(struct mr_complete_list *list, const struct mr_complete *object)
{
	list->of[list->n++] = *object;
}

static void
put_object(struct mr_json_writer *w, const struct mr_complete *c)
{
	mr_json_object(w, NULL);
	mr_json_int(w, "number", c->number);
	mr_json_text(w, "key", mr_str(c->key));
	mr_json_text(w, "sha256", mr_str(c->sha256));
	mr_json_int(w, "rows", c->rows);
	mr_json_int(w, "bytes", c->bytes);
	mr_json_int(w, "min_id", c->min_id);
	mr_json_int(w, "max_id", c->max_id);
	mr_json_int(w, "min_us", c->min_created_us);
	mr_json_int(w, "max_us", c->max_created_us);
	mr_json_end(w);
}

enum mr_err
mr_complete_record(const struct mr_complete_list *list, struct mr_db *db, int64_t batch,
    const char *destination, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_json_writer w;
	struct mr_buf json;
	enum mr_err e;

	mr_buf_init(&json, MR_SQL_MAX);
	mr_json_begin(&w, &json);
	mr_json_array(&w, NULL);
	for (size_t i = 0; i < list->n; i++)
		put_object(&w, &list->of[i]);
	mr_json_end(&w);
	mr_buf_add_char(&json, '\0');
	mr_db_arg_int(&args, batch);
	mr_db_arg_text(&args, destination);
	mr_db_arg_text(&args, json.p);
	e = json.failed ? mr_fail(err, MR_ENOMEM, "no memory to record objects") :
	    mr_db_tell(db, insert_sql, &args, err);
	mr_buf_free(&json);
	return e;
}

void
mr_complete_drop(struct mr_complete_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->of[i].key);
	list->n = 0;
	mr_filegroup_drop(&list->files);
}
