/* The administrator: see admin.h. */
#include "admin.h"

#include <strings.h>

#include "client.h"
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

/* Whether a page of somebody else's makes a browser on this machine ask. */
static bool
is_foreign_page(const struct mr_request *request)
{
	struct mr_str site = request->fetch_site;

	return site.p != NULL && !mr_str_eq(site, MR_STR_LIT("same-origin")) &&
	    !mr_str_eq(site, MR_STR_LIT("none"));
}

/* A proxy on this machine makes every client look local; its header gives it away. */
static bool
is_local(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_ip peer, client = mr_client_address(worker, request);

	if (!mr_ip_parse(request->remote_addr, &peer) || !mr_ip_is_loopback(&client) ||
	    is_foreign_page(request))
		return false;
	return request->forwarded_for.p == NULL ||
	    mr_ip_in(&peer, worker->conf->trusted_proxies, worker->conf->n_trusted_proxies);
}

bool
mr_admin_may(const struct mr_worker *worker, const struct mr_request *request)
{
	if (worker->conf->token_sha256[0] == '\0')
		return is_local(worker, request);
	return has_token(worker, request);
}

bool
mr_admin_allow(const struct mr_worker *worker, const struct mr_request *request,
    struct mr_response *response)
{
	if (mr_admin_may(worker, request))
		return true;
	if (worker->conf->token_sha256[0] == '\0') {
		mr_response_fail(response, 403, "no admin token is configured: only this "
		    "machine itself may ask");
		return false;
	}
	mr_response_fail(response, 401, request->authorization.p == NULL ?
	    "this needs the admin token: Authorization: Bearer TOKEN" :
	    "the admin token is wrong");
	mr_buf_add_cstr(&response->headers, "WWW-Authenticate: Bearer realm=\"millrace\"\r\n");
	return false;
}
