# Unit tests: one program for each module of lib/, and the conformance set.

unit_tests = \
	tests/unit/test_arena \
	tests/unit/test_backlog \
	tests/unit/test_books \
	tests/unit/test_buf \
	tests/unit/test_clock \
	tests/unit/test_conf \
	tests/unit/test_crc32c \
	tests/unit/test_copyout \
	tests/unit/test_creds \
	tests/unit/test_encode \
	tests/unit/test_error \
	tests/unit/test_event \
	tests/unit/test_gzip \
	tests/unit/test_http \
	tests/unit/test_ip \
	tests/unit/test_json \
	tests/unit/test_jsonout \
	tests/unit/test_keyring \
	tests/unit/test_log \
	tests/unit/test_objectkey \
	tests/unit/test_payload \
	tests/unit/test_pgarray \
	tests/unit/test_query \
	tests/unit/test_record \
	tests/unit/test_rle \
	tests/unit/test_s3 \
	tests/unit/test_secret \
	tests/unit/test_shared \
	tests/unit/test_sigv4 \
	tests/unit/test_sink_file \
	tests/unit/test_snapshot \
	tests/unit/test_spool \
	tests/unit/test_stage \
	tests/unit/test_stats \
	tests/unit/test_str \
	tests/unit/test_textout \
	tests/unit/test_thrift \
	tests/unit/test_utf8 \
	tests/unit/test_visitor \
	tests/unit/test_uuid \
	tests/unit/test_xml \
	tests/unit/test_zstd

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests) tests/unit/test_structure.py

