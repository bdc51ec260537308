# millrace.fcgi: the worker that the web server spawns.

fcgidir = $(libexecdir)/millrace
fcgi_PROGRAMS = fcgi/millrace.fcgi
fcgi_millrace_fcgi_CPPFLAGS = $(AM_CPPFLAGS) $(FCGI_CFLAGS)
fcgi_millrace_fcgi_SOURCES = \
	fcgi/admin.c fcgi/admin.h \
	fcgi/askers.c fcgi/askers.h \
	fcgi/buffer.c fcgi/buffer.h \
	fcgi/channel.c fcgi/channel.h \
	fcgi/client.c fcgi/client.h \
	fcgi/collect.c fcgi/collect.h \
	fcgi/cors.c fcgi/cors.h \
	fcgi/dialect.c fcgi/dialect.h \
	fcgi/export.c fcgi/export.h \
	fcgi/exportmetrics.c fcgi/exportmetrics.h \
	fcgi/exportrun.c \
	fcgi/guesses.c fcgi/guesses.h \
	fcgi/exportusage.c \
	fcgi/health.c fcgi/health.h \
	fcgi/limits.c fcgi/limits.h \
	fcgi/main.c \
	fcgi/metrics.c fcgi/metrics.h \
	fcgi/newest.c fcgi/newest.h \
	fcgi/promtext.c fcgi/promtext.h \
	fcgi/recent.c fcgi/recent.h \
	fcgi/request.c fcgi/request.h \
	fcgi/response.c fcgi/response.h \
	fcgi/routes.c fcgi/routes.h \
	fcgi/worker.c fcgi/worker.h
fcgi_millrace_fcgi_LDADD = $(MR_LIBS) $(FCGI_LIBS)
dist_man_MANS += fcgi/millrace.fcgi.8
