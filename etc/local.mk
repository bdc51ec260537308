# The configuration, and samples for web servers, PostgreSQL and the system.
# millrace.ini is put in place when there is none yet; all else is installed as
# examples, with the configured folders filled in.

# Where the samples let the web server and the worker meet.
mr_socket = /run/millrace/millrace.sock

examplesdir = $(pkgdatadir)/examples
EXTRA_DIST += etc/millrace.ini etc/quickstart/s3.sh
ex_apachedir = $(examplesdir)/apache
ex_apache_DATA = etc/apache/millrace.conf
ex_crondir = $(examplesdir)/cron
ex_cron_DATA = etc/cron/millrace
ex_grafanadir = $(examplesdir)/grafana
dist_ex_grafana_DATA = etc/grafana/millrace.json
ex_lighttpddir = $(examplesdir)/lighttpd
ex_lighttpd_DATA = etc/lighttpd/millrace.conf
ex_logrotatedir = $(examplesdir)/logrotate
dist_ex_logrotate_DATA = etc/logrotate/millrace
ex_nginxdir = $(examplesdir)/nginx
ex_nginx_DATA = etc/nginx/millrace.conf etc/nginx/millrace-upstream.conf
ex_postgresqldir = $(examplesdir)/postgresql
dist_ex_postgresql_DATA = \
	etc/postgresql/development.conf \
	etc/postgresql/large.conf \
	etc/postgresql/medium.conf \
	etc/postgresql/small.conf
ex_prometheusdir = $(examplesdir)/prometheus
dist_ex_prometheus_DATA = etc/prometheus/millrace.rules.yml etc/prometheus/prometheus.yml
ex_s3dir = $(examplesdir)/s3
dist_ex_s3_DATA = \
	etc/s3/README \
	etc/s3/bucket-policy.json \
	etc/s3/lifecycle.json \
	etc/s3/role-policy.json \
	etc/s3/role-trust-policy.json
ex_systemddir = $(examplesdir)/systemd
mr_jobs = \
	etc/systemd/millrace-books.service \
	etc/systemd/millrace-check.service \
	etc/systemd/millrace-export.service \
	etc/systemd/millrace-maintain.service \
	etc/systemd/millrace-replay.service
ex_systemd_DATA = etc/systemd/millrace.service etc/systemd/millrace.socket $(mr_jobs)
dist_ex_systemd_DATA = $(mr_jobs:.service=.timer)

mr_samples = $(ex_apache_DATA) $(ex_cron_DATA) $(ex_lighttpd_DATA) $(ex_nginx_DATA) \
	etc/systemd/millrace.service etc/systemd/millrace.socket
mr_fill = { $(SED) -e '/^@sandbox[@]$$/{r $(srcdir)/etc/systemd/sandbox' -e 'd;}' | \
	$(SED) -e 's|@fcgibin[@]|$(fcgidir)/millrace.fcgi|g' \
	  -e 's|@conffile[@]|$(sysconfdir)/millrace/millrace.ini|g' \
	  -e 's|@check[@]|$(sbindir)/millrace-check|g' \
	  -e 's|@export[@]|$(sbindir)/millrace-export|g' \
	  -e 's|@maintain[@]|$(sbindir)/millrace-maintain|g' \
	  -e 's|@replay[@]|$(sbindir)/millrace-replay|g' \
	  -e 's|@statedir[@]|$(localstatedir)/lib/millrace|g' \
	  -e 's|@socket[@]|$(mr_socket)|g' \
	  -e 's|@wwwdir[@]|$(pkgdatadir)/www|g'; }
etc/apache/millrace.conf: etc/apache/millrace.conf.in
etc/cron/millrace: etc/cron/millrace.in
etc/lighttpd/millrace.conf: etc/lighttpd/millrace.conf.in
etc/nginx/millrace.conf: etc/nginx/millrace.conf.in
etc/nginx/millrace-upstream.conf: etc/nginx/millrace-upstream.conf.in
etc/systemd/millrace.service: etc/systemd/millrace.service.in
etc/systemd/millrace.socket: etc/systemd/millrace.socket.in
$(mr_samples): Makefile etc/systemd/sandbox
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(mr_fill) < $(srcdir)/$@.in > $@.tmp && mv $@.tmp $@

