/*
 * The spool's reading side: what its segments hold goes into PostgreSQL, each
 * record under the id that it was given when it was received, so that nothing
 * is stored twice however often this is begun.
 *
 * Records are stored in the order of their ids, which is that of their receipt,
 * across the segments of all writers. A segment is removed when everything in
 * it is committed, or put aside (quarantine.h). What the database refuses for
 * its values goes to rejected_events, as it does in the writer. A record that it
 * refuses for another reason stays; after a few of them, or when the database is
 * away, all behind it stay too.
 */
#ifndef MR_INGEST_REPLAY_H
#define MR_INGEST_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "db/class.h"
#include "ingest/store.h"

struct mr_replay_report {
	size_t segments;     /* emptied and removed */
	size_t records;      /* now in the database */
	size_t known;        /* of them: were there already */
	size_t events;       /* of all records */
	size_t duplicate;    /* of them: of a batchId that was stored before */
	size_t rejected;     /* of them: now in rejected_events */
	size_t quarantined;  /* damaged pieces put aside */
	size_t torn;         /* incomplete ends, never acknowledged, put aside as well */
	size_t busy;         /* segments that somebody writes to */
	size_t left;         /* other segments that could not be emptied */
	int64_t bytes;       /* read so far */
	int64_t total_bytes; /* of all segments at the start, also the busy ones */
	int64_t left_bytes;  /* of those left, not of the busy ones */
	bool stopped;        /* go_on() said so */
	enum mr_db_class class; /* what the database last said */
	struct mr_error why;    /* the last thing that went wrong; text "": nothing */
};

struct mr_replay_options {
	const char *dir;
	struct mr_db *db;
	struct mr_store *store;  /* with room for MR_SEGMENT_MAX_PAYLOAD */
	const uint8_t *instance; /* MR_UUID_BYTES of this host's id */
	int64_t ledger_days;     /* records older than this are left */
	bool force;              /* they are not */
	/* Asked before each record whether to go on. */
	bool (*go_on)(void *arg, const struct mr_replay_report *so_far);
	void *arg;
};

/*
 * Goes once through all segments that nobody writes to. MR_OK: every one was
 * tried, see the report for what is left and why. Errors: MR_EAGAIN when
 * another replay is under way (report->class is MR_DB_OK) or the database
 * cannot take a record now (report->class tells); MR_EIO when the folder cannot
 * be used; MR_ENOMEM. The report is filled in any case.
 */
enum mr_err mr_replay_run(const struct mr_replay_options *options,
    struct mr_replay_report *report, struct mr_error *err);

#endif
