/* The size of the buffer: see buffer.h. */
#include "buffer.h"

#include <inttypes.h>
#include <stddef.h>

#include "db/connection.h"
#include "promtext.h"
#include "retention/buffer.h"

#define TIMEOUT_MS 1000 /* of connecting, and of each of two statements */

/* Through a connection of its own, which waits less than others. */
static enum mr_err
ask(const struct mr_conf *conf, struct mr_buffer_state *state, struct mr_error *err)
{
	struct mr_db_options options = mr_db_options_of(conf, "millrace buffer");
	struct mr_db *db;
	enum mr_err e;

	*state = (struct mr_buffer_state){ .holders = { .items = NULL } };
	options.connect_timeout_ms = options.query_timeout_ms = TIMEOUT_MS;
	if ((db = mr_db_new(&options)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	if ((e = mr_db_ensure(db, err)) == MR_OK)
		e = mr_buffer_load(db, conf, state, err);
	mr_db_free(db);
	return e;
}

/* --- metrics --- */

static void
put_classes(struct mr_buf *b, const struct mr_buffer_state *state, const char *family,
    const char *help, size_t member)
{
	mr_promtext_head(b, family, "gauge", help);
	for (int i = 0; i < MR_BUFFER_AGES; i++)
		mr_buf_printf(b, "millrace_%s{age=\"%s\"} %" PRId64 "\n", family,
		    mr_buffer_age_name((enum mr_buffer_age)i),
		    *(const int64_t *)(const void *)((const char *)&state->classes[i] + member));
}

/* NULL: it holds nothing. */
static const struct mr_holder *
find_holder(const struct mr_holders *holders, const char *client, const char *destination)
{
	for (size_t i = 0; i < holders->n; i++)
		if (mr_str_eq(holders->items[i].client, mr_str(client)) &&
		    mr_str_eq(holders->items[i].destination, mr_str(destination)))
			return &holders->items[i];
	return NULL;
}

static void
put_holder(struct mr_buf *b, const struct mr_buffer_state *state, const char *family,
    size_t member, const char *client, const char *destination)
{
	const struct mr_holder *h = find_holder(&state->holders, client, destination);

	mr_buf_printf(b, "millrace_%s{client=\"%s\",destination=\"%s\"} %" PRId64 "\n", family, client,
	    destination, h == NULL ? 0 : *(const int64_t *)(const void *)((const char *)h + member));
}

static void
put_holders(struct mr_buf *b, const struct mr_conf *conf, const struct mr_buffer_state *state,
    const char *family, const char *help, size_t member)
{
	mr_promtext_head(b, family, "gauge", help);
	for (size_t i = 0; i < conf->n_clients; i++) {
		put_holder(b, state, family, member, conf->clients[i].name, "bucket");
		if (conf->clients[i].has_backup)
			put_holder(b, state, family, member, conf->clients[i].name, "backup");
	}
}

static void
put_state(struct mr_buf *b, const struct mr_conf *conf, const struct mr_buffer_state *state)
{
	put_classes(b, state, "buffer_partitions", "Partitions of events, by how long their time has "
	    "been over.", offsetof(struct mr_buffer_class, partitions));
	put_classes(b, state, "buffer_bytes", "Bytes of those, with their indexes.",
	    offsetof(struct mr_buffer_class, bytes));
	put_classes(b, state, "buffer_events", "Events in those, estimated.",
	    offsetof(struct mr_buffer_class, events));
	mr_promtext_gauge(b, "buffer_max_bytes", "max_bytes of [retention]; 0: no such limit.",
	    (double)conf->max_bytes);
	if (conf->n_clients == 0)
		return;
	put_holders(b, conf, state, "buffer_held_bytes", "Bytes of partitions whose time is over that "
	    "wait for the destination, by its share.", offsetof(struct mr_holder, bytes));
	put_holders(b, conf, state, "buffer_held_partitions", "Partitions whose time is over of which the "
	    "destination lacks events.", offsetof(struct mr_holder, partitions));
	put_holders(b, conf, state, "buffer_held_age_seconds", "How long the time of the oldest of those has "
	    "been over; 0: there is none.", offsetof(struct mr_holder, age_s));
}

void
mr_buffer_metrics(const struct mr_worker *worker, bool reachable, struct mr_buf *b)
{
	struct mr_buffer_state state = { .holders = { .items = NULL } };
	bool known = reachable && ask(worker->conf, &state, NULL) == MR_OK;

	mr_promtext_gauge(b, "buffer_known", "1: the database said how large the buffer is; 0: it did "
	    "not, and the other metrics of the buffer are missing.", known);
	if (known)
		put_state(b, worker->conf, &state);
	mr_buffer_free(&state);
}

/* --- health --- */

static void
write_held(struct mr_json_writer *w, const struct mr_holder *h)
{
	mr_json_object(w, NULL);
	mr_json_text(w, "client", h->client);
	mr_json_text(w, "destination", h->destination);
	mr_json_int(w, "bytes", h->bytes);
	mr_json_int(w, "partitions", h->partitions);
	mr_json_text(w, "since", h->since);
	mr_json_end(w);
}

static void
write_state(struct mr_json_writer *w, const struct mr_buffer_state *state)
{
	struct mr_buffer_class all = { 0, 0, 0 };

	for (int i = 0; i < MR_BUFFER_AGES; i++) {
		all.partitions += state->classes[i].partitions;
		all.bytes += state->classes[i].bytes;
		all.events += state->classes[i].events;
	}
	mr_json_int(w, "partitions", all.partitions);
	mr_json_int(w, "bytes", all.bytes);
	mr_json_int(w, "events", all.events);
	mr_json_text(w, "oldest_held", state->holders.n > 0 ? state->holders.items[0].since :
	    MR_STR_NULL);
	mr_json_array(w, "held");
	for (size_t i = 0; i < state->holders.n; i++)
		write_held(w, &state->holders.items[i]);
	mr_json_end(w);
}

void
mr_buffer_write(const struct mr_worker *worker, struct mr_json_writer *w)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_buffer_state state;

	mr_json_object(w, "buffer");
	if (ask(worker->conf, &state, &why) == MR_OK)
		write_state(w, &state);
	else
		mr_json_text(w, "error", mr_str(why.text));
	mr_json_end(w);
	mr_buffer_free(&state);
}
