/*
 * For the tests of the configuration: a file of the test's own, reading it, and what a
 * configuration is that nobody has set anything in. remove_dir() belongs at the end.
 */
#ifndef MR_TESTS_UNIT_CONF_CONFFILE_H
#define MR_TESTS_UNIT_CONF_CONFFILE_H

#include <unistd.h>

#include "../tap.h"
#include "conf/conf.h"

static char dir[200];
static char ini_path[300];
static struct mr_error err;

static inline void
make_dir(void)
{
	make_temp_dir(dir, sizeof dir, "conf");
	snprintf(ini_path, sizeof ini_path, "%s/test.ini", dir);
}

static inline void
remove_dir(void)
{
	unlink(ini_path);
	rmdir(dir);
}

static inline void
write_ini(struct mr_str text)
{
	FILE *f = fopen(ini_path, "wb");

	if (f == NULL || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
		bail("cannot write %s", ini_path);
}

static inline enum mr_err
load_bytes(struct mr_conf *conf, struct mr_str text)
{
	write_ini(text);
	err = (struct mr_error)MR_ERROR_INIT;
	memset(conf, 0xee, sizeof *conf);
	return mr_conf_load(conf, ini_path, &err);
}

static inline enum mr_err
load(struct mr_conf *conf, const char *text)
{
	return load_bytes(conf, mr_str(text));
}

static inline void
list_text(char *to, size_t room, const struct mr_conf_list *list)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; i < list->n && used < room; i++)
		used += (size_t)snprintf(to + used, room - used, "%s%s", i == 0 ? "" : "|",
		    list->items[i]);
}

static inline void
is_list(const struct mr_conf_list *list, const char *want, const char *what)
{
	char text[1000];

	list_text(text, sizeof text, list);
	is_str(mr_str(text), want, what);
}

static inline void
check_defaults(const struct mr_conf *conf)
{
	is_int(conf->environment, MR_DEVELOPMENT, "[millrace] environment");
	is_str(mr_str(conf->log), "stderr", "[millrace] log");
	is_int(conf->log_level, MR_LOG_INFO, "[millrace] log_level");
	is_str(mr_str(conf->database_url), "postgresql:///millrace", "[database] url");
	is_int(conf->connections, 2, "[database] connections");
	is_int(conf->connect_timeout_ms, 3000, "[database] connect_timeout_ms");
	is_int(conf->query_timeout_ms, 3000, "[database] query_timeout_ms");
	is_int(conf->recycle_s, 3600, "[database] recycle_s");
	is_int(conf->idle_check_s, 30, "[database] idle_check_s");
	ok(conf->synchronous_commit, "[database] synchronous_commit");
	is_int(conf->partitions_ahead, 7, "[database] partitions_ahead");
	is_int(conf->ledger_days, 7, "[database] ledger_days");
	is_int(conf->ingest, MR_INGEST_DIRECT, "[collector] ingest");
	is_str(mr_str(conf->spool_dir), MR_LOCALSTATEDIR "/lib/millrace/spool", "[spool] dir");
	is_int(conf->segment_bytes, 64 << 20, "[spool] segment_bytes");
	is_int(conf->spool_max_bytes, 1 << 30, "[spool] max_bytes");
	is_int(conf->spool_reserve_bytes, 256 << 20, "[spool] reserve_bytes");
	is_int(conf->spool_share, 50, "[spool] share");
	is_int(conf->threads, 32, "[collector] threads");
	is_int(conf->request_timeout_s, 30, "[collector] request_timeout_s");
	is_int(conf->max_body_bytes, 1 << 20, "[collector] max_body");
	is_int(conf->max_batch_events, 1000, "[collector] max_batch_events");
	is_int(conf->group_max_rows, 4000, "[collector] group_max_rows");
	is_int(conf->group_max_bytes, 4 << 20, "[collector] group_max_bytes");
	is_int(conf->retry_after_s, 5, "[collector] retry_after_s");
	is_str(mr_str(conf->default_site), "default", "[collector] default_site");
	is_int((long long)conf->n_trusted_proxies, 0, "[collector] trusted_proxies");
	is_list(&conf->origins, "*", "[collector] origins");
	is_str(mr_str(conf->key_file), MR_SYSCONFDIR "/millrace.key", "[secrets] key_file");
	is_int(conf->client_ip, MR_IP_KEEP, "[privacy] anonymize_ip");
	is_int(conf->visitor_id, MR_VISITOR_CLIENT, "[privacy] visitor_id");
	is_str(mr_str(conf->metrics_file), MR_LOCALSTATEDIR "/lib/millrace/counters",
	    "[metrics] file");
	is_str(mr_str(conf->token_sha256), "", "[admin] token_sha256");
	ok(conf->spawn, "[export] spawn");
	is_str(mr_str(conf->export_program), MR_SBINDIR "/millrace-export", "[export] program");
	is_int(conf->batch_max_rows, 1000000, "[export] batch_max_rows");
	is_int(conf->history_days, 90, "[export] history_days");
	is_int(conf->keep_events_s, 86400, "[retention] events");
	is_int(conf->max_bytes, 0, "[retention] max_bytes");
	is_int(conf->keep_rejected_s, 30 * 86400, "[retention] rejected");
	is_int(conf->keep_dedup_s, 7 * 86400, "[retention] dedup");
	is_int(conf->keep_history_s, 90 * 86400, "[retention] history: history_days");
	is_int(conf->unclaimed, MR_UNCLAIMED_KEEP, "[retention] unclaimed");
	is_str(mr_str(conf->backup.bucket), "", "[backup] bucket");
	is_int(conf->backup.part_bytes, 8 << 20, "[backup] part_size");
}

/* Nothing of the environment that the test runs in counts. */
static inline void
begin(void)
{
	unsetenv("DATABASE_URL");
	unsetenv("ENVIRONMENT");
	unsetenv("CLIENT_S3_BUCKET");
	unsetenv("EXPORT_FORMAT");
	make_dir();
	atexit(remove_dir);
}

#endif
