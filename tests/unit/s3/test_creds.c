/* Credentials: the parts of s3/credsrc.h that need no server, and the chain over them. */
#include "s3/creds.h"

#include <errno.h>
#include <unistd.h>

#include "../tap.h"
#include "base/clock.h"
#include "s3/credsrc.h"
#include "secret/keyring.h"

static struct mr_error err;

static void
check_file(void)
{
	static const char text[] =
	    "# comment\n"
	    "[default]\n"
	    "aws_access_key_id = DEFAULTID\n"
	    "aws_secret_access_key=default/secret+=\r\n"
	    "region = eu-central-1\n"
	    "\n"
	    "[ spaced ]\n"
	    "\taws_access_key_id\t=\tSPACED\t\n"
	    "; comment\n"
	    "aws_secret_access_key = s\n"
	    "aws_session_token = tok==\n"
	    "[default2]\n"
	    "aws_access_key_id = OTHER\n"
	    "aws_secret_access_key = o\n"
	    "[half]\n"
	    "aws_access_key_id = HALF\n"
	    "[role]\n"
	    "role_arn = arn:aws:iam::1:role/x\n"
	    "[bad]\n"
	    "aws_access_key_id = a b\n"
	    "[worse]\n"
	    "no equals sign\n"
	    "[last]\n"
	    "aws_access_key_id = LAST\n"
	    "aws_secret_access_key = l";
	static const struct {
		int line;
		const char *profile;
		enum mr_err e;
		const char *id, *secret, *token, *reason;
	} rows[] = {
		{ __LINE__, "default", MR_OK, "DEFAULTID", "default/secret+=", "", "" },
		{ __LINE__, "spaced", MR_OK, "SPACED", "s", "tok==", "" },
		{ __LINE__, "default2", MR_OK, "OTHER", "o", "", "" },
		{ __LINE__, "last", MR_OK, "LAST", "l", "", "" },
		{ __LINE__, "missing", MR_OK, "", "", "", "" },
		{ __LINE__, "half", MR_EINVAL, NULL, NULL, NULL, "aws_secret_access_key" },
		{ __LINE__, "role", MR_EINVAL, NULL, NULL, NULL, "aws_access_key_id" },
		{ __LINE__, "bad", MR_EINVAL, NULL, NULL, NULL, "file:20:" },
		{ __LINE__, "worse", MR_EINVAL, NULL, NULL, NULL, "file:22:" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_creds creds = { .source = NULL };

		row(rows[i].line);
		is_int(mr_credsrc_parse_file(mr_str(text), rows[i].profile, "file", &creds, &err),
		    rows[i].e, rows[i].profile);
		if (rows[i].e != MR_OK) {
			is_part(err.text, rows[i].reason, "the reason");
			continue;
		}
		is_str(mr_str(creds.access_key), rows[i].id, "access key");
		is_str(mr_str(creds.secret_key), rows[i].secret, "secret key");
		is_str(mr_str(creds.session_token), rows[i].token, "session token");
	}
	row(0);
}

static void
check_json(void)
{
	static const struct {
		int line;
		const char *text;
		enum mr_err e;
		const char *id, *secret, *token;
		int64_t expires_us;
	} rows[] = {
		{ __LINE__, "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\\/t\","
		    "\"Token\":\"t\",\"Expiration\":\"2026-11-23T12:00:00Z\"}", MR_OK, "A", "s/t", "t",
		    INT64_C(1795435200) * MR_US_PER_S },
		{ __LINE__, "{\"Other\":{\"AccessKeyId\":\"no\"},\"AccessKeyId\":\"A\","
		    "\"SecretAccessKey\":\"s\"}", MR_OK, "A", "s", "", 0 },
		{ __LINE__, "{\"Code\":\"Failed\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}",
		    MR_EINVAL, "", "", "", 0 },
		{ __LINE__, "{\"AccessKeyId\":\"A\"}", MR_EINVAL, "", "", "", 0 },
		{ __LINE__, "{\"AccessKeyId\":1,\"SecretAccessKey\":\"s\"}", MR_EINVAL, "", "", "", 0 },
		{ __LINE__, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"soon\"}",
		    MR_EINVAL, "", "", "", 0 },
		{ __LINE__, "[]", MR_EINVAL, "", "", "", 0 },
		{ __LINE__, "<html>", MR_EINVAL, "", "", "", 0 },
		{ __LINE__, "", MR_EINVAL, "", "", "", 0 },
	};
	struct mr_buf text;

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_creds creds = { .source = NULL };

		row(rows[i].line);
		mr_buf_init(&text, 4096);
		mr_buf_reserve(&text, 1);
		mr_buf_add_cstr(&text, rows[i].text);
		is_int(mr_credsrc_parse_json(&text, "x", &creds, &err), rows[i].e, rows[i].text);
		is_str(mr_str(creds.access_key), rows[i].id, "access key");
		if (rows[i].e == MR_OK) {
			is_str(mr_str(creds.secret_key), rows[i].secret, "secret key");
			is_str(mr_str(creds.session_token), rows[i].token, "session token");
			is_int(creds.expires_us, rows[i].expires_us, "expiry");
			ok(strstr(text.p, "\"s") == NULL, "the secret is gone from the answer");
		}
		mr_buf_free(&text);
	}
	row(0);
}