# The services that timers start differ in a few words: their program and manual page, what is
# said of them, and a line of their own. Status 3: another export is at work.
etc/systemd/millrace-books.service: mr_words = @check@ -b|man:millrace-check(8)|whether the books balance|
etc/systemd/millrace-check.service: mr_words = @check@|man:millrace-check(8)|whether the installation is well|
etc/systemd/millrace-export.service: mr_words = @export@|man:millrace-export(8)|exports what is new|SuccessExitStatus=3
etc/systemd/millrace-maintain.service: mr_words = @maintain@|man:millrace-maintain(8)|keeps the buffer small|SuccessExitStatus=3
etc/systemd/millrace-replay.service: mr_words = @replay@|man:millrace-replay(8)|stores what is in the spool|SuccessExitStatus=75
$(mr_jobs): etc/systemd/millrace-job.service.in etc/systemd/sandbox Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && job=`basename $@ .service` && \
	echo '$(mr_words)' | { IFS='|' read -r command manual about more && \
	  $(SED) -e "s|@job[@]|$${job#millrace-}|g" -e "s|@command[@]|$$command|" \
	    -e "s|@manual[@]|$$manual|" -e "s|@about[@]|$$about|" -e "s|@more[@]|$$more|" \
	    $(srcdir)/etc/systemd/millrace-job.service.in; } | $(mr_fill) > $@.tmp && mv $@.tmp $@
CLEANFILES += $(mr_samples) $(mr_jobs)
EXTRA_DIST += \
	etc/apache/millrace.conf.in \
	etc/cron/millrace.in \
	etc/lighttpd/millrace.conf.in \
	etc/nginx/millrace.conf.in \
	etc/nginx/millrace-upstream.conf.in \
	etc/systemd/millrace-job.service.in \
	etc/systemd/millrace.service.in \
	etc/systemd/millrace.socket.in \
	etc/systemd/sandbox

# bash looks for the completion of a program in a file of the program's name.
completionsdir = $(datadir)/bash-completion/completions
completions_DATA = \
	etc/completions/millrace-admin \
	etc/completions/millrace-check \
	etc/completions/millrace-export \
	etc/completions/millrace-maintain \
	etc/completions/millrace-replay
$(completions_DATA): etc/bash-completion/millrace
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cp $(srcdir)/etc/bash-completion/millrace $@
CLEANFILES += $(completions_DATA)
EXTRA_DIST += etc/bash-completion/millrace

# An administrator's configuration is never overwritten, and only removed when
# it is the one that was installed.
mr_installed_ini = $(DESTDIR)$(sysconfdir)/millrace/millrace.ini
mr_sample_ini = $(DESTDIR)$(examplesdir)/millrace.ini
install-data-local:
	$(MKDIR_P) $(DESTDIR)$(sysconfdir)/millrace $(DESTDIR)$(examplesdir) \
	  $(DESTDIR)$(localstatedir)/lib/millrace
	$(SED) -e 's|/usr/local/var/|$(localstatedir)/|g' $(srcdir)/etc/millrace.ini > $(mr_sample_ini).tmp
	chmod 644 $(mr_sample_ini).tmp
	mv $(mr_sample_ini).tmp $(mr_sample_ini)
	test -e $(mr_installed_ini) || $(INSTALL_DATA) $(mr_sample_ini) $(mr_installed_ini)
uninstall-local:
	if cmp -s $(mr_sample_ini) $(mr_installed_ini); then \
	  rm -f $(mr_installed_ini); \
	fi
	rm -f $(mr_sample_ini)

dist_man_MANS += etc/millrace.7 etc/millrace.ini.5
