/* Who asks: see client.h. */
#include "client.h"

/* A unix socket between two servers has no address: treat it as none. */
static struct mr_ip
peer_of(const struct mr_request *request)
{
	struct mr_ip peer = { .family = 0 };

	(void)mr_ip_parse(request->remote_addr, &peer);
	return peer;
}

struct mr_ip
mr_client_address(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_ip peer = peer_of(request);

	return mr_ip_client(&peer, request->forwarded_for, worker->conf->trusted_proxies,
	    worker->conf->n_trusted_proxies);
}

bool
mr_client_is_local(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_ip peer = peer_of(request);

	return mr_ip_client_is_loopback(&peer, request->forwarded_for,
	    worker->conf->trusted_proxies, worker->conf->n_trusted_proxies);
}
