/* Rows that the database refuses: see isolate.h. */
#include "ingest/isolate.h"

#include <stdbool.h>

#include "db/query.h"

/* BEGIN and ROLLBACK wait for nobody. */
#define SCRIPT_TIMEOUT_MS 3000

struct search {
	struct mr_store *store;
	struct mr_db *db;
	struct mr_arena *arena;
	const struct mr_batch *batch;
	struct mr_reject **refused; /* of each row: its refusal, or NULL */
	struct mr_error *err;
};

/* Whether the rows from..to would be stored. */
static enum mr_db_class
try_rows(struct search *s, size_t from, size_t to)
{
	const struct mr_batch part = { .rows = s->batch->rows + from, .n_rows = to - from };
	const struct mr_batch *const parts[] = { &part };
	bool duplicate;
	size_t repeated;
	struct mr_group group = { .batches = parts, .n = 1, .duplicate = &duplicate,
		.repeated = &repeated, .trial = true };
	enum mr_db_class class, end;

	class = mr_db_ensure(s->db, s->err) == MR_OK ?
	    mr_db_script(s->db, "BEGIN", SCRIPT_TIMEOUT_MS, s->err) : MR_DB_UNAVAILABLE;
	if (class != MR_DB_OK)
		return class;
	mr_uuid_make(group.id);
	class = mr_store_group(s->store, s->db, &group, s->err);
	/* Whatever came of it, no transaction may stay open; err keeps the first reason. */
	end = mr_db_script(s->db, "ROLLBACK", SCRIPT_TIMEOUT_MS,
	    class == MR_DB_OK ? s->err : NULL);
	if (class != MR_DB_OK && class != MR_DB_DATA)
		return class;
	return end == MR_DB_OK ? class : end;
}

/* The place of a row in the client's array: rows are what its refusals left. */
static int64_t
index_of(const struct mr_batch *batch, size_t row)
{
	int64_t index = (int64_t)row - (batch->bare ? 0 : 1);

	if (!batch->is_batch)
		return 0;
	for (size_t i = 0; i < batch->n_rejects; i++)
		if (batch->rejects[i].index <= index)
			index++;
	return index;
}

static enum mr_db_class
refuse(struct search *s, size_t row)
{
	struct mr_reject *r = mr_arena_alloc(s->arena, sizeof *r);

	if (r == NULL)
		return MR_DB_UNAVAILABLE;
	*r = (struct mr_reject){
		.index = index_of(s->batch, row),
		.payload = s->batch->rows[row].payload,
		.reason = mr_arena_dup(s->arena, mr_str(s->err->text)),
		.sqlstate = mr_arena_dup(s->arena, mr_str(mr_db_sqlstate(s->db))),
	};
	if (r->reason.p == NULL || r->sqlstate.p == NULL)
		return MR_DB_UNAVAILABLE;
	s->refused[row] = r;
	return MR_DB_OK;
}

static enum mr_db_class
search_rows(struct search *s, size_t from, size_t to)
{
	enum mr_db_class class = try_rows(s, from, to);
	size_t middle = from + (to - from) / 2;

	if (class != MR_DB_DATA)
		return class;
	if (to - from == 1)
		return refuse(s, from);
	class = search_rows(s, from, middle);
	return class == MR_DB_OK ? search_rows(s, middle, to) : class;
}

/* Refusals stay in the order of the client's array; they are few. */
static void
insert_sorted(struct mr_reject *rejects, size_t n, const struct mr_reject *r)
{
	for (; n > 0 && rejects[n - 1].index > r->index; n--)
		rejects[n] = rejects[n - 1];
	rejects[n] = *r;
}

static enum mr_db_class
split(const struct search *s, struct mr_batch *batch)
{
	size_t kept = 0;
	struct mr_reject *rejects = mr_arena_array(s->arena, batch->n_rejects + batch->n_rows,
	    sizeof *rejects);

	if (rejects == NULL)
		return MR_DB_UNAVAILABLE;
	if (batch->n_rejects > 0)
		memcpy(rejects, batch->rejects, batch->n_rejects * sizeof *rejects);
	batch->rejects = rejects;
	for (size_t i = 0; i < batch->n_rows; i++) {
		if (s->refused[i] != NULL)
			insert_sorted(rejects, batch->n_rejects++, s->refused[i]);
		else
			batch->rows[kept++] = batch->rows[i];
	}
	batch->n_rows = kept;
	return MR_DB_OK;
}

enum mr_db_class
mr_isolate(struct mr_store *store, struct mr_db *db, struct mr_batch *batch,
    struct mr_arena *arena, struct mr_error *err)
{
	struct mr_error local = MR_ERROR_INIT;
	struct search s = { .store = store, .db = db, .arena = arena, .batch = batch,
		.err = err != NULL ? err : &local };
	enum mr_db_class class;

	s.refused = mr_arena_array(arena, batch->n_rows, sizeof *s.refused);
	if (s.refused == NULL)
		return MR_DB_UNAVAILABLE;
	memset(s.refused, 0, batch->n_rows * sizeof *s.refused);
	class = search_rows(&s, 0, batch->n_rows);
	return class == MR_DB_OK ? split(&s, batch) : class;
}
