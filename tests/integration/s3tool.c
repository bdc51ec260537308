/*
 * The S3 client and the credentials on a command line, for the tests:
 *   s3tool [name=value ...] COMMAND [argument ...]
 * Prints what happened as key=value lines on standard error; exits with 1 and
 * one "error: " line when it failed.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/creds.h"
#include "s3/s3.h"
#include "secret/secret.h"

static struct mr_s3_options s3_options;
static struct mr_creds_options creds_options;
static int64_t style, insecure, if_none_match, checksum, requester_pays, object_lock, legal_hold;
static volatile sig_atomic_t stop;

static const struct {
	const char *name;
	const char **text;
	int64_t *number;
} settings[] = {
	{ "endpoint", &s3_options.endpoint, NULL },
	{ "region", &s3_options.region, NULL },
	{ "style", NULL, &style },
	{ "ca_file", &s3_options.ca_file, NULL },
	{ "insecure", NULL, &insecure },
	{ "sse", &s3_options.sse, NULL },
	{ "kms_key_id", &s3_options.kms_key_id, NULL },
	{ "storage_class", &s3_options.storage_class, NULL },
	{ "if_none_match", NULL, &if_none_match },
	{ "tags", &s3_options.tags, NULL },
	{ "acl", &s3_options.acl, NULL },
	{ "requester_pays", NULL, &requester_pays },
	{ "object_lock", NULL, &object_lock },
	{ "object_lock_days", NULL, &s3_options.object_lock_days },
	{ "legal_hold", NULL, &legal_hold },
	{ "checksum", NULL, &checksum },
	{ "part_bytes", NULL, &s3_options.part_bytes },
	{ "max_attempts", NULL, &s3_options.max_attempts },
	{ "backoff_ms", NULL, &s3_options.backoff_ms },
	{ "backoff_most_ms", NULL, &s3_options.backoff_most_ms },
	{ "connect_timeout_ms", NULL, &s3_options.connect_timeout_ms },
	{ "stall_timeout_s", NULL, &s3_options.stall_timeout_s },
	{ "access_key", &creds_options.access_key, NULL },
	{ "secret_key", &creds_options.secret_key, NULL },
	{ "key_file", &creds_options.key_file, NULL },
	{ "profile", &creds_options.profile, NULL },
	{ "role_arn", &creds_options.role_arn, NULL },
	{ "external_id", &creds_options.external_id, NULL },
	{ "sts_endpoint", &creds_options.sts_endpoint, NULL },
};

static bool
set(const char *argument)
{
	const char *equals = strchr(argument, '=');
	size_t n = equals != NULL ? (size_t)(equals - argument) : 0;

	for (size_t i = 0; n > 0 && i < sizeof settings / sizeof settings[0]; i++) {
		if (strlen(settings[i].name) != n || strncmp(settings[i].name, argument, n) != 0)
			continue;
		if (settings[i].text != NULL)
			*settings[i].text = equals + 1;
		else
			*settings[i].number = strtoll(equals + 1, NULL, 10);
		return true;
	}
	return false;
}

static void
on_term(int signum)
{
	(void)signum;
	stop = 1;
}

static enum mr_err
created(void *arg, const char *bucket, const char *key, const char *id, struct mr_error *err)
{
	(void)arg;
	(void)bucket;
	(void)key;
	(void)err;
	fprintf(stderr, "created=%s\n", id);
	return MR_OK;
}

static void
ended(void *arg, const char *bucket, const char *key, const char *id)
{
	(void)arg;
	(void)bucket;
	(void)key;
	fprintf(stderr, "ended=%s\n", id);
}

/* Reads standard input into an upload; "leave" stops short of its end. */
static enum mr_err
upload(struct mr_s3 *s3, char **arg, bool leave, struct mr_error *err)
{
	struct mr_s3_upload *u = mr_s3_upload_new(s3);
	static char piece[100000];
	struct mr_error ignored = MR_ERROR_INIT;
	enum mr_err e;
	ssize_t n;

	e = mr_s3_upload_begin(u, arg[0], arg[1], "application/octet-stream", err);
	while (e == MR_OK && (n = read(STDIN_FILENO, piece, sizeof piece)) > 0)
		e = mr_s3_upload_add(u, piece, (size_t)n, err);
	if (e == MR_OK && !leave)
		e = mr_s3_upload_finish(u, err);
	if (e != MR_OK && mr_s3_upload_abort(u, &ignored) != MR_OK)
		fprintf(stderr, "abort=%s\n", ignored.text);
	mr_s3_upload_free(u);
	return e;
}