static void
check_container_url(void)
{
	static const struct {
		int line;
		const char *relative, *full, *url;
	} rows[] = {
		{ __LINE__, "/v2/credentials/x", NULL, "http://169.254.170.2/v2/credentials/x" },
		{ __LINE__, "/a", "https://example.com/b", "http://169.254.170.2/a" },
		{ __LINE__, "a", NULL, NULL },
		{ __LINE__, "@evil.example/a", NULL, NULL },
		{ __LINE__, NULL, "https://example.com/x", "https://example.com/x" },
		{ __LINE__, NULL, "http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x" },
		{ __LINE__, NULL, "http://localhost/x", "http://localhost/x" },
		{ __LINE__, NULL, "http://169.254.170.23/v1/credentials",
		    "http://169.254.170.23/v1/credentials" },
		{ __LINE__, NULL, "http://[fd00:ec2::23]/v1", "http://[fd00:ec2::23]/v1" },
		{ __LINE__, NULL, "http://example.com/x", NULL },
		{ __LINE__, NULL, "http://localhost.example.com/x", NULL },
		{ __LINE__, NULL, "http://127.0.0.1@example.com/x", NULL },
		{ __LINE__, NULL, "http://127.0.0.1:80@example.com/x", NULL },
		{ __LINE__, NULL, "http://127.0.0.1:@example.com/x", NULL },
		{ __LINE__, NULL, "http://127.0.0.1:80:80@example.com/x", NULL },
		{ __LINE__, NULL, "http://localhost:pass@example.com/x", NULL },
		{ __LINE__, NULL, "http://[::1]:80\\@example.com/x", NULL },
		{ __LINE__, NULL, "http://127.0.0.1:80#@example.com/x", NULL },
		{ __LINE__, NULL, "http://127.0.0.1", "http://127.0.0.1" },
		{ __LINE__, NULL, "http://[::1]:8080", "http://[::1]:8080" },
		{ __LINE__, NULL, "http://127.0.0.1.example.com/x", NULL },
		{ __LINE__, NULL, "file:///etc/passwd", NULL },
	};
	struct mr_buf url;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		mr_buf_init(&url, 1000);
		is_int(mr_credsrc_container_url(rows[i].relative, rows[i].full, &url, &err),
		    rows[i].url != NULL ? MR_OK : MR_EINVAL, "the container's URL");
		if (rows[i].url != NULL)
			is_str(mr_str(url.p), rows[i].url, "what it is");
		mr_buf_free(&url);
	}
	row(0);
}

