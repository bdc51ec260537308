/*
 * Configuration: the INI file and the environment, read into one struct.
 *
 * Every key stands in one table (conf.c) with its type, range and default;
 * etc/millrace.ini and millrace.ini(5) list the same keys, which the tests
 * check. An unknown section or key, a value out of range, a repeated key, or
 * a line longer than the INI reader's buffer is an error that names file and
 * line. Environment variables override the file: DATABASE_URL, ENVIRONMENT; and
 * CLIENT_S3_BUCKET and EXPORT_FORMAT, which are the client `default`'s.
 */
#ifndef MR_CONF_CONF_H
#define MR_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/str.h"

enum mr_environment { MR_DEVELOPMENT, MR_PRODUCTION };

/* Where events go first. */
enum mr_ingest { MR_INGEST_DIRECT, MR_INGEST_SPOOL };

/* Who says who a visitor is. */
enum mr_visitor_source {
	MR_VISITOR_CLIENT, /* the event's visitorId */
	MR_VISITOR_HASH,   /* a keyed hash of site, address and user agent */
	MR_VISITOR_NONE    /* nobody */
};

/* What becomes of events whose sites no client has. */
enum mr_unclaimed { MR_UNCLAIMED_KEEP, MR_UNCLAIMED_DROP };

/* Whose write keys a client of another API may use. */
enum mr_write_keys {
	MR_WRITE_KEYS_OPEN,  /* any: one that no site has is the siteId */
	MR_WRITE_KEYS_LISTED /* those of sites */
};

/* A list value: items separated by commas or white space. */
struct mr_conf_list {
	char **items; /* owned by the struct mr_conf */
	size_t n;
};

/* [site NAME]: what differs for one site. */
struct mr_conf_site {
	char *name;
	unsigned keys_set; /* bit i: the file set key i of the section */
	struct mr_conf_list origins;
	char *write_key; /* NULL, "": none */
};

enum mr_path_style { MR_PATH_STYLE_AUTO, MR_PATH_STYLE_ON, MR_PATH_STYLE_OFF };

/* A place to export to. All texts may be "". */
struct mr_conf_bucket {
	char *bucket; /* the name, with or without s3:// in front; or file:///FOLDER */
	char *prefix; /* of all keys */
	char *region;
	char *endpoint;
	int64_t path_style; /* enum mr_path_style */
	bool insecure;
	char *ca_file;
	char *access_key;
	char *secret_key; /* sealed */
	char *profile;
	char *role_arn;
	char *external_id;
	char *sts_endpoint;
	char *sse;
	char *kms_key_id;
	char *storage_class;
	char *tags; /* key=value, with commas between them */
	char *acl;
	bool requester_pays;
	int64_t object_lock; /* enum mr_object_lock */
	int64_t object_lock_days;
	bool legal_hold;
	int64_t checksum; /* enum mr_checksum */
	bool if_none_match;
	int64_t part_bytes;
};

/* What of a row is in its object's key, too. */
enum mr_partition_columns { MR_COLUMNS_KEEP, MR_COLUMNS_DROP };

enum mr_frequency { MR_REALTIME, MR_HOURLY, MR_DAILY };

#define MR_CONF_CLIENT_MAX_BYTES 64 /* of a client's name */

/* [client NAME]: whose events go where. */
struct mr_conf_client {
	char *name;
	uint64_t keys_set;         /* bit i: the file set key i of the section */
	struct mr_conf_list sites; /* "*": those that no other client lists */
	struct mr_conf_bucket target;
	struct mr_conf_bucket backup; /* what it does not set is [backup]'s */
	bool has_backup;
	char *format;              /* a word of words.h */
	char *compression;         /* the same */
	int64_t compression_level; /* 0: the usual one */
	int64_t partition_columns; /* enum mr_partition_columns */
	bool csv_guard;            /* CSV: see enc_csv.h */
	char *parquet_codec;       /* a word of words.h */
	bool parquet_json;         /* the payload's logical type is JSON */
	int64_t frequency;         /* enum mr_frequency */
};

struct mr_conf {
	char *path; /* of the file that was read; NULL: none */

	/* [millrace] */
	int64_t environment; /* enum mr_environment */
	char *log;           /* "stderr", "syslog" or a path */
	int64_t log_level;   /* enum mr_log_level */

	/* [database] */
	char *database_url;         /* libpq connection string or URI */
	int64_t connections;        /* of one worker, for storing */
	int64_t connect_timeout_ms;
	int64_t query_timeout_ms;
	int64_t recycle_s;          /* a connection is replaced at this age; 0: never */
	int64_t idle_check_s;       /* idle for so long, it is tried before use */
	bool synchronous_commit;
	int64_t partitions_ahead;   /* days */
	int64_t ledger_days;        /* how long the ids of groups are kept */

