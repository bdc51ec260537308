/*
 * One client: see client.h. One that failed in an earlier run has its turn after all clients,
 * so that waiting for it holds up nobody.
 */
#include "export/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/query.h"
#include "export/deliver.h"
#include "export/delivered.h"
#include "export/destination.h"
#include "export/plan.h"
#include "export/planned.h"
#include "export/verify.h"
#include "stage/format.h"
#include "stage/newfile.h"

struct client {
	const struct mr_context *x;
	const struct mr_conf_client *conf;
	struct mr_destination to[MR_DESTINATIONS];
	size_t n_to;
	struct mr_conf_list except; /* items are the configuration's */
};

static enum mr_err
open_destinations(struct client *c, bool with_backup, struct mr_error *err)
{
	const struct {
		const char *name;
		const struct mr_conf_bucket *bucket;
		bool wanted;
	} all[MR_DESTINATIONS] = {
		{ "bucket", &c->conf->target, true },
		{ "backup", &c->conf->backup, with_backup && c->conf->has_backup },
	};
	enum mr_err e;

	for (size_t i = 0; i < MR_DESTINATIONS; i++) {
		if (!all[i].wanted)
			continue;
		e = mr_destination_open(&c->to[c->n_to], all[i].name, c->conf->name, all[i].bucket, c->x,
		    err);
		if (e != MR_OK)
			return e;
		c->to[c->n_to++].is_backup = i > 0;
	}
	return MR_OK;
}

/* --- planning --- */

/* A dry run is over with its plan. What was asked for over HTTP is answered by the run's record. */
static void
tell_plan(struct client *c, const struct mr_plan_result *result)
{
	c->x->totals->batches += result->batches;
	c->x->totals->objects += result->objects;
	c->x->totals->rows += result->rows;
	if (!c->x->options->over_http)
		printf("client %s: would export %" PRId64 " new events in %" PRId64 " objects and %"
		    PRId64 " batches to %s%s%s\n", c->conf->name, result->rows, result->objects,
		    result->batches, c->to[0].at.url, c->n_to > 1 ? " and " : "",
		    c->n_to > 1 ? c->to[1].at.url : "");
}

static enum mr_err
plan(struct client *c, bool manual, struct mr_error *err)
{
	const struct mr_export_options *o = c->x->options;
	const char *names[MR_DESTINATIONS], *urls[MR_DESTINATIONS];
	struct mr_plan_request request = {
		.client = c->conf->name,
		.run_id = c->x->run->id,
		.sites = mr_conf_client_takes_all(c->conf) ? NULL : &c->conf->sites,
		.except = &c->except,
		.destinations = names,
		.urls = urls,
		.n_destinations = c->n_to,
		.format = o->format != NULL ? o->format : c->conf->format,
		.compression = c->conf->compression,
		.level = c->conf->compression_level,
		.csv_guard = c->conf->csv_guard,
		.parquet_codec = c->conf->parquet_codec,
		.drops_keys = c->conf->partition_columns == MR_COLUMNS_DROP,
		.parquet_json = c->conf->parquet_json,
		.encoder_version = MR_ENCODER_VERSION,
		.frequency = (enum mr_frequency)c->conf->frequency,
		.max_rows = c->x->conf->batch_max_rows,
		.since_us = o->since_us,
		.until_us = o->until_us,
		.dry_run = o->dry_run,
	};
	struct mr_plan_result result;
	enum mr_err e;

	for (size_t i = 0; i < c->n_to; i++) {
		names[i] = c->to[i].name;
		urls[i] = c->to[i].at.url;
	}
	e = manual ? mr_plan_manual(c->x->db, &request, &result, err) :
	    mr_plan_chain(c->x->db, &request, &result, err);
	if (e == MR_OK && o->dry_run)
		tell_plan(c, &result);
	return e;
}

/* --- the chain --- */

/* A folder says at once what is wrong with it: none is a suspect. */
static enum mr_err
load_cursors(struct client *c, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_text(&args, c->conf->name);
	mr_db_arg_text(&args, c->x->run->id);
	e = mr_db_ask(c->x->db, "SELECT destination, batch, (error IS NOT NULL AND failed_at < "
	    "(SELECT started_at FROM export_runs WHERE run_id = $2::uuid))::int "
	    "FROM export_cursors WHERE client = $1", &args, &rows, err);
	if (e != MR_OK)
		return e;
	for (int r = 0; r < mr_db_n_rows(rows); r++)
		for (size_t i = 0; i < c->n_to; i++)
			if (mr_str_eq(mr_db_value(rows, r, 0), mr_str(c->to[i].name))) {
				c->to[i].cursor = mr_db_int(rows, r, 1);
				c->to[i].suspect = mr_db_int(rows, r, 2) != 0 && c->to[i].at.folder == NULL;
			}
	mr_db_rows_free(rows);
	return MR_OK;
}

