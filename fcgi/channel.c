/* The web server's connections: see channel.h. */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/log.h"

#define LISTEN_FD 0
/* So long a thread waits at most before it looks whether it is to stop. */
#define WAIT_MS 1000
/* Against a web server that takes no answer. */
#define SEND_TIMEOUT_S 30
#define ACCEPT_PAUSE_MS 50

struct mr_channel {
	int fd;                   /* -1: a spare one */
	int64_t late_us;          /* when reading ends in any case, monotonic; guarded by lock */
	bool late;                /* it did; guarded by lock */
	bool reading;             /* a thread may be waiting for more of it; guarded by lock */
	bool fresh;               /* parked before its first request came; guarded by lock */
	struct mr_channel *spare; /* next in the list; guarded by lock */
	struct mr_channel *older; /* all there are, to be freed at the end; guarded by lock */
};

static int epoll_fd = -1;
static int stop_fd = -1; /* an eventfd in the set; readable from stop on */
static int wake_fd = -1; /* the same; every write to it wakes a thread */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_channel *spare_channels, *all_channels;
static size_t n_fresh; /* guarded by lock */
static bool stopped;   /* guarded by lock */
static bool cut;       /* guarded by lock */
static size_t n_places = 1; /* that are free; guarded by lock */
static pthread_cond_t place_free = PTHREAD_COND_INITIALIZER;
static _Thread_local bool has_place;
static int64_t request_timeout_us; /* set once */
/* Where connections over TCP may come from; set once. */
static bool from_anywhere;
static struct mr_ip_block *web_servers;
static size_t n_web_servers;

/*
 * All but wake_fd is one shot: one thread gets an event, and arms the
 * descriptor again when it is for another thread to wait on. 0, or -1 and errno.
 */
static int
watch(int operation, int fd, void *who)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = who };

	return epoll_ctl(epoll_fd, operation, fd, &event);
}

/* Edge-triggered, so that nobody has to read it. */
static int
watch_wakes(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = &wake_fd };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event);
}

