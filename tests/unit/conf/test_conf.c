/* Configuration: conf/conf.h, what is read from a file and from the environment. */
#include "conf/conf.h"

#include <sys/stat.h>
#include <unistd.h>

#include "conffile.h"

#define TOKEN "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

/* The user without rights, everywhere. */
#define NOBODY 65534

/* --- defaults ----------------------------------------------------------- */

static void
test_defaults(void)
{
	struct mr_conf conf;

	is_int(mr_conf_load(&conf, NULL, &err), MR_OK, "without a file");
	check_defaults(&conf);
	ok(!conf.keep_events_set, "[retention] events is not set");
	is_int(conf.n_sites, 0, "no sites");
	ok(mr_conf_site_find(&conf, mr_str("x")) == NULL, "no site of any name");
	mr_conf_free(&conf);

	is_int(load(&conf, ""), MR_OK, "an empty file");
	check_defaults(&conf);
	mr_conf_free(&conf);

	is_int(load(&conf, "; a comment\n# another\n\n[collector]\n   \n"), MR_OK,
	    "a file that sets nothing");
	check_defaults(&conf);
	mr_conf_free(&conf);
}

/* --- every key set ------------------------------------------------------ */

static void
test_values(void)
{
	static const char text[] =
	    "[millrace]\nenvironment = production\nlog = /var/log/millrace.log\nlog_level = debug\n"
	    "[database]\nurl = host=/run/postgresql dbname=events\nconnections = 4\nconnect_timeout_ms = 1500\n"
	    "query_timeout_ms=2500\nrecycle_s = 0\nidle_check_s = 60\nsynchronous_commit = off\n"
	    "partitions_ahead = 14\nledger_days = 30\n"
	    "[spool]\ndir = /var/spool/millrace\nsegment_bytes = 8M\nmax_bytes = 100G\n"
	    "reserve_bytes = 1G\nshare = 30\n"
	    "[collector]\ningest = spool\nthreads = 8\nrequest_timeout_s = 7\nmax_body = 512k\nmax_batch_events = 250\n"
	    "group_max_rows = 2000\ngroup_max_bytes = 2M\nretry_after_s = 9\n"
	    "default_site = example.com\ntrusted_proxies = 127.0.0.1, 10.0.0.0/8 ::1\n"
	    "max_batch_bytes = 1M\nmax_message = 64k\nwrite_keys = listed\n"
	    "client_ip_header = CF-Connecting-IP\nallow_headers = traceparent, X-Trace\n"
	    "origins = https://a.example https://b.example\n"
	    "[secrets]\nkey_file = /etc/millrace/other.key\n"
	    "[privacy]\nanonymize_ip = truncate\nvisitor_id = hash\n"
	    "[admin]\ntoken_sha256 = " TOKEN "\n"
	    "[export]\nspawn = off\nprogram = /bin/true\nbatch_max_rows = 5\nhistory_days = 3\n"
	    "[retention]\nevents = 36h\nmax_bytes = 20G\nrejected = 90m\ndedup = 86400s\n"
	    "history = 30d\nunclaimed = drop\n"
	    "[backup]\nbucket = kept\npart_size = 16M\n";
	struct mr_conf conf;

	if (!ok(load(&conf, text) == MR_OK, "a file that sets every key")) {
		diag("%s", err.text);
		return;
	}
	is_int(conf.environment, MR_PRODUCTION, "environment");
	is_str(mr_str(conf.log), "/var/log/millrace.log", "log");
	is_int(conf.log_level, MR_LOG_DEBUG, "log_level");
	is_str(mr_str(conf.database_url), "host=/run/postgresql dbname=events", "url");
	is_int(conf.connections, 4, "connections");
	is_int(conf.connect_timeout_ms, 1500, "connect_timeout_ms");
	is_int(conf.query_timeout_ms, 2500, "query_timeout_ms");
	is_int(conf.recycle_s, 0, "recycle_s");
	is_int(conf.idle_check_s, 60, "idle_check_s");
	ok(!conf.synchronous_commit, "synchronous_commit");
	is_int(conf.partitions_ahead, 14, "partitions_ahead");
	is_int(conf.ledger_days, 30, "ledger_days");
	is_int(conf.ingest, MR_INGEST_SPOOL, "ingest");
	is_str(mr_str(conf.spool_dir), "/var/spool/millrace", "dir");
	is_int(conf.segment_bytes, 8 << 20, "segment_bytes");
	is_int(conf.spool_share, 30, "share");
	is_int(conf.spool_max_bytes, INT64_C(100) << 30, "max_bytes");
	is_int(conf.spool_reserve_bytes, 1 << 30, "reserve_bytes");
	is_int(conf.threads, 8, "threads");
	is_int(conf.request_timeout_s, 7, "request_timeout_s");
	is_int(conf.max_body_bytes, 512 * 1024, "max_body");
	is_int(conf.max_batch_events, 250, "max_batch_events");
	is_int(conf.group_max_rows, 2000, "group_max_rows");
	is_int(conf.group_max_bytes, 2 * 1024 * 1024, "group_max_bytes");
	is_int(conf.retry_after_s, 9, "retry_after_s");
	is_str(mr_str(conf.default_site), "example.com", "default_site");
	is_int((long long)conf.n_trusted_proxies, 3, "trusted_proxies");
	is_int(conf.trusted_proxies[0].bits, 32, "trusted_proxies: an address");
	is_int(conf.trusted_proxies[1].bits, 8, "trusted_proxies: a block");
	is_int(conf.trusted_proxies[2].ip.family, 6, "trusted_proxies: IPv6");
	is_int(conf.max_batch_bytes, 1 << 20, "max_batch_bytes");
	is_int(conf.max_message_bytes, 64 * 1024, "max_message");
	is_int(conf.write_keys, MR_WRITE_KEYS_LISTED, "write_keys");
	is_str(mr_str(conf.client_ip_header), "CF-Connecting-IP", "client_ip_header");
	is_int((long long)conf.allow_headers.n, 2, "allow_headers");
	is_str(mr_str(conf.allow_headers.items[1]), "X-Trace", "allow_headers: the second");
	is_list(&conf.origins, "https://a.example|https://b.example", "origins");
	is_str(mr_str(conf.key_file), "/etc/millrace/other.key", "key_file");
	is_int(conf.client_ip, MR_IP_TRUNCATE, "anonymize_ip");
	is_int(conf.visitor_id, MR_VISITOR_HASH, "visitor_id");
	is_str(mr_str(conf.token_sha256), TOKEN, "token_sha256");
	ok(!conf.spawn, "spawn");
	is_str(mr_str(conf.export_program), "/bin/true", "program");
	is_int(conf.batch_max_rows, 5, "batch_max_rows");
	is_int(conf.history_days, 3, "history_days");
	is_int(conf.keep_events_s, 36 * 3600, "events");
	ok(conf.keep_events_set, "events is set");
	is_int(conf.max_bytes, INT64_C(20) << 30, "max_bytes");
	is_int(conf.keep_rejected_s, 90 * 60, "rejected");
	is_int(conf.keep_dedup_s, 86400, "dedup");
	is_int(conf.keep_history_s, 30 * 86400, "history");
	is_int(conf.unclaimed, MR_UNCLAIMED_DROP, "unclaimed");
	is_str(mr_str(conf.backup.bucket), "kept", "bucket of the backup");
	is_int(conf.backup.part_bytes, 16 << 20, "part_size of the backup");
	mr_conf_free(&conf);
}

