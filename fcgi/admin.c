/* The administrator: see admin.h. */
#include "admin.h"

#include <strings.h>

#include "client.h"
#include "guesses.h"
#include "response.h"
#include "secret/secret.h"

#define SCHEME "Bearer "

static bool
has_token(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_str header = request->authorization;

	if (header.n < sizeof SCHEME - 1 ||
	    strncasecmp(header.p, SCHEME, sizeof SCHEME - 1) != 0)
		return false;
	header.p += sizeof SCHEME - 1;
	header.n -= sizeof SCHEME - 1;
	return mr_secret_matches(header, worker->conf->token_sha256);
}

static struct mr_str
without_port(struct mr_str host)
{
	const char *colon = host.n > 0 ? memchr(host.p, ':', host.n) : NULL;

	return colon == NULL ? host : (struct mr_str){ host.p, (size_t)(colon - host.p) };
}

static bool
is_localhost(struct mr_str name)
{
	static const char localhost[] = "localhost";

	return name.n == sizeof localhost - 1 && strncasecmp(name.p, localhost, name.n) == 0;
}

/* Any other name is one that somebody else's DNS may have led here. */
static bool
has_local_name(const struct mr_request *request)
{
	struct mr_ip ip;

	if (request->host.n == 0)
		return false;
	return is_localhost(without_port(request->host)) ||
	    (mr_ip_parse(request->host, &ip) && mr_ip_is_loopback(&ip));
}

/* Whether an Origin is this server's own: what is behind the scheme is the Host. */
static bool
is_own_origin(const struct mr_request *request)
{
	static const char *const schemes[] = { "http://", "https://" };
	struct mr_str origin = request->origin, host = request->host;

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t n = strlen(schemes[i]);

		if (origin.n == n + host.n && memcmp(origin.p, schemes[i], n) == 0 &&
		    strncasecmp(origin.p + n, host.p, host.n) == 0)
			return true;
	}
	return false;
}

/* Whether a page of somebody else's makes a browser on this machine ask. */
static bool
is_foreign_page(const struct mr_request *request)
{
	struct mr_str site = request->fetch_site;

	if (request->origin.p != NULL && !is_own_origin(request))
		return true;
	return site.p != NULL && !mr_str_eq(site, MR_STR_LIT("same-origin")) &&
	    !mr_str_eq(site, MR_STR_LIT("none"));
}

/* Why one without a token may not, when none is configured; NULL: it may. */
static const char *
refuse_tokenless(const struct mr_worker *worker, const struct mr_request *request)
{
	if (mr_str_eq(request->method, MR_STR_LIT("POST")))
		return "POST needs the admin token, and none is configured: put the SHA-256 of one "
		    "into token_sha256 under [admin]";
	if (!mr_client_is_local(worker, request))
		return "no admin token is configured: only this machine itself may ask";
	if (!has_local_name(request))
		return "no admin token is configured: only this machine itself may ask, as localhost or "
		    "by a loopback address";
	if (is_foreign_page(request))
		return "no admin token is configured: no other site's page may ask";
	return NULL;
}

/* Whether the token is right; *wait_s > 0: it was not looked at. */
static bool
judge(const struct mr_worker *worker, const struct mr_request *request, int64_t *wait_s)
{
	struct mr_ip client;

	*wait_s = 0;
	if (request->authorization.p == NULL)
		return false;
	client = mr_client_address(worker, request);
	*wait_s = mr_guesses_wait(worker->guesses, &client);
	if (*wait_s > 0)
		return false;
	if (has_token(worker, request))
		return true;
	mr_guesses_note(worker->guesses, &client, (enum mr_ip_privacy)worker->conf->client_ip);
	return false;
}

static void
refuse_token(const struct mr_request *request, int64_t wait_s, struct mr_response *response)
{
	if (wait_s > 0) {
		mr_response_fail(response, 429, "too many wrong admin tokens came from this address; "
		    "ask again later");
		mr_response_retry_after(response, wait_s);
		return;
	}
	mr_response_fail(response, 401, request->authorization.p == NULL ?
	    "this needs the admin token: Authorization: Bearer TOKEN" :
	    "the admin token is wrong");
	mr_buf_add_cstr(&response->headers, "WWW-Authenticate: Bearer realm=\"millrace\"\r\n");
}

static bool
has_no_token(const struct mr_worker *worker)
{
	return worker->conf->token_sha256[0] == '\0';
}

bool
mr_admin_may(const struct mr_worker *worker, const struct mr_request *request)
{
	int64_t wait_s;

	if (has_no_token(worker))
		return refuse_tokenless(worker, request) == NULL;
	return judge(worker, request, &wait_s);
}

bool
mr_admin_allow(const struct mr_worker *worker, const struct mr_request *request,
    struct mr_response *response)
{
	const char *why;
	int64_t wait_s;

	if (has_no_token(worker)) {
		if ((why = refuse_tokenless(worker, request)) == NULL)
			return true;
		mr_response_fail(response, 403, why);
		return false;
	}
	if (judge(worker, request, &wait_s))
		return true;
	refuse_token(request, wait_s, response);
	return false;
}