/* Sets or, with NULL, removes variables. */
static void
environment(const char *const vars[][2], size_t n)
{
	static const char *const all[] = { "CLIENT_S3_ACCESS_KEY", "CLIENT_S3_SECRET_KEY",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "HOME" };

	for (size_t i = 0; i < ROWS(all); i++)
		unsetenv(all[i]);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	for (size_t i = 0; i < n && vars[i][0] != NULL; i++)
		setenv(vars[i][0], vars[i][1], 1);
}

static void
check_environment(void)
{
	static const struct {
		int line;
		const char *vars[6][2];
		const char *id, *token, *reason; /* id NULL: refused */
	} rows[] = {
		{ __LINE__, { { "AWS_ACCESS_KEY_ID", "A" }, { "AWS_SECRET_ACCESS_KEY", "s" } }, "A", "",
		    NULL },
		{ __LINE__, { { "AWS_ACCESS_KEY_ID", "A" }, { "AWS_SECRET_ACCESS_KEY", "s" },
		    { "AWS_SESSION_TOKEN", "t" } }, "A", "t", NULL },
		{ __LINE__, { { "AWS_ACCESS_KEY_ID", "A" }, { "AWS_SECRET_ACCESS_KEY", "s" },
		    { "CLIENT_S3_ACCESS_KEY", "C" }, { "CLIENT_S3_SECRET_KEY", "s" },
		    { "AWS_SESSION_TOKEN", "t" } }, "C", "", NULL },
		{ __LINE__, { { "AWS_ACCESS_KEY_ID", "A" } }, NULL, NULL, "AWS_SECRET_ACCESS_KEY" },
		{ __LINE__, { { "CLIENT_S3_SECRET_KEY", "zzz" } }, NULL, NULL, "CLIENT_S3_ACCESS_KEY" },
		{ __LINE__, { { "AWS_ACCESS_KEY_ID", "A" }, { "AWS_SECRET_ACCESS_KEY", "zzz\nx" } },
		    NULL, NULL, "AWS_SECRET_ACCESS_KEY" },
		{ __LINE__, { { "AWS_ACCESS_KEY_ID", "" }, { "AWS_SECRET_ACCESS_KEY", "" } }, NULL, NULL,
		    "no credentials" },
		{ __LINE__, { { NULL, NULL } }, NULL, NULL, "no credentials" },
		{ __LINE__, { { "AWS_PROFILE", "x" }, { "HOME", "/nonexistent" } }, NULL, NULL,
		    "/nonexistent/.aws/credentials" },
		{ __LINE__, { { "AWS_SHARED_CREDENTIALS_FILE", "/nonexistent" } }, NULL, NULL,
		    "/nonexistent" },
		{ __LINE__, { { "HOME", "/nonexistent" } }, NULL, NULL, "no credentials" },
		{ __LINE__, { { "AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent" } }, NULL, NULL,
		    "AWS_ROLE_ARN" },
	};
	const struct mr_creds_options options = { .access_key = "" };
	struct mr_creds_chain *chain;
	const struct mr_creds *creds;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		environment(rows[i].vars, 6);
		if (mr_creds_new(&chain, &options, &err) != MR_OK)
			bail("no chain: %s", err.text);
		is_int(mr_creds_get(chain, &creds, &err) == MR_OK, rows[i].id != NULL, "found or not");
		if (rows[i].id != NULL) {
			is_str(mr_str(creds->access_key), rows[i].id, "access key");
			is_str(mr_str(creds->session_token), rows[i].token, "session token");
			ok(!mr_creds_expire(chain), "they are static");
		} else {
			is_part(err.text, rows[i].reason, "the reason");
			ok(strstr(err.text, "zzz") == NULL, "the secret is not in it");
		}
		mr_creds_free(chain);
	}
	row(0);
	mr_creds_free(NULL);
}