/* What cannot be read is no address that anything could come from. */
static enum mr_err
set_web_servers(const char *list, struct mr_error *err)
{
	size_t n;

	from_anywhere = list == NULL;
	if (from_anywhere)
		return MR_OK;
	web_servers = calloc(strlen(list) / 2 + 1, sizeof *web_servers);
	if (web_servers == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for the web servers' addresses");
	for (; *(list += strspn(list, ", ")) != '\0'; list += n) {
		n = strcspn(list, ", ");
		if (mr_ip_block_parse((struct mr_str){ list, n }, &web_servers[n_web_servers]))
			n_web_servers++;
	}
	return MR_OK;
}

enum mr_err
mr_channel_init(const char *allowed, int64_t timeout_s, struct mr_error *err)
{
	int flags = fcntl(LISTEN_FD, F_GETFL);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	enum mr_err e = set_web_servers(allowed, err);

	if (e != MR_OK)
		return e;
	request_timeout_us = timeout_s * MR_US_PER_S;
	n_places = processors > 1 ? (size_t)processors : 1;
	if (flags < 0 || fcntl(LISTEN_FD, F_SETFL, flags | O_NONBLOCK) != 0)
		return mr_fail(err, MR_EIO, "listening socket: %s", strerror(errno));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epoll_fd < 0 || stop_fd < 0 || wake_fd < 0 || watch_wakes() != 0 ||
	    watch(EPOLL_CTL_ADD, stop_fd, &stop_fd) != 0 ||
	    watch(EPOLL_CTL_ADD, LISTEN_FD, NULL) != 0)
		return mr_fail(err, MR_EIO, "epoll: %s", strerror(errno));
	return MR_OK;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
mr_channel_end(void)
{
	struct mr_channel *channel;

	while ((channel = all_channels) != NULL) {
		all_channels = channel->older;
		close_fd(&channel->fd);
		free(channel);
	}
	spare_channels = NULL;
	close_fd(&epoll_fd);
	close_fd(&stop_fd);
	close_fd(&wake_fd);
	free(web_servers);
	web_servers = NULL;
	n_web_servers = 0;
}

static struct mr_channel *
take_channel(int fd)
{
	struct mr_channel *channel;

	pthread_mutex_lock(&lock);
	channel = spare_channels;
	if (channel != NULL) {
		spare_channels = channel->spare;
	} else if ((channel = calloc(1, sizeof *channel)) != NULL) {
		channel->older = all_channels;
		all_channels = channel;
	}
	if (channel != NULL)
		channel->fd = fd;
	pthread_mutex_unlock(&lock);
	return channel;
}

void
mr_channel_release(struct mr_channel *channel)
{
	pthread_mutex_lock(&lock);
	n_fresh -= channel->fresh;
	channel->reading = channel->fresh = false;
	channel->fd = -1;
	channel->spare = spare_channels;
	spare_channels = channel;
	pthread_mutex_unlock(&lock);
}

int
mr_channel_fd(const struct mr_channel *channel)
{
	return channel->fd;
}

void
mr_channel_begin_reading(struct mr_channel *channel)
{
	pthread_mutex_lock(&lock);
	n_fresh -= channel->fresh;
	channel->fresh = channel->late = false;
	channel->reading = true;
	channel->late_us = mr_clock_mono_us() + request_timeout_us;
	if (cut)
		(void)shutdown(channel->fd, SHUT_RD);
	pthread_mutex_unlock(&lock);
}

void
mr_channel_end_reading(struct mr_channel *channel)
{
	pthread_mutex_lock(&lock);
	channel->reading = false;
	pthread_mutex_unlock(&lock);
}

bool
mr_channel_is_late(struct mr_channel *channel)
{
	bool late;

	pthread_mutex_lock(&lock);
	late = channel->late;
	pthread_mutex_unlock(&lock);
	return late;
}

/* The thread that reads it sees the end of what came until now; it can still answer. */
void
mr_channel_expire(void)
{
	int64_t now_us = mr_clock_mono_us();

	pthread_mutex_lock(&lock);
	for (struct mr_channel *c = all_channels; c != NULL; c = c->older) {
		if (!c->reading || c->late || c->late_us > now_us)
			continue;
		c->late = true;
		(void)shutdown(c->fd, SHUT_RD);
	}
	pthread_mutex_unlock(&lock);
}

bool
mr_channel_pending(void)
{
	bool pending;

	pthread_mutex_lock(&lock);
	pending = n_fresh > 0 && !cut;
	pthread_mutex_unlock(&lock);
	return pending;
}

void
mr_channel_wake(void)
{
	(void)eventfd_write(wake_fd, 1);
}

void
mr_channel_stop(void)
{
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, LISTEN_FD, NULL);
	(void)eventfd_write(stop_fd, 1);
	pthread_mutex_lock(&lock);
	stopped = true;
	pthread_cond_broadcast(&place_free);
	pthread_mutex_unlock(&lock);
}

void
mr_channel_cut(void)
{
	pthread_mutex_lock(&lock);
	cut = true;
	for (struct mr_channel *c = all_channels; c != NULL; c = c->older)
		if (c->reading)
			(void)shutdown(c->fd, SHUT_RD);
	pthread_mutex_unlock(&lock);
}

bool
mr_channel_park(struct mr_channel *channel)
{
	/* A kept connection is known from its first time on. */
	if (watch(EPOLL_CTL_MOD, channel->fd, channel) == 0 ||
	    (errno == ENOENT && watch(EPOLL_CTL_ADD, channel->fd, channel) == 0))
		return true;
	mr_log_error("epoll: %s", strerror(errno));
	return false;
}

