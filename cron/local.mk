# The programs for cron and for administrators.

bin_PROGRAMS += cron/millrace-admin
cron_millrace_admin_SOURCES = \
	cron/admin.c cron/admin.h \
	cron/admin_rekey.c \
	cron/admin_seal.c
cron_millrace_admin_LDADD = $(MR_LIBS)
dist_man_MANS += cron/millrace-admin.8
