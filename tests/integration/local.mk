# Against real servers; each program starts its own and stops them. Those that take longest
# first, then by name.

TESTS += \
	tests/integration/test_export_torture.py \
	tests/integration/test_s3_client.py \
	tests/integration/test_install.py \
	tests/integration/test_export_s3.py \
	tests/integration/test_worker_access.py \
	tests/integration/test_export.py \
	tests/integration/test_spool.py \
	tests/integration/test_check.py \
	tests/integration/test_admin.py \
	tests/integration/test_admin_rejected.py \
	tests/integration/test_admin_rotate.py \
	tests/integration/test_collect_bad_input.py \
	tests/integration/test_collect_apache.py \
	tests/integration/test_collect_apache_cgi.py \
	tests/integration/test_collect_apache_fcgid.py \
	tests/integration/test_collect_cgi.py \
	tests/integration/test_collect_dialects.py \
	tests/integration/test_collect_lighttpd.py \
	tests/integration/test_collect_nginx.py \
	tests/integration/test_db_schema.py \
	tests/integration/test_export_changes.py \
	tests/integration/test_export_crash.py \
	tests/integration/test_export_http.py \
	tests/integration/test_export_plans.py \
	tests/integration/test_format_events.py \
	tests/integration/test_ingest_batchid.py \
	tests/integration/test_ingest_database.py \
	tests/integration/test_ingest_restart.py \
	tests/integration/test_maintain.py \
	tests/integration/test_openapi.py \
	tests/integration/test_options.py \
	tests/integration/test_partitions.py \
	tests/integration/test_privacy_visitors.py \
	tests/integration/test_quickstart.py \
	tests/integration/test_readme.py \
	tests/integration/test_replay.py \
	tests/integration/test_etc_systemd.py \
	tests/integration/test_s3_credentials.py \
	tests/integration/test_worker_cli.py \
	tests/integration/test_worker_metrics.py \
	tests/integration/test_worker_stop.py \
	tests/integration/test_worker_threads.py \
	tests/integration/test_www_dashboard.py \
	tests/integration/test_www_pages.py

EXTRA_DIST += \
	tests/harness/__init__.py \
	tests/harness/client.py \
	tests/harness/fakeaws.py \
	tests/harness/faultproxy.py \
	tests/harness/fcgi.py \
	tests/harness/libpq.py \
	tests/harness/markdown.py \
	tests/harness/postgres.py \
	tests/harness/proc.py \
	tests/harness/proxy.py \
	tests/harness/s3.py \
	tests/harness/sanitizer.py \
	tests/harness/spool.py \
	tests/harness/tap.py \
	tests/harness/web.py \
	tests/integration/collect_cases.py \
	tests/integration/common.py \
	tests/integration/exporting.py \
	tests/integration/load.py \
	tests/integration/openapi.mjs \
	tests/integration/s3_cases.py \
	tests/integration/s3_common.py \
	tests/integration/s3_fault_cases.py \
	tests/integration/test_admin.py \
	tests/integration/test_admin_rejected.py \
	tests/integration/test_admin_rotate.py \
	tests/integration/test_check.py \
	tests/integration/test_collect_bad_input.py \
	tests/integration/test_collect_apache.py \
	tests/integration/test_collect_apache_cgi.py \
	tests/integration/test_collect_apache_fcgid.py \
	tests/integration/test_collect_cgi.py \
	tests/integration/test_collect_dialects.py \
	tests/integration/test_collect_lighttpd.py \
	tests/integration/test_collect_nginx.py \
	tests/integration/test_db_schema.py \
	tests/integration/test_etc_systemd.py \
	tests/integration/test_export.py \
	tests/integration/test_export_changes.py \
	tests/integration/test_export_crash.py \
	tests/integration/test_export_http.py \
	tests/integration/test_export_plans.py \
	tests/integration/test_export_s3.py \
	tests/integration/test_export_torture.py \
	tests/integration/test_format_events.py \
	tests/integration/test_ingest_batchid.py \
	tests/integration/test_ingest_database.py \
	tests/integration/test_ingest_restart.py \
	tests/integration/test_install.py \
	tests/integration/test_maintain.py \
	tests/integration/test_openapi.py \
	tests/integration/test_options.py \
	tests/integration/test_partitions.py \
	tests/integration/test_privacy_visitors.py \
	tests/integration/test_quickstart.py \
	tests/integration/test_readme.py \
	tests/integration/test_replay.py \
	tests/integration/test_s3_client.py \
	tests/integration/test_s3_credentials.py \
	tests/integration/test_spool.py \
	tests/integration/test_worker_access.py \
	tests/integration/test_worker_cli.py \
	tests/integration/test_worker_metrics.py \
	tests/integration/test_worker_stop.py \
	tests/integration/test_worker_threads.py \
	tests/integration/test_www_dashboard.py \
	tests/integration/test_www_pages.py \
	tests/integration/writers.py

check_PROGRAMS += tests/integration/s3tool
tests_integration_s3tool_SOURCES = tests/integration/s3tool.c
tests_integration_s3tool_LDADD = $(MR_S3_LIBS)