/* The most memory that this program had; getrusage() would count its parent's. */
static void
print_peak(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib;

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmHWM: %ld kB", &kib) == 1)
			fprintf(stderr, "peak=%ld\n", kib);
	if (f != NULL)
		fclose(f);
}

static bool
print(void *arg, const char *p, size_t n)
{
	(void)arg;
	return fwrite(p, 1, n, stdout) == n;
}

static enum mr_err
command(struct mr_s3 *s3, int n, char **arg, struct mr_error *err)
{
	if (n == 3 && strcmp(arg[0], "put") == 0)
		return upload(s3, arg + 1, false, err);
	if (n == 3 && strcmp(arg[0], "leave") == 0)
		return upload(s3, arg + 1, true, err);
	if (n == 3 && strcmp(arg[0], "get") == 0)
		return mr_s3_get(s3, arg[1], arg[2], print, NULL, err);
	if (n == 2 && strcmp(arg[0], "head") == 0)
		return mr_s3_head_bucket(s3, arg[1], err);
	if (n == 3 && strcmp(arg[0], "canary") == 0)
		return mr_s3_canary(s3, arg[1], arg[2], err);
	if (n == 4 && strcmp(arg[0], "abort") == 0)
		return mr_s3_abort_upload(s3, arg[1], arg[2], arg[3], err);
	if (n == 3 && strcmp(arg[0], "abort-key") == 0)
		return mr_s3_abort_key(s3, arg[1], arg[2], NULL, err);
	return mr_fail(err, MR_EINVAL, "unknown command");
}

/* What is found, so many times. Of secrets it shows a hash. */
static enum mr_err
show_creds(struct mr_creds_chain *chain, int times, struct mr_error *err)
{
	const struct mr_creds *c;
	char secret[MR_SHA256_HEX], token[MR_SHA256_HEX];
	enum mr_err e = MR_OK;

	for (int i = 0; i < times && (e = mr_creds_get(chain, &c, err)) == MR_OK; i++) {
		mr_sha256_hex(mr_str(c->secret_key), secret);
		mr_sha256_hex(mr_str(c->session_token), token);
		printf("access_key=%s secret=%s token=%s expires=%" PRId64 " source=%s\n",
		    c->access_key, secret, token, c->expires_us, c->source);
	}
	return e;
}

int
main(int argc, char **argv)
{
	struct mr_creds_chain *chain = NULL;
	struct mr_error err = MR_ERROR_INIT;
	struct mr_s3 *s3 = NULL;
	enum mr_err e;
	int i = 1;

	mr_secret_no_core();
	(void)signal(SIGTERM, on_term);
	while (i < argc && set(argv[i]))
		i++;
	if (i == argc)
		return 2;
	s3_options.style = (enum mr_s3_style)style;
	s3_options.insecure = creds_options.insecure = insecure != 0;
	s3_options.if_none_match = if_none_match != 0;
	s3_options.requester_pays = requester_pays != 0;
	s3_options.object_lock = (enum mr_object_lock)object_lock;
	s3_options.legal_hold = legal_hold != 0;
	s3_options.checksum = (enum mr_checksum)checksum;
	creds_options.region = s3_options.region;
	creds_options.ca_file = s3_options.ca_file;
	s3_options.stop = creds_options.stop = &stop;
	s3_options.created = created;
	s3_options.ended = ended;
	e = mr_creds_new(&chain, &creds_options, &err);
	s3_options.creds = chain;
	if (e == MR_OK && strcmp(argv[i], "creds") == 0)
		e = show_creds(chain, i + 1 < argc ? atoi(argv[i + 1]) : 1, &err);
	else if (e == MR_OK && (e = mr_s3_new(&s3, &s3_options, &err)) == MR_OK) {
		e = command(s3, argc - i, argv + i, &err);
		fprintf(stderr, "retries=%" PRId64 "\nskew=%" PRId64 "\ncode=%s\n",
		    mr_s3_retries(s3), mr_s3_clock_skew_s(s3), mr_s3_error_code(s3));
	}
	print_peak();
	if (e != MR_OK)
		fprintf(stderr, "%s: %s\n", e == MR_EAGAIN ? "error again" : "error", err.text);
	mr_s3_free(s3);
	mr_creds_free(chain);
	return e == MR_OK ? 0 : 1;
}
