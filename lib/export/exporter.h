/*
 * millrace-export: what its parts share.
 *
 *   export.c          options, configuration, exit status
 *   export_run.c      the lock, runs and requests, the summary
 *   export_client.c   one client: planning, and which batch goes where
 *   export_deliver.c  one batch to its destinations
 *   export_read.c     the rows of some of its groups
 *   export_stream.c   one object on its way
 *   export_dest.c     a destination: a folder or a bucket
 *   export_manifest.c what was delivered, for the receiver and for us
 *   export_verify.c   reading it back
 *   export_upkeep.c   sites of no client, old history
 *   export_show.c     the progress bar
 */
#ifndef MR_EXPORT_EXPORTER_H
#define MR_EXPORT_EXPORTER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "db/query.h"
#include "export/planned.h"
#include "export/readahead.h"
#include "export/target.h"
#include "s3/creds.h"
#include "s3/s3.h"
#include "stage/format.h"
#include "stage/stage.h"

enum export_status {
	EXPORT_OK = 0,
	EXPORT_FAILED = 1,  /* something was not delivered; the next run tries again */
	EXPORT_MISUSED = 2, /* options or configuration */
	EXPORT_BUSY = 3,    /* another export is at work */
	EXPORT_DIFFERS = 4, /* --verify found a difference */
	EXPORT_STOPPED = 5  /* by a signal; the next run goes on */
};

struct export_options {
	const char *config;
	const char *client; /* NULL: all */
	const char *format; /* NULL: as configured */
	int64_t since_us;   /* INT64_MIN: none */
	int64_t until_us;   /* INT64_MAX: none */
	bool dry_run;
	bool force;
	bool verify;
	bool requests;      /* only what POST /export/run asked for */
	bool verbose;
	bool quiet;
};

#define EXPORT_RUN_ID 37
/* Connections that read at a time: one alone cannot keep the encoder busy. */
#define EXPORT_READERS 2

/* One run of the program, or one request within it. */
struct exporter {
	const struct mr_conf *conf;
	const struct export_options *options; /* of the request, where it is one */
	const volatile sig_atomic_t *stop;
	struct mr_db *db; /* state; idle between statements */
	struct mr_db *readers[EXPORT_READERS]; /* COPY; connected when they are needed */
	char run_id[EXPORT_RUN_ID];
	char asked_by[128];
	bool terminal;

	/* What was done so far. */
	int64_t batches;              /* counted for each destination */
	int64_t objects, rows, bytes; /* in the clients' own buckets */
	int64_t backup_rows;
	int64_t failures;                      /* destinations */
	int64_t differences;                   /* --verify */
	int64_t sites_of_nobody;
	struct mr_error first_failure;
};

/* --- export_dest.c --- */

#define EXPORT_DESTINATIONS 2

/* Where batches of one client go. Owns what it opens. */
struct destination {
	const char *name;   /* "bucket" or "backup" */
	bool is_backup;
	const char *client;
	const struct mr_conf_bucket *conf;
	struct mr_db *db;
	struct mr_target at;
	char *prefix;       /* of the batch that is delivered; see destination_settle() */
	struct mr_creds_chain *creds;
	struct mr_s3 *s3;   /* NULL until it is needed */
	bool strays;        /* an earlier run may have begun an upload to the same key */
	int64_t cursor;     /* the last batch that is there */
	bool suspect;       /* failed in the last run: must not hold up the others */
	bool failed;        /* in this run */
	struct mr_error err;
};

/* Fills *d from the configuration. MR_EINVAL, MR_ENOMEM; nothing to close then. */
enum mr_err destination_open(struct destination *d, const char *name, const char *client,
    const struct mr_conf_bucket *conf, const struct exporter *x, struct mr_error *err);
void destination_close(struct destination *d);

/*
 * Finds out where the batch goes, and notes it: with the prefix with which it was
 * begun, if that was in the same bucket; in another one it begins anew.
 */
enum mr_err destination_settle(struct destination *d, const struct mr_planned_batch *batch,
    struct mr_error *err);
/* After a failure: one of which nothing is there may go with another prefix the next time. */
enum mr_err destination_unsettle(struct destination *d, const struct mr_planned_batch *batch,
    struct mr_error *err);

/* A new object there; NULL: *err says why. */
struct mr_stage *destination_sink(struct destination *d, const struct exporter *x, const char *key,
    const char *content_type, struct mr_error *err);

/*
 * Aborts the multipart uploads that earlier runs left; none of ours may be open.
 * What fails is logged and kept.
 */
void destination_abort_stale(struct destination *d, const struct exporter *x);

/*
 * Reads an object back, piece by piece. *missing: it failed because there is no
 * such object, at a destination that can be reached.
 */
enum mr_err destination_read(struct destination *d, const struct exporter *x, const char *key,
    bool (*take)(void *arg, const char *p, size_t n), void *arg, bool *missing,
    struct mr_error *err);

/* --- export_stream.c --- */

