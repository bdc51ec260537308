/*
 * Channels: the web server's connections to us, and waiting for them.
 *
 * All threads wait on one epoll set that holds the listening socket and every
 * connection that is open but idle. So neither accepting, nor the first bytes
 * of a connection, nor the next request of one that the web server keeps open
 * pins a thread. Knows sockets only, nothing of FastCGI.
 *
 * Only as many threads as there are processors work at the set; more would
 * merely wake and interrupt each other. The others stand by, and one takes the
 * place of a thread that says that it may sleep.
 */
#ifndef MR_FCGI_CHANNEL_H
#define MR_FCGI_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * A connection. Belongs to whoever serves its request; to the epoll set from
 * mr_channel_park() on, until mr_channel_wait() gives it to somebody.
 */
struct mr_channel;

/*
 * Once, before any thread: the listening socket is file descriptor 0. web_servers lists the
 * addresses and blocks that connections over TCP may come from, as FCGI_WEB_SERVER_ADDRS
 * does (FastCGI specification, section 3.2); NULL: any. A request has timeout_s to arrive.
 * MR_EIO, MR_ENOMEM.
 */
enum mr_err mr_channel_init(const char *web_servers, int64_t timeout_s, struct mr_error *err);

/* Closes what is open; when no thread uses it any more. */
void mr_channel_end(void);

/*
 * Waits for a connection with something to read. MR_OK; MR_EAGAIN when there was
 * none for a second or so, or somebody called wake or stop; MR_EIO when
 * accepting failed (already logged and paused; call again).
 */
enum mr_err mr_channel_wait(struct mr_channel **ready);

/*
 * The calling thread may sleep from here until its next mr_channel_wait():
 * another one takes its place.
 */
void mr_channel_step_aside(void);

int mr_channel_fd(const struct mr_channel *channel);

/*
 * Around reading a request from it: mr_channel_cut() and mr_channel_expire() may end the
 * reading in between.
 */
void mr_channel_begin_reading(struct mr_channel *channel);
void mr_channel_end_reading(struct mr_channel *channel);

/* Whether its request did not arrive in time, so that reading it was ended. */
bool mr_channel_is_late(struct mr_channel *channel);

/*
 * Ends the use of a channel whose connection stays open: it waits for its next
 * request. False when that failed: close it and release the channel then.
 */
bool mr_channel_park(struct mr_channel *channel);

/* The same for one whose connection was closed. */
void mr_channel_release(struct mr_channel *channel);

/* Makes one thread that waits, or the next one to wait, look at what there is to do. */
void mr_channel_wake(void);

/*
 * Accepts no more; connections accepted before still bring their requests. Every
 * wait returns at once from now on, unless such connections are left.
 */
void mr_channel_stop(void);

/* Whether a connection was accepted whose first request has not come yet. */
bool mr_channel_pending(void);

/* Ends the reading of requests that did not arrive in time. To be called about once a second. */
void mr_channel_expire(void);

/* Waits no longer for anything: what is still being read ends here. After stop. */
void mr_channel_cut(void);

#endif