tests_unit_test_arena_SOURCES = tests/unit/test_arena.c tests/unit/tap.h
tests_unit_test_arena_LDADD = $(MR_LIBS)
tests_unit_test_backlog_SOURCES = tests/unit/test_backlog.c tests/unit/tap.h
tests_unit_test_backlog_LDADD = $(MR_LIBS)
tests_unit_test_books_SOURCES = tests/unit/test_books.c tests/unit/tap.h
tests_unit_test_books_LDADD = $(MR_LIBS)
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c tests/unit/tap.h
tests_unit_test_buf_LDADD = $(MR_LIBS)
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c tests/unit/tap.h
tests_unit_test_clock_LDADD = $(MR_LIBS)
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/unit/tap.h
tests_unit_test_conf_LDADD = $(MR_LIBS)
tests_unit_test_crc32c_SOURCES = tests/unit/test_crc32c.c tests/unit/tap.h
tests_unit_test_crc32c_LDADD = $(MR_LIBS)
tests_unit_test_copyout_SOURCES = tests/unit/test_copyout.c tests/unit/tap.h
tests_unit_test_copyout_LDADD = $(MR_LIBS)
tests_unit_test_creds_SOURCES = tests/unit/test_creds.c tests/unit/tap.h
tests_unit_test_creds_LDADD = $(MR_S3_LIBS)
tests_unit_test_encode_SOURCES = tests/unit/test_encode.c tests/unit/tap.h tests/unit/memsink.h
tests_unit_test_encode_LDADD = $(MR_STAGE_LIBS)
tests_unit_test_error_SOURCES = tests/unit/test_error.c tests/unit/tap.h
tests_unit_test_error_LDADD = $(MR_LIBS)
tests_unit_test_event_SOURCES = tests/unit/test_event.c tests/unit/tap.h
tests_unit_test_event_LDADD = $(MR_LIBS)
tests_unit_test_gzip_SOURCES = tests/unit/test_gzip.c tests/unit/tap.h
tests_unit_test_gzip_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
tests_unit_test_gzip_LDADD = $(MR_LIBS)
tests_unit_test_http_SOURCES = tests/unit/test_http.c tests/unit/tap.h
tests_unit_test_http_LDADD = $(MR_S3_LIBS)
tests_unit_test_ip_SOURCES = tests/unit/test_ip.c tests/unit/tap.h
tests_unit_test_ip_LDADD = $(MR_LIBS)
tests_unit_test_json_SOURCES = tests/unit/test_json.c tests/unit/tap.h
tests_unit_test_json_LDADD = $(MR_LIBS)
tests_unit_test_jsonout_SOURCES = tests/unit/test_jsonout.c tests/unit/tap.h
tests_unit_test_jsonout_LDADD = $(MR_LIBS)
tests_unit_test_keyring_SOURCES = tests/unit/test_keyring.c tests/unit/tap.h
tests_unit_test_keyring_LDADD = $(MR_LIBS)
tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/unit/tap.h
tests_unit_test_log_LDADD = $(MR_LIBS)
tests_unit_test_objectkey_SOURCES = tests/unit/test_objectkey.c tests/unit/tap.h
tests_unit_test_objectkey_LDADD = $(MR_LIBS)
tests_unit_test_payload_SOURCES = tests/unit/test_payload.c tests/unit/tap.h
tests_unit_test_payload_LDADD = $(MR_LIBS)
tests_unit_test_pgarray_SOURCES = tests/unit/test_pgarray.c tests/unit/tap.h
tests_unit_test_pgarray_LDADD = $(MR_LIBS)
tests_unit_test_query_SOURCES = tests/unit/test_query.c tests/unit/tap.h
tests_unit_test_query_LDADD = $(MR_LIBS)
tests_unit_test_record_SOURCES = tests/unit/test_record.c tests/unit/tap.h
tests_unit_test_record_LDADD = $(MR_LIBS)
tests_unit_test_rle_SOURCES = tests/unit/test_rle.c tests/unit/tap.h
tests_unit_test_rle_LDADD = $(MR_LIBS)
tests_unit_test_s3_SOURCES = tests/unit/test_s3.c tests/unit/tap.h
tests_unit_test_s3_LDADD = $(MR_S3_LIBS)
tests_unit_test_secret_SOURCES = tests/unit/test_secret.c tests/unit/tap.h
tests_unit_test_secret_LDADD = $(MR_LIBS)
tests_unit_test_shared_SOURCES = tests/unit/test_shared.c tests/unit/tap.h
tests_unit_test_shared_LDADD = $(MR_LIBS)
tests_unit_test_sigv4_SOURCES = tests/unit/test_sigv4.c tests/unit/tap.h
tests_unit_test_sigv4_LDADD = $(MR_LIBS)
tests_unit_test_sink_file_SOURCES = tests/unit/test_sink_file.c tests/unit/tap.h
tests_unit_test_sink_file_LDADD = $(MR_LIBS)
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c tests/unit/tap.h
tests_unit_test_snapshot_LDADD = $(MR_LIBS)
tests_unit_test_spool_SOURCES = tests/unit/test_spool.c tests/unit/tap.h
tests_unit_test_spool_LDADD = $(MR_LIBS)
tests_unit_test_stage_SOURCES = tests/unit/test_stage.c tests/unit/tap.h tests/unit/memsink.h
tests_unit_test_stage_LDADD = $(MR_STAGE_LIBS)
tests_unit_test_stats_SOURCES = tests/unit/test_stats.c tests/unit/tap.h
tests_unit_test_stats_LDADD = $(MR_LIBS)
tests_unit_test_str_SOURCES = tests/unit/test_str.c tests/unit/tap.h
tests_unit_test_str_LDADD = $(MR_LIBS)
tests_unit_test_textout_SOURCES = tests/unit/test_textout.c tests/unit/tap.h
tests_unit_test_textout_LDADD = $(MR_LIBS)
tests_unit_test_thrift_SOURCES = tests/unit/test_thrift.c tests/unit/tap.h
tests_unit_test_thrift_LDADD = $(MR_LIBS)
tests_unit_test_utf8_SOURCES = tests/unit/test_utf8.c tests/unit/tap.h
tests_unit_test_utf8_LDADD = $(MR_LIBS)
tests_unit_test_visitor_SOURCES = tests/unit/test_visitor.c tests/unit/tap.h
tests_unit_test_visitor_LDADD = $(MR_LIBS)
tests_unit_test_uuid_SOURCES = tests/unit/test_uuid.c tests/unit/tap.h
tests_unit_test_uuid_LDADD = $(MR_LIBS)
tests_unit_test_xml_SOURCES = tests/unit/test_xml.c tests/unit/tap.h
tests_unit_test_xml_LDADD = $(MR_LIBS)
tests_unit_test_zstd_SOURCES = tests/unit/test_zstd.c tests/unit/tap.h
tests_unit_test_zstd_CPPFLAGS = $(AM_CPPFLAGS) $(ZSTD_CFLAGS)
tests_unit_test_zstd_LDADD = $(MR_STAGE_LIBS)

EXTRA_DIST += tests/unit/test_structure.py tests/data/json \
	tests/data/sigv4/make.py tests/data/sigv4/vectors.txt