/* The oldest cursor of those that have not failed, and their names; false: all have. */
static bool
oldest(struct mr_destination *const *to, size_t n, int64_t *cursor, char *names, size_t size)
{
	size_t used = (size_t)snprintf(names, size, "{");
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (to[i]->failed)
			continue;
		if (!any || to[i]->cursor < *cursor)
			*cursor = to[i]->cursor;
		used += (size_t)snprintf(names + used, size - used, "%s%s", any ? "," : "",
		    to[i]->name);
		any = true;
	}
	(void)snprintf(names + used, size - used, "}");
	return any;
}

/* Those that lack the batch become to[]; the others that it is not for pass it by. */
static size_t
addressees(struct mr_destination *const *all, size_t n, const struct mr_planned_batch *batch,
    struct mr_destination **to)
{
	size_t n_to = 0;

	for (size_t i = 0; i < n; i++) {
		if (all[i]->cursor >= batch->id)
			continue;
		if (batch->destination.p != NULL &&
		    !mr_str_eq(batch->destination, mr_str(all[i]->name)))
			all[i]->cursor = batch->id;
		else if (!all[i]->failed)
			to[n_to++] = all[i];
	}
	return n_to;
}

/* Delivers the chain's batches until the destinations have them all, or have failed. */
static enum mr_err
follow(struct client *c, struct mr_destination *const *all, size_t n, struct mr_error *err)
{
	struct mr_destination *to[MR_DESTINATIONS];
	struct mr_planned_batch batch;
	char names[64]; /* of all destinations that there are */
	int64_t at = 0;
	size_t n_to;
	enum mr_err e;

	while (oldest(all, n, &at, names, sizeof names)) {
		e = mr_planned_next(c->x->db, c->conf->name, at, names, &batch, err);
		if (e != MR_OK || batch.id == 0)
			return e;
		n_to = addressees(all, n, &batch, to);
		if (n_to > 0)
			e = mr_deliver_batch(c->x, &batch, to, n_to, false, err);
		mr_planned_free(&batch);
		if (e != MR_OK)
			return e;
	}
	return MR_OK;
}

/* Those that are well share the reading of each batch; each suspect gets its own. */
static enum mr_err
deliver_chain(struct client *c, struct mr_error *err)
{
	struct mr_destination *well[MR_DESTINATIONS];
	size_t n = 0;

	for (size_t i = 0; i < c->n_to; i++) {
		if (c->to[i].suspect)
			continue;
		mr_destination_abort_stale(&c->to[i], c->x);
		well[n++] = &c->to[i];
	}
	return follow(c, well, n, err);
}

static enum mr_err
deliver_to_suspects(struct client *c, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < c->n_to && e == MR_OK; i++) {
		struct mr_destination *one = &c->to[i];

		if (!one->suspect)
			continue;
		mr_destination_abort_stale(one, c->x);
		e = follow(c, &one, 1, err);
	}
	return e;
}

/* --- a span of time --- */

static enum mr_err
deliver_manual(struct client *c, struct mr_error *err)
{
	struct mr_destination *to = &c->to[0];
	struct mr_planned_batch batch;
	int64_t at = 0;
	enum mr_err e = MR_OK;

	while (e == MR_OK && !to->failed) {
		e = mr_planned_next_of_run(c->x->db, c->x->run->id, c->conf->name, at, &batch, err);
		if (e != MR_OK || batch.id == 0)
			return e;
		at = batch.id;
		e = mr_deliver_batch(c->x, &batch, &to, 1, false, err);
		mr_planned_free(&batch);
	}
	return e;
}

/* A request that was interrupted has its plan already. */
static enum mr_err
has_plan(struct client *c, bool *has, struct mr_error *err)
{
	struct mr_planned_batch batch;
	enum mr_err e = mr_planned_next_of_run(c->x->db, c->x->run->id, c->conf->name, 0, &batch, err);

	*has = e == MR_OK && batch.id != 0;
	mr_planned_free(&batch);
	return e;
}

/* --- failures --- */

/* Once for each destination. */
static void
complain(struct client *c, struct mr_destination *d, const struct mr_error *of)
{
	struct mr_error why = MR_ERROR_INIT;

	if (d->told)
		return;
	d->told = true;
	(void)mr_fail(&why, of->code, "client %s, %s: %s", c->conf->name, d->at.url, of->text);
	mr_journal_complain(c->x->journal, &why);
}