/* Until its first request comes; counted, since at a stop it is waited for. */
static void
park_fresh(struct mr_channel *channel)
{
	pthread_mutex_lock(&lock);
	channel->fresh = true;
	n_fresh++;
	pthread_mutex_unlock(&lock);
	if (mr_channel_park(channel))
		return;
	close(channel->fd);
	mr_channel_release(channel);
}

static enum mr_err
failed_to_accept(int error)
{
	struct timespec pause = { .tv_nsec = ACCEPT_PAUSE_MS * 1000000L };

	/* Somebody else took it, or the client has gone again. */
	if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED ||
	    error == EPROTO)
		return MR_EAGAIN;
	mr_log_error("cannot accept a connection: %s", strerror(error));
	nanosleep(&pause, NULL);
	return MR_EIO;
}

static void
set_send_timeout(int fd)
{
	struct timeval tv = { .tv_sec = SEND_TIMEOUT_S };

	/* Without it the thread merely waits longer. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

/* Whether the peer may talk to us. */
static bool
peer_allowed(const struct sockaddr_storage *peer, socklen_t len)
{
	struct mr_ip ip;
	char text[MR_IP_TEXT];

	if (from_anywhere || (peer->ss_family != AF_INET && peer->ss_family != AF_INET6))
		return true;
	return getnameinfo((const struct sockaddr *)peer, len, text, sizeof text, NULL, 0,
	    NI_NUMERICHOST) == 0 && mr_ip_parse(mr_str(text), &ip) &&
	    mr_ip_in(&ip, web_servers, n_web_servers);
}

/* Whether there is something to read now. */
static bool
readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* Accepts the connection that waits at the listening socket. */
static enum mr_err
accept_channel(struct mr_channel **accepted)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	int fd, on = 1, error;

	fd = accept4(LISTEN_FD, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	error = errno;
	(void)watch(EPOLL_CTL_MOD, LISTEN_FD, NULL);
	if (fd < 0)
		return failed_to_accept(error);
	if (!peer_allowed(&peer, len) || (*accepted = take_channel(fd)) == NULL) {
		close(fd);
		return MR_EAGAIN;
	}
	if (peer.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	set_send_timeout(fd);
	return MR_OK;
}

/* After a stop, threads that stand by look from time to time whether to end. */
static void
stand_by(void)
{
	struct timespec until;

	if (!stopped) {
		pthread_cond_wait(&place_free, &lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	(void)pthread_cond_timedwait(&place_free, &lock, &until);
}

/* Whether the thread has a place at the set now. */
static bool
take_place(void)
{
	if (has_place)
		return true;
	pthread_mutex_lock(&lock);
	if (n_places == 0)
		stand_by();
	if (n_places > 0) {
		n_places--;
		has_place = true;
	}
	pthread_mutex_unlock(&lock);
	return has_place;
}

void
mr_channel_step_aside(void)
{
	if (!has_place)
		return;
	has_place = false;
	pthread_mutex_lock(&lock);
	n_places++;
	pthread_cond_signal(&place_free);
	pthread_mutex_unlock(&lock);
}

enum mr_err
mr_channel_wait(struct mr_channel **ready)
{
	struct epoll_event event;
	enum mr_err e;

	if (!take_place())
		return MR_EAGAIN;
	if (epoll_wait(epoll_fd, &event, 1, WAIT_MS) <= 0 || event.data.ptr == &wake_fd)
		return MR_EAGAIN;
	if (event.data.ptr == &stop_fd) {
		/* Each thread that wakes passes it on to the next. */
		if (!mr_channel_pending())
			(void)watch(EPOLL_CTL_MOD, stop_fd, &stop_fd);
		return MR_EAGAIN;
	}
	*ready = event.data.ptr;
	if (*ready != NULL)
		return MR_OK;
	if ((e = accept_channel(ready)) != MR_OK)
		return e;
	if (readable((*ready)->fd))
		return MR_OK;
	park_fresh(*ready);
	return MR_EAGAIN;
}