/* One object: its chain, and what went into it. */
struct stream {
	const struct mr_batch_group *group;
	struct destination *to[EXPORT_DESTINATIONS];
	size_t n_to;
	struct mr_stage *head;  /* NULL: closed */
	struct mr_stage *meter;
	struct mr_stage *tee;
	char *key[EXPORT_DESTINATIONS];
	int64_t rows;
	int64_t min_id, max_id;
	int64_t min_created_us, max_created_us;
};

/* A batch that is being delivered. */
struct delivery {
	struct exporter *x;
	const struct mr_planned_batch *batch;
	struct mr_format_options format;
	const char *folder; /* within the prefix: "" or "manual/RUN" */
	struct mr_batch_group *groups;
	struct mr_db_rows *groups_rows;
	size_t n_groups;
	unsigned char *have; /* of each group: bit i: destination i has it already */
	struct destination *to[EXPORT_DESTINATIONS];
	size_t n_to;
	int64_t rows;   /* read so far, for the progress bar */
	bool differs;   /* the table has not the rows that were planned */
};

/*
 * Opens the object of a group at all destinations that lack it. A destination
 * where that fails is marked as failed. MR_EAGAIN when none is left.
 */
enum mr_err stream_open(struct stream *s, struct delivery *d, const struct mr_batch_group *group,
    struct mr_error *err);
enum mr_err stream_push(struct stream *s, const struct mr_export_row *row, struct mr_error *err);
/* After an error: marks the destinations that failed; whether those were all. */
bool stream_lost(struct stream *s);
/* Ends it and records it for each destination that has it now. */
enum mr_err stream_close(struct stream *s, struct delivery *d, struct mr_error *err);
/* Drops it, but for its group; nothing happens to one that is closed. */
void stream_abort(struct stream *s);

/* --- export_read.c --- */

struct reading {
	struct mr_readahead *ahead; /* the rows */
	struct mr_buf from;         /* behind FROM, of the whole table */
	size_t where, where_end;    /* in it: what a part, too, has to ask of its rows */
	struct part *parts;
	size_t n_parts;
};

/*
 * Begins to read the rows of the groups, and maybe others of their sites, in
 * physical order; or of nothing but the groups, sorted by their number, then by
 * id. *r must stay where it is. On error there is nothing to stop.
 */
enum mr_err reading_start(struct reading *r, const struct delivery *d,
    const struct mr_batch_group *const *groups, size_t n, bool sorted, struct mr_error *err);
void reading_stop(struct reading *r);

/* --- export_manifest.c --- */

/* Writes the manifest and records the batch as delivered. */
enum mr_err manifest_deliver(struct delivery *d, struct destination *to, bool moves_cursor,
    struct mr_error *err);

/* The line in the log and the row in export_audit. why: NULL when it succeeded. */
enum mr_err manifest_audit(struct exporter *x, const struct mr_planned_batch *batch,
    const struct destination *to, const char *sha256, int64_t objects, int64_t rows, int64_t bytes,
    const struct mr_error *why, struct mr_error *err);

/* --- export_deliver.c --- */

/*
 * Delivers one batch to the destinations that have not failed. A destination
 * that fails is marked and left behind; the error is returned only when there
 * is no sense in going on: the database, a signal. force: also what they have.
 */
enum mr_err deliver_batch(struct exporter *x, const struct mr_planned_batch *batch,
    struct destination *const *to, size_t n_to, bool force, struct mr_error *err);

/* --- export_client.c --- */

/* Everything for one client. Its failures are counted in *x; MR_OK for those. */
enum mr_err export_client(struct exporter *x, const struct mr_conf_client *client,
    struct mr_error *err);

/* --- export_verify.c --- */

/*
 * Compares what lies at the destinations with what was delivered, and counts
 * what is missing or differs. One where an object cannot be read has failed:
 * that is said once, and nothing more of it is read.
 */
enum mr_err verify_client(struct exporter *x, struct destination *const *to, size_t n_to,
    struct mr_error *err);

/* --- export_upkeep.c --- */

/* Counts the sites that no client has and says so in the log. */
enum mr_err sites_report(struct exporter *x, struct mr_error *err);

/* Forgets batches, runs and audit rows that are older than history_days and done with. */
enum mr_err history_purge(struct exporter *x, struct mr_error *err);

/* --- export_run.c --- */

enum export_status export_run(const struct mr_conf *conf, const struct export_options *options,
    const volatile sig_atomic_t *stop);

/* To standard error and to the log; and remembered as the run's first failure. */
void export_complain(struct exporter *x, const struct mr_error *err);

/* A statement with text parameters and no result. */
enum mr_err export_tell(struct exporter *x, const char *sql, const char *const *params, int n,
    struct mr_error *err);

/* --- export_show.c --- */

/* Draws the bar, at most five times a second, when there is a terminal. */
void show_progress(const struct delivery *d);
/* Takes it away. */
void show_nothing(const struct exporter *x);

#endif
