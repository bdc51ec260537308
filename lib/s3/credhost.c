/*
 * Credentials that the machine hands out over HTTP: a container's (ECS, EKS)
 * and EC2's metadata service, version 2. See credsrc.h.
 */
#include "s3/credsrc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "format/json.h"
#include "s3/http.h"
#include "secret/secret.h"

#define MAX_ANSWER 65536
#define MAX_URL 2048
#define LOCAL_TIMEOUT_MS 5000
#define EC2_CONNECT_MS 1000 /* where there is no such service, nothing answers */
#define EC2_ENDPOINT "http://169.254.169.254"
#define EC2_ROLES "/latest/meta-data/iam/security-credentials/"
#define ECS_ENDPOINT "http://169.254.170.2"

/* --- what both answer with -------------------------------------------------- */

static enum mr_err
take_member(struct mr_arena *arena, const struct mr_json *json, int node, char *to, size_t size)
{
	struct mr_str value;

	if (json->nodes[node].type != MR_JSON_STRING)
		return MR_OK;
	value = mr_json_string(arena, json, node);
	if (value.p == NULL || value.n >= size)
		return MR_EINVAL;
	memcpy(to, value.p, value.n);
	to[value.n] = '\0';
	/* It is a piece of the arena or of the text, which nobody reads again. */
	mr_secret_wipe((char *)(uintptr_t)value.p, value.n);
	return MR_OK;
}

static enum mr_err
take_members(struct mr_arena *arena, const struct mr_json *json, const char *who,
    struct mr_creds *creds, struct mr_error *err)
{
	char expiration[64] = "", code[64] = "";
	const struct {
		const char *name;
		char *to;
		size_t size;
	} keys[] = {
		{ "AccessKeyId", creds->access_key, sizeof creds->access_key },
		{ "SecretAccessKey", creds->secret_key, sizeof creds->secret_key },
		{ "Token", creds->session_token, sizeof creds->session_token },
		{ "Expiration", expiration, sizeof expiration },
		{ "Code", code, sizeof code },
	};

	for (int key = 1; key < json->n; key = json->nodes[key + 1].next)
		for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
			if (mr_json_is(json, key, mr_str(keys[i].name)) && take_member(arena, json,
			    key + 1, keys[i].to, keys[i].size) != MR_OK)
				return mr_fail(err, MR_EINVAL, "%s: its %s is too long", who,
				    keys[i].name);
	if (code[0] != '\0' && strcmp(code, "Success") != 0)
		return mr_fail(err, MR_EINVAL, "%s: says %.60s instead of credentials", who, code);
	if (creds->access_key[0] == '\0' || creds->secret_key[0] == '\0')
		return mr_fail(err, MR_EINVAL, "%s: its answer has no credentials in it", who);
	if (expiration[0] != '\0' && !mr_clock_parse(mr_str(expiration), &creds->expires_us))
		return mr_fail(err, MR_EINVAL, "%s: its Expiration is no time", who);
	return MR_OK;
}

enum mr_err
mr_credsrc_parse_json(struct mr_buf *text, const char *who, struct mr_creds *creds,
    struct mr_error *err)
{
	struct mr_arena arena;
	struct mr_json json;
	enum mr_err e;

	mr_arena_init(&arena, 1 << 20);
	if (mr_json_parse(&arena, text->p, text->len, &json, NULL) != MR_OK ||
	    json.nodes[0].type != MR_JSON_OBJECT)
		e = mr_fail(err, MR_EINVAL, "%s: its answer is not a JSON object", who);
	else
		e = take_members(&arena, &json, who, creds, err);
	if (e != MR_OK)
		creds->access_key[0] = '\0';
	mr_arena_free(&arena);
	return e;
}

/* One request; a status other than 200 is an error. */
static enum mr_err
ask(struct mr_http *http, const char *who, const char *method, const char *url,
    const struct mr_pair *header, struct mr_http_response *response, struct mr_error *err)
{
	struct mr_http_request request = { .method = method, .url = url, .headers = header,
		.n_headers = header != NULL, .body = MR_STR_NULL };
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;

	if (strcmp(method, "PUT") == 0)
		request.body = MR_STR_LIT("");
	if ((e = mr_http_do(http, &request, response, &why)) != MR_OK)
		return mr_fail(err, e, "%s: %.400s", who, why.text);
	if (response->status == 200)
		return MR_OK;
	return mr_fail(err, response->status >= 500 || response->status == 429 ? MR_EAGAIN :
	    MR_EINVAL, "%s: answered with status %d", who, response->status);
}

