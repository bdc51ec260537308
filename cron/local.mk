# The programs for cron and for administrators.

sbin_PROGRAMS += cron/millrace-admin cron/millrace-check cron/millrace-replay
dist_man_MANS += cron/millrace-admin.8 cron/millrace-check.8 cron/millrace-replay.8

cron_millrace_admin_SOURCES = \
	cron/admin.c cron/admin.h \
	cron/admin_rejected.c \
	cron/admin_rekey.c \
	cron/admin_seal.c
cron_millrace_admin_LDADD = $(MR_LIBS)
cron_millrace_check_SOURCES = cron/check.c
cron_millrace_check_LDADD = $(MR_LIBS)
cron_millrace_replay_SOURCES = cron/replay.c
cron_millrace_replay_LDADD = $(MR_LIBS)