	/* [collector] */
	int64_t ingest; /* enum mr_ingest */
	int64_t threads;
	int64_t request_timeout_s;
	int64_t max_body_bytes;
	int64_t max_batch_events;
	int64_t max_batch_bytes;    /* of a batch in another API */
	int64_t max_message_bytes;  /* of a message in it */
	int64_t write_keys;         /* enum mr_write_keys */
	int64_t group_max_rows;
	int64_t group_max_bytes;
	int64_t retry_after_s;
	char *default_site;
	struct mr_ip_block *trusted_proxies;
	size_t n_trusted_proxies;
	char *client_ip_header;              /* in which they say whom they ask for */
	struct mr_conf_list origins;         /* "*" or exact origins */
	struct mr_conf_list allow_headers;   /* what these may send besides; "*": anything */

	/* [limits], a second; 0: none */
	int64_t address_requests;
	int64_t address_bytes;
	int64_t site_requests;
	int64_t site_bytes;
	int64_t limit_burst_s; /* so many seconds' worth may come at once */

	/* [spool] */
	char *spool_dir; /* "": no spool */
	int64_t segment_bytes;
	int64_t spool_max_bytes;
	int64_t spool_reserve_bytes;
	int64_t spool_share; /* percent */

	/* [secrets] */
	char *key_file; /* the keys that open what is sealed */

	/* [privacy] */
	int64_t client_ip;  /* enum mr_ip_privacy */
	int64_t visitor_id; /* enum mr_visitor_source */

	/* [metrics] */
	char *metrics_file; /* of counters; "": in the worker's own memory */

	/* [admin] */
	char *token_sha256; /* 64 hex digits, or "" */

	/* [export] */
	bool spawn;               /* POST /export/run starts the program */
	char *export_program;     /* path of millrace-export */
	int64_t batch_max_rows;
	int64_t history_days;     /* the older name of keep_history_s, which counts */

	/* [retention]; in seconds */
	int64_t keep_events_s;    /* after they were delivered */
	bool keep_events_set;     /* the file says so; without clients, nothing goes unless it does */
	int64_t max_bytes;        /* of all partitions; 0: no such limit */
	int64_t keep_rejected_s;
	int64_t keep_dedup_s;     /* that a batchId is remembered */
	int64_t keep_history_s;   /* that finished batches, runs and the audit are remembered */
	int64_t unclaimed;        /* enum mr_unclaimed */

	struct mr_conf_bucket backup; /* [backup]: of all clients */

	struct mr_conf_site *sites;
	size_t n_sites;
	struct mr_conf_client *clients;
	size_t n_clients;
};

/* The configuration of a program that was told of none. */
#define MR_CONF_FILE MR_SYSCONFDIR "/millrace.ini"

/* wanted, or MR_CONF_FILE when that is NULL or empty. */
const char *mr_conf_file(const char *wanted);

/*
 * Fills *conf with the defaults, then from the file, then from the
 * environment, and checks the whole. path == NULL: defaults and environment
 * only. Returns MR_EINVAL with file, line and reason, or MR_EIO when the file
 * cannot be read. On error *conf is empty and needs no free.
 */
enum mr_err mr_conf_load(struct mr_conf *conf, const char *path, struct mr_error *err);

/* Releases what load made. Secrets in it are wiped. */
void mr_conf_free(struct mr_conf *conf);

/* The [site NAME] section, or NULL. */
const struct mr_conf_site *mr_conf_site_find(const struct mr_conf *conf, struct mr_str name);

/* The [client NAME] section, or NULL. */
const struct mr_conf_client *mr_conf_client_find(const struct mr_conf *conf, struct mr_str name);

/* Whether "*" is among its sites. */
bool mr_conf_client_takes_all(const struct mr_conf_client *client);

/*
 * The sites that "*" does not mean: those that other clients list. Empty for a
 * client that does not take all. Free others->items, not what they point to.
 * False: no memory.
 */
bool mr_conf_client_others(const struct mr_conf *conf, const struct mr_conf_client *client,
    struct mr_conf_list *others);

/*
 * Writes one "section.key" line for each key of the table to the stream-like
 * callback; the test that compares code, sample and manual uses it.
 */
void mr_conf_each_key(void (*visit)(void *arg, const char *section, const char *key,
    const char *default_text), void *arg);

#endif