/* The answers hold secrets, so they get all their room at once and lie in one place. */
static enum mr_err
open_client(const struct mr_http_options *options, struct mr_http **http,
    struct mr_http_response *response, struct mr_error *err)
{
	mr_http_response_init(response, MAX_ANSWER);
	if (mr_buf_reserve(&response->body, MAX_ANSWER) == NULL) {
		*http = NULL;
		return mr_fail(err, MR_ENOMEM, "no memory for credentials");
	}
	return mr_http_new(http, options, err);
}

/* --- containers ------------------------------------------------------------- */

/* [":" port] and then the path, or nothing: a "@" would make a password of it all. */
static bool
is_behind_host(const char *rest)
{
	if (*rest == ':')
		rest += 1 + strspn(rest + 1, "0123456789");
	return *rest == '/' || *rest == '\0';
}

static bool
is_local_host(const char *url)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]", "169.254.170.2",
		"169.254.170.23", "[fd00:ec2::23]" };
	const char *host = url + strlen("http://");
	size_t n;

	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		n = strlen(hosts[i]);
		if (strncmp(host, hosts[i], n) == 0 && is_behind_host(host + n))
			return true;
	}
	return false;
}

enum mr_err
mr_credsrc_container_url(const char *relative, const char *full, struct mr_buf *url,
    struct mr_error *err)
{
	if (relative != NULL && relative[0] != '/')
		return mr_fail(err, MR_EINVAL, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: must begin "
		    "with a slash");
	if (relative == NULL && strncmp(full, "https://", 8) != 0 &&
	    (strncmp(full, "http://", 7) != 0 || !is_local_host(full)))
		return mr_fail(err, MR_EINVAL, "AWS_CONTAINER_CREDENTIALS_FULL_URI: must be https://, "
		    "or http:// to the machine itself");
	if (relative != NULL)
		mr_buf_add_cstr(url, ECS_ENDPOINT);
	mr_buf_add_cstr(url, relative != NULL ? relative : full);
	mr_buf_add_char(url, '\0');
	return url->failed ? mr_fail(err, MR_ELIMIT, "the URL of the container's credentials is "
	    "too long") : MR_OK;
}