/* One line in one section, and what a number or choice becomes. */
static void
test_single_values(void)
{
	static const struct {
		int line;
		const char *text;
		size_t offset; /* of an int64_t member */
		int64_t value;
	} rows[] = {
#define MEMBER(m) offsetof(struct mr_conf, m)
		{ __LINE__, "[millrace]\nlog_level = warning\n", MEMBER(log_level), MR_LOG_WARNING },
		{ __LINE__, "[millrace]\nlog_level = error\n", MEMBER(log_level), MR_LOG_ERROR },
		{ __LINE__, "[millrace]\nenvironment = development\n", MEMBER(environment),
		    MR_DEVELOPMENT },
		{ __LINE__, "[privacy]\nanonymize_ip = drop\n", MEMBER(client_ip), MR_IP_DROP },
		{ __LINE__, "[privacy]\nanonymize_ip = none\n", MEMBER(client_ip), MR_IP_KEEP },
		{ __LINE__, "[privacy]\nvisitor_id = client\n", MEMBER(visitor_id), MR_VISITOR_CLIENT },
		{ __LINE__, "[privacy]\nvisitor_id = none\n", MEMBER(visitor_id), MR_VISITOR_NONE },

		/* sizes */
		{ __LINE__, "[collector]\nmax_body = 65536\n", MEMBER(max_body_bytes), 65536 },
		{ __LINE__, "[collector]\nmax_body = 64k\n", MEMBER(max_body_bytes), 65536 },
		{ __LINE__, "[collector]\nmax_body = 64K\n", MEMBER(max_body_bytes), 65536 },
		{ __LINE__, "[collector]\nmax_body = 2M\n", MEMBER(max_body_bytes), 2 << 20 },
		{ __LINE__, "[collector]\nmax_body = 2m\n", MEMBER(max_body_bytes), 2 << 20 },

		/* times */
		{ __LINE__, "[retention]\nevents = 0\n", MEMBER(keep_events_s), 0 },
		{ __LINE__, "[retention]\nevents = 0h\n", MEMBER(keep_events_s), 0 },
		{ __LINE__, "[retention]\nevents = 45s\n", MEMBER(keep_events_s), 45 },
		{ __LINE__, "[retention]\nevents = 36500d\n", MEMBER(keep_events_s),
		    INT64_C(36500) * 86400 },
		{ __LINE__, "[export]\nhistory_days = 2\n", MEMBER(keep_history_s), 2 * 86400 },
		{ __LINE__, "[export]\nhistory_days = 2\n[retention]\nhistory = 1d\n",
		    MEMBER(keep_history_s), 86400 },

		/* how a line may look */
		{ __LINE__, "[collector]\nthreads=7", MEMBER(threads), 7 },
		{ __LINE__, "[collector]\nthreads = 7 ; seven\n", MEMBER(threads), 7 },
		{ __LINE__, "[collector]\n  threads   =   7  \n", MEMBER(threads), 7 },
		{ __LINE__, "[collector]\n\tthreads\t=\t7\t\n", MEMBER(threads), 7 },
		{ __LINE__, "[collector]\r\nthreads = 7\r\n", MEMBER(threads), 7 },
		{ __LINE__, "[collector] ; a comment\nthreads = 7\n", MEMBER(threads), 7 },
		{ __LINE__, "\xef\xbb\xbf[collector]\nthreads = 7\n", MEMBER(threads), 7 },
		{ __LINE__, "\xef\xbb\xbf; comment\r\n[collector]\r\nthreads = 7\r\n", MEMBER(threads), 7 },
		/* an indented line is a line of its own, not more of the one before */
		{ __LINE__, "[collector]\nretry_after_s = 3\n   threads = 7\n", MEMBER(threads), 7 },
		{ __LINE__, "[collector]\nretry_after_s = 3\n   threads = 7\n", MEMBER(retry_after_s), 3 },
		/* sections in any order, and twice */
		{ __LINE__, "[privacy]\n[collector]\nthreads = 7\n[millrace]\n", MEMBER(threads), 7 },
		{ __LINE__, "[collector]\nretry_after_s = 3\n[admin]\n[collector]\nthreads = 7\n",
		    MEMBER(threads), 7 },
#undef MEMBER
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_conf conf;
		int64_t got;

		row(rows[i].line);
		if (!ok(load(&conf, rows[i].text) == MR_OK, "read")) {
			diag("%s", err.text);
			continue;
		}
		memcpy(&got, (const char *)&conf + rows[i].offset, sizeof got);
		is_int(got, rows[i].value, "the value");
		mr_conf_free(&conf);
	}
	row(0);
}

