/* Who asks: see client.h. */
#include "client.h"

#include <strings.h>

#include "format/forwarded.h"

/* A unix socket between two servers has no address: treat it as none. */
static struct mr_ip
peer_of(const struct mr_request *request)
{
	struct mr_ip peer = { .family = 0 };

	(void)mr_ip_parse(request->remote_addr, &peer);
	return peer;
}

/* The addresses that proxies have noted, the last one nearest. */
static struct mr_str
noted(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_str list = request->client_ip;

	if (list.p != NULL && strcasecmp(worker->conf->client_ip_header, "Forwarded") == 0)
		list = mr_forwarded_for(request->arena, list);
	return list;
}

struct mr_ip
mr_client_address(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_ip peer = peer_of(request);

	return mr_ip_client(&peer, noted(worker, request), worker->conf->trusted_proxies,
	    worker->conf->n_trusted_proxies);
}

bool
mr_client_is_local(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_ip peer = peer_of(request);
	struct mr_str list = noted(worker, request);

	/* Whoever wrote that one stands in between, though nobody said that it is read. */
	if (list.p == NULL && request->forwarded_for.p != NULL)
		return false;
	return mr_ip_client_is_loopback(&peer, list, worker->conf->trusted_proxies,
	    worker->conf->n_trusted_proxies);
}