/* Folders that are not there are told of before anything takes its time. */
static void
look_at_folders(struct client *c)
{
	struct mr_error why = MR_ERROR_INIT;

	for (size_t i = 0; i < c->n_to; i++)
		if (c->to[i].at.folder != NULL && mr_newfile_check(c->to[i].at.folder, &why) != MR_OK)
			complain(c, &c->to[i], &why);
}

/* A manual export says nothing of how the regular one is. */
static enum mr_err
record_failures(struct client *c, bool manual, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < c->n_to && e == MR_OK; i++) {
		struct mr_db_args args = MR_DB_ARGS_INIT;

		if (!c->to[i].failed)
			continue;
		complain(c, &c->to[i], &c->to[i].err);
		c->x->totals->failures++;
		mr_db_arg_text(&args, c->conf->name);
		mr_db_arg_text(&args, c->to[i].name);
		mr_db_arg_text(&args, c->to[i].err.text);
		if (!manual)
			e = mr_db_tell(c->x->db, "UPDATE export_cursors SET failed_at = now(), "
			    "error = $3 WHERE client = $1 AND destination = $2", &args, err);
	}
	return e;
}

/* --- all of it --- */

/* Apart from the chain, its state or its cursors. */
static bool
is_manual(const struct mr_export_options *o)
{
	return !o->verify && !o->force && mr_delivered_is_span(o);
}

/* What only looks, or is apart from the chain, says nothing of how the chain is. */
static bool
is_regular(const struct mr_export_options *o)
{
	return !o->verify && !o->dry_run && !o->force && !is_manual(o);
}

static enum mr_err
deliver(struct client *c, struct mr_error *err)
{
	struct mr_destination *all[MR_DESTINATIONS] = { &c->to[0], &c->to[1] };
	const struct mr_export_options *o = c->x->options;

	if (o->force)
		return mr_delivered_write_again(c->x, all, c->n_to, err);
	return is_manual(o) ? deliver_manual(c, err) : deliver_chain(c, err);
}

/* What a signal cut off is nobody's failure. */
static enum mr_err
finish(struct client *c, struct mr_error *err)
{
	mr_progress_clear(&c->x->journal->progress);
	return *c->x->stop == 0 ? record_failures(c, is_manual(c->x->options), err) : MR_OK;
}

static enum mr_err
first_turn(struct client *c, struct mr_error *err)
{
	struct mr_destination *all[MR_DESTINATIONS] = { &c->to[0], &c->to[1] };
	const struct mr_export_options *o = c->x->options;
	bool manual = is_manual(o), planned = false;
	enum mr_err e = MR_OK;

	if (is_regular(o))
		look_at_folders(c);
	if (manual && (e = has_plan(c, &planned, err)) != MR_OK)
		return e;
	if (!planned && !o->force && !o->verify && (e = plan(c, manual, err)) != MR_OK)
		return e;
	if (o->dry_run || (e = load_cursors(c, err)) != MR_OK)
		return e;
	if (o->verify)
		return mr_verify_client(c->x, all, c->n_to, err);
	return (e = deliver(c, err)) == MR_OK ? finish(c, err) : e;
}

static enum mr_err
suspects_turn(struct client *c, struct mr_error *err)
{
	enum mr_err e;

	if (!is_regular(c->x->options))
		return MR_OK;
	if ((e = load_cursors(c, err)) != MR_OK || (e = deliver_to_suspects(c, err)) != MR_OK)
		return e;
	return finish(c, err);
}

enum mr_err
mr_client_note_failure(const struct mr_context *x, const struct mr_conf_client *client,
    const struct mr_error *why, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	if (!is_regular(x->options))
		return MR_OK;
	mr_db_arg_text(&args, client->name);
	mr_db_arg_text(&args, why->text);
	return mr_db_tell(x->db, "UPDATE export_cursors SET failed_at = now(), error = $2 WHERE "
	    "client = $1", &args, err);
}

enum mr_err
mr_client_export(const struct mr_context *x, const struct mr_conf_client *client,
    enum mr_client_turn turn, struct mr_error *err)
{
	struct client c = { .x = x, .conf = client };
	enum mr_err e;

	if (!mr_conf_client_others(x->conf, client, &c.except))
		e = mr_fail(err, MR_ENOMEM, "no memory");
	else if ((e = open_destinations(&c, !is_manual(x->options), err)) == MR_OK)
		e = turn == MR_CLIENT_FIRST ? first_turn(&c, err) : suspects_turn(&c, err);
	else if (turn == MR_CLIENT_SUSPECTS)
		e = MR_OK; /* it was told in the first turn */
	for (size_t i = 0; i < c.n_to; i++)
		mr_destination_close(&c.to[i]);
	free(c.except.items);
	return e;
}