static void
test_texts(void)
{
	struct mr_conf conf;
	char text[400], longest[200];

	is_int(load(&conf, "[database]\nurl = postgresql://u:p%40ss;word@h:5433/db?sslmode=require\n"),
	    MR_OK, "a URI");
	is_str(mr_str(conf.database_url), "postgresql://u:p%40ss;word@h:5433/db?sslmode=require",
	    "a ';' without a blank in front starts no comment");
	mr_conf_free(&conf);
	is_int(load(&conf, "[database]\nurl = host=a password='b=c' dbname=d\n"), MR_OK,
	    "a connection string");
	is_str(mr_str(conf.database_url), "host=a password='b=c' dbname=d",
	    "only the first '=' separates");
	mr_conf_free(&conf);

	/* "url = " and 192 bytes: a line of 198. */
	memset(longest, 'x', 192);
	longest[192] = '\0';
	snprintf(text, sizeof text, "[database]\nurl = %s\n[collector]\nthreads = 7\n", longest);
	is_int(load(&conf, text), MR_OK, "a line of 198 bytes");
	is_str(mr_str(conf.database_url), longest, "is read whole");
	is_int(conf.threads, 7, "and so is what follows");
	mr_conf_free(&conf);
}

static void
test_bool(void)
{
	struct mr_conf conf;

	is_int(load(&conf, "[database]\nsynchronous_commit = off\n"), MR_OK, "off");
	ok(!conf.synchronous_commit, "off is false");
	mr_conf_free(&conf);
	is_int(load(&conf, "[database]\nsynchronous_commit = on\n"), MR_OK, "on");
	ok(conf.synchronous_commit, "on is true");
	mr_conf_free(&conf);
}