static void
check_sealed(void)
{
	static const char *const none[1][2] = { { "AWS_ACCESS_KEY_ID", "environment" } };
	char path[] = "/tmp/mr-creds-XXXXXX", bad[300];
	struct mr_creds_options options = { .access_key = "PLAIN", .key_file = path };
	struct mr_creds_chain *chain;
	const struct mr_creds *creds;
	struct mr_keyring *ring;
	struct mr_buf b;
	int fd = mkstemp(path);

	environment(none, 0);
	if (fd < 0 || close(fd) != 0 || unlink(path) != 0 || mr_keyring_make(path, &err) != MR_OK ||
	    mr_keyring_load(&ring, path, &err) != MR_OK)
		bail("no key file: %s", err.text);
	mr_buf_init(&b, 1000);
	(void)mr_seal(ring, MR_STR_LIT("the/secret"), &b, &err);
	mr_buf_add_char(&b, '\0');
	mr_keyring_free(ring);

	options.secret_key = b.p;
	is_int(mr_creds_new(&chain, &options, &err), MR_OK, "a chain");
	is_int(mr_creds_get(chain, &creds, &err), MR_OK, "a sealed secret");
	is_str(mr_str(creds->secret_key), "the/secret", "it is opened");
	is_str(mr_str(creds->source), "the configuration", "where it is from");
	mr_creds_free(chain);

	snprintf(bad, sizeof bad, "%s", b.p);
	bad[40] = bad[40] == 'A' ? 'B' : 'A';
	options.secret_key = bad;
	(void)mr_creds_new(&chain, &options, &err);
	is_int(mr_creds_get(chain, &creds, &err), MR_EINVAL, "an altered one");
	is_part(err.text, "secret_key", "the reason names it");
	mr_creds_free(chain);

	options.secret_key = "zzz-in-the-clear";
	(void)mr_creds_new(&chain, &options, &err);
	is_int(mr_creds_get(chain, &creds, &err), MR_EINVAL, "one in the clear");
	is_part(err.text, "is not sealed; put what millrace-admin seal", "the reason says what to do");
	ok(strstr(err.text, "zzz") == NULL, "and does not show it");
	mr_creds_free(chain);

	options.secret_key = NULL;
	(void)mr_creds_new(&chain, &options, &err);
	is_int(mr_creds_get(chain, &creds, &err), MR_EINVAL, "an access key without a secret");
	mr_creds_free(chain);

	options.secret_key = b.p;
	options.key_file = "/nonexistent";
	(void)mr_creds_new(&chain, &options, &err);
	is_int(mr_creds_get(chain, &creds, &err), MR_EIO, "without the key file");
	is_part(err.text, "/nonexistent", "the reason names it");
	mr_creds_free(chain);
	mr_buf_free(&b);
	(void)unlink(path);
}

/* Whether the kernel leaves the page of p out of core dumps. */
static bool
dont_dump(const void *p)
{
	unsigned long from, to, at = (unsigned long)(uintptr_t)p;
	FILE *f = fopen("/proc/self/smaps", "r");
	bool inside = false, found = false;
	char line[512];

	if (f == NULL)
		return false;
	while (fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = at >= from && at < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " dd") != NULL;
	}
	fclose(f);
	return found;
}

static void
check_memory(void)
{
	static const char *const vars[2][2] = { { "AWS_ACCESS_KEY_ID", "A" },
		{ "AWS_SECRET_ACCESS_KEY", "s" } };
	const struct mr_creds_options options = { .access_key = NULL };
	struct mr_creds_chain *chain;
	const struct mr_creds *creds;

	environment(vars, 2);
	(void)mr_creds_new(&chain, &options, &err);
	is_int(mr_creds_get(chain, &creds, &err), MR_OK, "credentials");
	if (access("/proc/self/smaps", R_OK) != 0)
		skip("they are left out of core dumps", "there is no /proc/self/smaps");
	else
		ok(dont_dump(creds->secret_key), "they are left out of core dumps");
	mr_creds_free(chain);
}

int
main(void)
{
	check_file();
	check_json();
	check_container_url();
	check_environment();
	check_sealed();
	check_memory();
	return done();
}
