/* Who asks: see client.h. */
#include "client.h"

struct mr_ip
mr_client_address(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_ip peer = { .family = 0 };

	/* A unix socket between two servers has no address: treat it as none. */
	(void)mr_ip_parse(request->remote_addr, &peer);
	return mr_ip_client(&peer, request->forwarded_for, worker->conf->trusted_proxies,
	    worker->conf->n_trusted_proxies);
}