/* The container's token, from its file, which may change, or its variable. n == 0: none. */
static enum mr_err
container_token(char *text, size_t size, size_t *n, struct mr_error *err)
{
	const char *path = mr_credsrc_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *value = mr_credsrc_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	ssize_t got;
	int fd, error;

	*n = 0;
	if (path == NULL) {
		*n = value != NULL && strlen(value) < size ? strlen(value) : 0;
		memcpy(text, value != NULL ? value : "", *n);
		return MR_OK;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	got = fd < 0 ? -1 : mr_file_read_all(fd, text, size);
	error = errno;
	if (fd >= 0)
		close(fd);
	if (got < 0)
		return mr_fail(err, MR_EIO, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %s: %s", path,
		    strerror(error));
	if ((size_t)got == size)
		return mr_fail(err, MR_ELIMIT, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %s: is too "
		    "long", path);
	for (*n = (size_t)got; *n > 0 && (text[*n - 1] == '\n' || text[*n - 1] == '\r');)
		--*n;
	return MR_OK;
}

static enum mr_err
ask_container(const struct mr_creds_options *o, const char *url, struct mr_creds *creds,
    struct mr_error *err)
{
	static const char who[] = "container credentials";
	/* http:// was only let through for the machine itself; https:// is verified. */
	const struct mr_http_options options = { .connect_timeout_ms = LOCAL_TIMEOUT_MS,
		.timeout_ms = LOCAL_TIMEOUT_MS, .insecure = strncmp(url, "http://", 7) == 0,
		.no_proxy = true, .stop = o->stop };
	struct mr_http_response response;
	struct mr_pair header = { "Authorization", MR_STR_NULL };
	struct mr_http *http;
	char *token = mr_secret_alloc(MR_CREDS_TOKEN_MAX);
	enum mr_err e = MR_ENOMEM;
	size_t n = 0;

	if (token == NULL)
		return mr_fail(err, e, "no memory for credentials");
	if ((e = open_client(&options, &http, &response, err)) == MR_OK &&
	    (e = container_token(token, MR_CREDS_TOKEN_MAX, &n, err)) == MR_OK) {
		header.value = (struct mr_str){ token, n };
		e = ask(http, who, "GET", url, n > 0 ? &header : NULL, &response, err);
	}
	if (e == MR_OK)
		e = mr_credsrc_parse_json(&response.body, who, creds, err);
	mr_http_free(http);
	mr_http_response_free(&response);
	mr_secret_free(token);
	creds->source = who;
	return e;
}

enum mr_err
mr_credsrc_container(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err)
{
	const char *relative = mr_credsrc_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = mr_credsrc_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct mr_buf url;
	enum mr_err e;

	if (relative == NULL && full == NULL)
		return MR_OK;
	mr_buf_init(&url, MAX_URL);
	if ((e = mr_credsrc_container_url(relative, full, &url, err)) == MR_OK)
		e = ask_container(o, url.p, creds, err);
	mr_buf_free(&url);
	return e;
}

/* --- EC2 -------------------------------------------------------------------- */

static enum mr_err
ec2_url(char *url, const char *path, struct mr_str name, struct mr_error *err)
{
	const char *endpoint = mr_credsrc_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	size_t n;

	endpoint = endpoint != NULL ? endpoint : EC2_ENDPOINT;
	n = strlen(endpoint);
	n -= n > 0 && endpoint[n - 1] == '/';
	if ((size_t)snprintf(url, MAX_URL, "%.*s%s%.*s", (int)n, endpoint, path, (int)name.n,
	    name.p) >= MAX_URL)
		return mr_fail(err, MR_ELIMIT, "the URL of the EC2 metadata service is too long");
	return MR_OK;
}

/* The role's name is the first line of the answer; n == 0: there is none. */
static enum mr_err
ec2_role(struct mr_http *http, const char *who, const struct mr_pair *session,
    struct mr_http_response *response, char *url, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_str name;
	const char *end;
	char copy[128];
	enum mr_err e;

	if ((e = ec2_url(url, EC2_ROLES, MR_STR_LIT(""), err)) != MR_OK)
		return e;
	e = ask(http, who, "GET", url, session, response, &why);
	url[0] = '\0';
	if (e != MR_OK && response->status == 404)
		return MR_OK; /* the machine has no role */
	if (e != MR_OK)
		return mr_fail(err, e, "%s", why.text);
	name = mr_buf_str(&response->body);
	end = memchr(name.p, '\n', name.n);
	name.n = end != NULL ? (size_t)(end - name.p) : name.n;
	if (name.n == 0 || name.n >= sizeof copy)
		return mr_fail(err, MR_EINVAL, "%s: its answer is no role's name", who);
	memcpy(copy, name.p, name.n);
	return ec2_url(url, EC2_ROLES, (struct mr_str){ copy, name.n }, err);
}

/* The service is switched off, or something else answers at its address. */
static bool
is_no_ec2(int status)
{
	return status == 403 || status == 404 || status == 405;
}

static enum mr_err
ask_ec2(struct mr_http *http, struct mr_http_response *response, struct mr_creds *creds,
    struct mr_error *err)
{
	static const char who[] = "EC2 metadata service";
	const struct mr_pair ttl = { "X-aws-ec2-metadata-token-ttl-seconds", MR_STR_LIT("21600") };
	struct mr_pair session = { "X-aws-ec2-metadata-token", MR_STR_NULL };
	char url[MAX_URL], token[512];
	enum mr_err e;

	if ((e = ec2_url(url, "/latest/api/token", MR_STR_LIT(""), err)) != MR_OK)
		return e;
	if ((e = ask(http, who, "PUT", url, &ttl, response, err)) != MR_OK)
		return (response->status == 0 && e == MR_EAGAIN) || is_no_ec2(response->status) ?
		    MR_OK : e;
	if (response->body.len > sizeof token)
		return mr_fail(err, MR_ELIMIT, "%s: its token is too long", who);
	memcpy(token, response->body.p, response->body.len);
	session.value = (struct mr_str){ token, response->body.len };
	if ((e = ec2_role(http, who, &session, response, url, err)) == MR_OK && url[0] != '\0' &&
	    (e = ask(http, who, "GET", url, &session, response, err)) == MR_OK)
		e = mr_credsrc_parse_json(&response->body, who, creds, err);
	mr_secret_wipe(token, sizeof token);
	creds->source = who;
	return e;
}

enum mr_err
mr_credsrc_ec2(const struct mr_creds_options *o, struct mr_creds *creds, struct mr_error *err)
{
	const struct mr_http_options options = { .connect_timeout_ms = EC2_CONNECT_MS,
		.timeout_ms = LOCAL_TIMEOUT_MS, .insecure = true, .no_proxy = true, .stop = o->stop };
	const char *disabled = mr_credsrc_env("AWS_EC2_METADATA_DISABLED");
	struct mr_http_response response;
	struct mr_http *http;
	enum mr_err e;

	if (disabled != NULL && strcasecmp(disabled, "true") == 0)
		return MR_OK;
	if ((e = open_client(&options, &http, &response, err)) == MR_OK)
		e = ask_ec2(http, &response, creds, err);
	mr_http_free(http);
	mr_http_response_free(&response);
	return e;
}