static void
test_lists(void)
{
	static const struct {
		int line;
		const char *value;
		const char *items;
	} rows[] = {
		{ __LINE__, "", "" },
		{ __LINE__, "http://a", "http://a" },
		{ __LINE__, "http://a,http://b", "http://a|http://b" },
		{ __LINE__, "http://a, http://b ,https://c:8443", "http://a|http://b|https://c:8443" },
		{ __LINE__, "http://a http://b\thttps://[::1]", "http://a|http://b|https://[::1]" },
		{ __LINE__, ",http://a,,http://b,", "http://a|http://b" },
		{ __LINE__, ",", "" },
		{ __LINE__, "http://a ; b", "http://a" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_conf conf;
		char text[200];

		row(rows[i].line);
		snprintf(text, sizeof text, "[collector]\norigins = %s\n", rows[i].value);
		if (!ok(load(&conf, text) == MR_OK, "\"%s\" is read", rows[i].value))
			continue;
		is_list(&conf.origins, rows[i].items, "its items");
		mr_conf_free(&conf);
	}
	row(0);
}

/* --- sites -------------------------------------------------------------- */

static void
test_sites(void)
{
	const struct mr_conf_site *site;
	struct mr_conf conf;
	char name[256], text[600];

	is_int(load(&conf, "[site example-com]\norigins = https://example.com, https://www.example.com\n"
	    "[collector]\nthreads = 7\n[site b]\norigins = *\n"), MR_OK, "two sites");
	is_int(conf.n_sites, 2, "both are there");
	site = mr_conf_site_find(&conf, mr_str("example-com"));
	if (ok(site != NULL, "the first is found")) {
		is_str(mr_str(site->name), "example-com", "its name");
		is_list(&site->origins, "https://example.com|https://www.example.com", "its origins");
	}
	site = mr_conf_site_find(&conf, MR_STR_LIT("b"));
	if (ok(site != NULL, "the second is found"))
		is_list(&site->origins, "*", "its origins");
	ok(mr_conf_site_find(&conf, mr_str("example")) == NULL, "a part of a name is no name");
	ok(mr_conf_site_find(&conf, mr_str("example-com2")) == NULL, "nor is a longer one");
	ok(mr_conf_site_find(&conf, mr_str("")) == NULL, "nor the empty one");
	ok(mr_conf_site_find(&conf, (struct mr_str){ "b\0", 2 }) == NULL, "nor one with a NUL");
	is_list(&conf.origins, "*", "the general origins stay");
	is_int(conf.threads, 7, "a section between sites counts");
	mr_conf_free(&conf);

	/* A name as long as a site id may be is kept whole, or refused: not cut. */
	for (size_t n = 20; n <= 180; n += 20) {
		memset(name, 'n', n);
		name[n] = '\0';
		snprintf(text, sizeof text, "[site %s]\norigins = https://a.example\n", name);
		if (load(&conf, text) == MR_OK) {
			ok(mr_conf_site_find(&conf, mr_str(name)) != NULL,
			    "a site name of %zu bytes is kept whole", n);
			mr_conf_free(&conf);
		} else {
			is_part(err.text, ":1:", "a long site name is refused with its line");
		}
	}
}

/* --- errors ------------------------------------------------------------- */

static void
test_errors(void)
{
	static const struct {
		int line;
		const char *text;
		int bad_line;
		const char *reason; /* a part of it */
	} rows[] = {
		/* what is not known */
		{ __LINE__, "[colector]\nthreads = 7\n", 2, "colector" },
		{ __LINE__, "[collector]\nthread = 7\n", 2, "thread" },
		{ __LINE__, "[collector]\nThreads = 7\n", 2, "Threads" },
		{ __LINE__, "[Collector]\nthreads = 7\n", 2, "Collector" },
		{ __LINE__, "[database]\nthreads = 7\n", 2, "threads" },
		{ __LINE__, "threads = 7\n", 1, "threads" },
		{ __LINE__, "\n\n; x\n[privacy]\n\nx = 1\n", 6, "x" },
		{ __LINE__, "[site a]\nthreads = 7\n", 2, "threads" },
		{ __LINE__, "[site ]\norigins = *\n", 2, "" },
		{ __LINE__, "[site]\norigins = *\n", 2, "" },
		{ __LINE__, "[sites]\norigins = *\n", 2, "sites" },
		{ __LINE__, "[client a]\norigins = *\n", 2, "origins" },
		{ __LINE__, "[client ]\nbucket = x\n", 2, "name" },
		{ __LINE__, "[client a b]\nbucket = x\n", 2, "name" },
		{ __LINE__, "[client ../b]\nbucket = x\n", 2, "name" },
		{ __LINE__, "[client a]\nbucket = x\nbucket = y\n", 3, "already" },
		{ __LINE__, "[client a]\nformat = xml\n", 2, "format" },
		{ __LINE__, "[client a]\ncompression = lz4\n", 2, "compression" },
		{ __LINE__, "[client a]\nfrequency = often\n", 2, "frequency" },
		{ __LINE__, "[client a]\npart_size = 1M\n", 2, "part_size" },
		{ __LINE__, "[client a]\ncompression_level = 20\n", 2, "compression_level" },
		{ __LINE__, "[backup]\npart_size = 65M\n", 2, "part_size" },
		{ __LINE__, "[export]\nbatch_max_rows = 0\n", 2, "batch_max_rows" },
		{ __LINE__, "[retention]\nevents = 24\n", 2, "events" },
		{ __LINE__, "[retention]\nevents = 24 h\n", 2, "events" },
		{ __LINE__, "[retention]\nevents = h\n", 2, "events" },
		{ __LINE__, "[retention]\nevents = -1h\n", 2, "events" },
		{ __LINE__, "[retention]\nevents = 1w\n", 2, "events" },
		{ __LINE__, "[retention]\nevents = 36501d\n", 2, "events" },
		{ __LINE__, "[retention]\nevents = 9999999999999d\n", 2, "events" },
		{ __LINE__, "[retention]\ndedup = 59m\n", 2, "dedup" },
		{ __LINE__, "[retention]\nunclaimed = maybe\n", 2, "unclaimed" },

		/* lines that are none */
		{ __LINE__, "[collector]\nthreads\n", 2, "" },
		{ __LINE__, "[collector\nthreads = 7\n", 1, "" },
		{ __LINE__, "hello\n", 1, "" },
		{ __LINE__, "[collector]\nthreads = 7\nhello\nretry_after_s = 3\n", 3, "" },

		/* the same twice */
		{ __LINE__, "[collector]\nthreads = 7\nthreads = 7\n", 3, "threads" },
		{ __LINE__, "[collector]\nthreads = 7\n[admin]\n[collector]\nthreads = 8\n", 5, "threads" },
		{ __LINE__, "[collector]\norigins = http://a\norigins = http://b\n", 3, "origins" },
		{ __LINE__, "[site a]\norigins = http://x\norigins = http://y\n", 3, "origins" },
		{ __LINE__, "[site a]\norigins = http://x\n[site b]\n[site a]\norigins = http://y\n", 5, "origins" },

		/* origins */
		{ __LINE__, "[collector]\norigins = https://a.example/\n", 2, "origins: 'https://a.example/'" },
		{ __LINE__, "[collector]\norigins = https://a.example/path\n", 2, "https://a.example/path" },
		{ __LINE__, "[collector]\norigins = https://A.example\n", 2, "https://A.example" },
		{ __LINE__, "[collector]\norigins = a.example\n", 2, "a.example" },
		{ __LINE__, "[collector]\norigins = https://a.example # x\n", 2, "'#'" },
		{ __LINE__, "[collector]\norigins = https://\n", 2, "https://" },
		{ __LINE__, "[site a]\norigins = null\n", 2, "origins: 'null'" },

		/* choices */
		{ __LINE__, "[millrace]\nenvironment = staging\n", 2, "staging" },
		{ __LINE__, "[millrace]\nenvironment =\n", 2, "environment" },
		{ __LINE__, "[millrace]\nenvironment = Production\n", 2, "Production" },
		{ __LINE__, "[millrace]\nlog_level = verbose\n", 2, "verbose" },
		{ __LINE__, "[privacy]\nanonymize_ip = yes\n", 2, "yes" },
		{ __LINE__, "[privacy]\nvisitor_id = ip\n", 2, "ip" },

		/* truth values */
		{ __LINE__, "[database]\nsynchronous_commit = maybe\n", 2, "synchronous_commit" },
		{ __LINE__, "[database]\nsynchronous_commit =\n", 2, "synchronous_commit" },
		{ __LINE__, "[database]\nsynchronous_commit = 2\n", 2, "synchronous_commit" },
		{ __LINE__, "[database]\nsynchronous_commit = onn\n", 2, "synchronous_commit" },

		/* numbers */
		{ __LINE__, "[collector]\nthreads = many\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads =\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 0\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = -1\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = +7\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 7.5\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 0x10\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 7 8\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 7k\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 1000000\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 4294967303\n", 2, "threads" },
		{ __LINE__, "[collector]\nthreads = 18446744073709551623\n", 2, "threads" },
		{ __LINE__, "[database]\npartitions_ahead = x\n", 2, "partitions_ahead" },
		{ __LINE__, "[database]\nledger_days = 0\n", 2, "ledger_days" },
		{ __LINE__, "[collector]\ningest = both\n", 2, "ingest" },
		{ __LINE__, "[spool]\nsegment_bytes = 1k\n", 2, "segment_bytes" },
		{ __LINE__, "[spool]\nmax_bytes = 2048G\n", 2, "max_bytes" },
		{ __LINE__, "[spool]\nreserve_bytes = -1\n", 2, "reserve_bytes" },
		{ __LINE__, "[spool]\nshare = 0\n", 2, "share" },
		{ __LINE__, "[spool]\nshare = 101\n", 2, "share" },
		{ __LINE__, "[database]\nconnections = 0\n", 2, "connections" },
		{ __LINE__, "[database]\nconnect_timeout_ms = 0\n", 2, "connect_timeout_ms" },
		{ __LINE__, "[database]\nquery_timeout_ms = -5\n", 2, "query_timeout_ms" },
		{ __LINE__, "[collector]\nrequest_timeout_s = 0\n", 2, "request_timeout_s" },
		{ __LINE__, "[collector]\nmax_batch_events = 0\n", 2, "max_batch_events" },
		{ __LINE__, "[collector]\ngroup_max_rows = 0\n", 2, "group_max_rows" },
		{ __LINE__, "[collector]\nretry_after_s = 0\n", 2, "retry_after_s" },

		/* sizes */
		{ __LINE__, "[collector]\nmax_body = 1T\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = 1kB\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = 1 M\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = 1.5M\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = M\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = -1M\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = 0\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = 1000G\n", 2, "max_body" },
		{ __LINE__, "[collector]\nmax_body = 17179869184G\n", 2, "max_body" }, /* 2^64 */
		{ __LINE__, "[collector]\ngroup_max_bytes = x\n", 2, "group_max_bytes" },

		/* CRLF files count lines the same */
		{ __LINE__, "[collector]\r\nretry_after_s = 3\r\nthreads = x\r\n", 3, "threads" },
		{ __LINE__, "\xef\xbb\xbf[collector]\nthreads = x\n", 2, "threads" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_conf conf;
		char where[400];
		enum mr_err rc;

		row(rows[i].line);
		rc = load(&conf, rows[i].text);
		is_int(rc, MR_EINVAL, "refused");
		if (rc == MR_OK) {
			mr_conf_free(&conf);
			continue;
		}
		snprintf(where, sizeof where, "%s:%d:", ini_path, rows[i].bad_line);
		is_part(err.text, where, "file and line");
		is_part(err.text + strlen(dir), rows[i].reason, "the reason says what");
	}
	row(0);
}

static void
test_long_line(void)
{
	static const size_t lengths[] = { 199, 200, 201, 250, 398, 399, 400, 5000 };

	for (size_t i = 0; i < ROWS(lengths); i++) {
		for (int comment = 0; comment < 2; comment++) {
			struct mr_conf conf;
			char text[6000], where[400];
			size_t at = (size_t)snprintf(text, sizeof text, "[database]\n%s",
			    comment ? "; c = " : "url = ");
			enum mr_err rc;

			memset(text + at, 'x', lengths[i] - 6);
			snprintf(text + at + lengths[i] - 6, 40, "\nidle_check_s = 5\n");
			rc = load(&conf, text);
			is_int(rc, MR_EINVAL, comment ? "a comment that would be cut" :
			    "a value that would be cut");
			if (rc == MR_OK) {
				diag("a line of %zu bytes", lengths[i]);
				mr_conf_free(&conf);
				continue;
			}
			snprintf(where, sizeof where, "%s:2:", ini_path);
			is_part(err.text, where, "file and line");
		}
	}
}

static void
test_token(void)
{
	static const struct {
		int line;
		const char *text;
		bool good;
	} rows[] = {
		{ __LINE__, "[admin]\ntoken_sha256 = " TOKEN "\n", true },
		{ __LINE__, "[admin]\ntoken_sha256 =\n", true },
		{ __LINE__, "[admin]\ntoken_sha256 = secret\n", false },
		{ __LINE__, "[admin]\ntoken_sha256 = " TOKEN "0\n", false },
		{ __LINE__, "[admin]\ntoken_sha256 = 9f86d081884c7d659a2feaa0c55ad015\n", false },
		{ __LINE__, "[admin]\ntoken_sha256 = "
		    "gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg\n", false },
		{ __LINE__, "[millrace]\nenvironment = production\n", false },
		{ __LINE__, "[millrace]\nenvironment = production\n[admin]\ntoken_sha256 =\n", false },
		{ __LINE__, "[millrace]\nenvironment = production\n[admin]\ntoken_sha256 = " TOKEN "\n",
		    true },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_conf conf;
		enum mr_err rc;

		row(rows[i].line);
		rc = load(&conf, rows[i].text);
		is_int(rc, rows[i].good ? MR_OK : MR_EINVAL, "result");
		if (rc == MR_OK)
			mr_conf_free(&conf);
		if (!rows[i].good && rc != MR_OK) {
			is_part(err.text, "token_sha256", "the reason names the key");
			ok(strstr(err.text, "secret") == NULL, "the value is not told");
		}
	}
	row(0);
}

static void
test_unreadable(void)
{
	struct mr_conf conf;
	char missing[400];

	snprintf(missing, sizeof missing, "%s/missing.ini", dir);
	err = (struct mr_error)MR_ERROR_INIT;
	is_int(mr_conf_load(&conf, missing, &err), MR_EIO, "a file that is not there");
	is_part(err.text, missing, "its error names it");
	is_int(mr_conf_load(&conf, dir, &err), MR_EIO, "a directory");
	is_part(err.text, dir, "its error names it");
	is_int(mr_conf_load(&conf, missing, NULL), MR_EIO, "without an error struct");

	/* Root may read everything, so it becomes somebody else for this. */
	write_ini(mr_str("[collector]\nthreads = 7\n"));
	if (chmod(ini_path, 0) != 0 || (getuid() == 0 && seteuid(NOBODY) != 0))
		skip("a file that may not be read", "cannot take the right to read away");
	else
		is_int(mr_conf_load(&conf, ini_path, &err), MR_EIO, "a file that may not be read");
	if (getuid() == 0 && seteuid(0) != 0)
		bail("cannot become root again");
	unlink(ini_path);
}

/* --- the environment ---------------------------------------------------- */

static void
test_environment(void)
{
	struct mr_conf conf;

	setenv("DATABASE_URL", "postgresql://env/db", 1);
	is_int(load(&conf, "[database]\nurl = postgresql://file/db\n"), MR_OK, "DATABASE_URL set");
	is_str(mr_str(conf.database_url), "postgresql://env/db", "it overrides the file");
	mr_conf_free(&conf);
	is_int(mr_conf_load(&conf, NULL, &err), MR_OK, "DATABASE_URL without a file");
	is_str(mr_str(conf.database_url), "postgresql://env/db", "it overrides the default");
	mr_conf_free(&conf);
	setenv("DATABASE_URL", "", 1);
	is_int(load(&conf, "[database]\nurl = postgresql://file/db\n"), MR_OK, "an empty DATABASE_URL");
	is_str(mr_str(conf.database_url), "postgresql://file/db", "counts as not set");
	mr_conf_free(&conf);
	unsetenv("DATABASE_URL");

	setenv("ENVIRONMENT", "production", 1);
	is_int(load(&conf, "[admin]\ntoken_sha256 = " TOKEN "\n"), MR_OK, "ENVIRONMENT set");
	is_int(conf.environment, MR_PRODUCTION, "it overrides the default");
	mr_conf_free(&conf);
	is_int(mr_conf_load(&conf, NULL, &err), MR_EINVAL, "production without a token");
	is_part(err.text, "token", "the reason says so");
	setenv("ENVIRONMENT", "development", 1);
	is_int(load(&conf, "[millrace]\nenvironment = production\n"), MR_OK,
	    "ENVIRONMENT=development over a file that says production");
	is_int(conf.environment, MR_DEVELOPMENT, "it overrides the file");
	mr_conf_free(&conf);
	setenv("ENVIRONMENT", "staging", 1);
	is_int(mr_conf_load(&conf, NULL, &err), MR_EINVAL, "an ENVIRONMENT that is none");
	is_part(err.text, "ENVIRONMENT", "the reason names the variable");
	is_part(err.text, "staging", "and its value");
	unsetenv("ENVIRONMENT");
}

/* --- clients ------------------------------------------------------------ */

static void
test_clients(void)
{
	static const char text[] =
	    "[client a]\nbucket = one\nprefix = p\nsites = x, y\nformat = parquet\n"
	    "[backup]\nbucket = kept\nprefix = b\nregion = eu-west-1\naccess_key = AK\ninsecure = on\n"
	    "[client b]\nbucket = file:///srv/b\nbackup = off\n"
	    "[client c]\nbucket = s3://three\nbackup_bucket = own\nbackup_prefix = q\n"
	    "backup_access_key = OTHER\n";
	const struct mr_conf_client *a, *b, *c;
	struct mr_conf conf;

	if (!ok(load(&conf, text) == MR_OK, "three clients and a backup")) {
		diag("%s", err.text);
		return;
	}
	is_int((long long)conf.n_clients, 3, "there are three");
	ok(mr_conf_client_find(&conf, mr_str("d")) == NULL, "and no fourth");
	a = mr_conf_client_find(&conf, mr_str("a"));
	b = mr_conf_client_find(&conf, mr_str("b"));
	c = mr_conf_client_find(&conf, mr_str("c"));
	is_list(&a->sites, "x|y", "sites");
	is_str(mr_str(a->target.bucket), "one", "bucket");
	is_str(mr_str(a->format), "parquet", "format");
	is_str(mr_str(a->compression), "zstd", "compression by default");
	is_int(a->frequency, MR_REALTIME, "frequency by default");
	ok(a->has_backup, "it has the common backup");
	is_str(mr_str(a->backup.bucket), "kept", "with its bucket");
	is_str(mr_str(a->backup.prefix), "b/a", "the client's name in the prefix");
	is_str(mr_str(a->backup.region), "eu-west-1", "its region");
	ok(a->backup.insecure && !a->target.insecure, "and nothing of it is the client's");
	is_list(&b->sites, "*", "all sites by default");
	ok(!b->has_backup, "backup = off");
	is_str(mr_str(c->backup.bucket), "own", "a bucket of its own for the backup");
	is_str(mr_str(c->backup.prefix), "q", "with its prefix as it is");
	is_str(mr_str(c->backup.access_key), "OTHER", "and key");
	is_str(mr_str(c->backup.region), "eu-west-1", "the rest is the common one's");
	mr_conf_free(&conf);

	is_int(load(&conf, "[client a]\nprefix = x\n"), MR_EINVAL, "a client without a bucket");
	is_part(err.text, "[client a] has no bucket", "is named");
	is_int(load(&conf, "[client a]\nbucket = http://x\n"), MR_EINVAL, "a bucket that is none");
	is_int(load(&conf, "[client a]\nbucket = file://x\n"), MR_EINVAL, "a folder that is none");
}

static void
test_client_environment(void)
{
	struct mr_conf conf;

	setenv("EXPORT_FORMAT", "json", 1);
	is_int(load(&conf, ""), MR_OK, "EXPORT_FORMAT alone");
	is_int((long long)conf.n_clients, 0, "makes no client");
	mr_conf_free(&conf);
	setenv("CLIENT_S3_BUCKET", "theirs", 1);
	is_int(load(&conf, "[client default]\nbucket = ours\nregion = r\nformat = csv\n"), MR_OK,
	    "CLIENT_S3_BUCKET");
	is_int((long long)conf.n_clients, 1, "is the client default");
	is_str(mr_str(conf.clients[0].target.bucket), "theirs", "overrides its bucket");
	is_str(mr_str(conf.clients[0].target.region), "r", "and nothing else");
	is_str(mr_str(conf.clients[0].format), "json", "EXPORT_FORMAT overrides its format");
	mr_conf_free(&conf);
	is_int(load(&conf, "[client a]\nbucket = x\n"), MR_OK, "beside another client");
	is_int((long long)conf.n_clients, 2, "it makes a second");
	mr_conf_free(&conf);
	setenv("EXPORT_FORMAT", "xml", 1);
	is_int(load(&conf, ""), MR_EINVAL, "a format that is none");
	is_part(err.text, "EXPORT_FORMAT", "the reason names the variable");
	unsetenv("EXPORT_FORMAT");
	unsetenv("CLIENT_S3_BUCKET");
}

int
main(void)
{
	begin();
	test_defaults();
	test_values();
	test_single_values();
	test_texts();
	test_bool();
	test_lists();
	test_sites();
	test_errors();
	test_long_line();
	test_token();
	test_unreadable();
	test_environment();
	test_clients();
	test_client_environment();
	return done();
}
