# Unit tests: a folder for each room of lib, a program for each module, and the conformance
# set. A program's source is the file of its name.

unit_tests = \
	tests/unit/base/test_arena \
	tests/unit/base/test_buf \
	tests/unit/base/test_clock \
	tests/unit/base/test_crc32c \
	tests/unit/base/test_error \
	tests/unit/base/test_file \
	tests/unit/base/test_ip \
	tests/unit/base/test_log \
	tests/unit/base/test_md5 \
	tests/unit/base/test_process \
	tests/unit/base/test_rates \
	tests/unit/base/test_seldom \
	tests/unit/base/test_str \
	tests/unit/base/test_uuid \
	tests/unit/conf/test_conf \
	tests/unit/conf/test_conf_manual \
	tests/unit/conf/test_ini \
	tests/unit/conf/test_options \
	tests/unit/counters/test_shared \
	tests/unit/counters/test_stats \
	tests/unit/counters/test_books \
	tests/unit/format/test_body \
	tests/unit/format/test_dialect \
	tests/unit/format/test_event \
	tests/unit/format/test_forwarded \
	tests/unit/format/test_gzip \
	tests/unit/format/test_json \
	tests/unit/format/test_json_conformance \
	tests/unit/format/test_jsonout \
	tests/unit/format/test_jsonwriter \
	tests/unit/format/test_payload \
	tests/unit/format/test_query \
	tests/unit/format/test_textout \
	tests/unit/format/test_times \
	tests/unit/format/test_utf8 \
	tests/unit/format/test_zstd \
	tests/unit/secret/test_secret \
	tests/unit/secret/test_keyring \
	tests/unit/db/test_pgarray \
	tests/unit/spool/test_spool \
	tests/unit/spool/test_record \
	tests/unit/spool/test_inspect \
	tests/unit/s3/test_creds \
	tests/unit/s3/test_http \
	tests/unit/s3/test_memory \
	tests/unit/s3/test_s3 \
	tests/unit/s3/test_sigv4 \
	tests/unit/s3/test_xml \
	tests/unit/parquet/test_rle \
	tests/unit/parquet/test_thrift \
	tests/unit/stage/test_encode \
	tests/unit/stage/test_sink_file \
	tests/unit/stage/test_stage \
	tests/unit/privacy/test_visitor \
	tests/unit/ingest/test_breaker \
	tests/unit/ingest/test_queue \
	tests/unit/ingest/test_rejected \
	tests/unit/ingest/test_share \
	tests/unit/export/test_objectkey \
	tests/unit/export/test_snapshot \
	tests/unit/export/test_copyout \
	tests/unit/export/test_cut \
	tests/unit/export/test_ranges

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests) \
	tests/unit/test_docs.py \
	tests/unit/test_format.py \
	tests/unit/test_structure.py

# What a test needs besides $(LDADD).
tests_unit_s3_test_creds_LDADD = $(MR_S3_LIBS)
tests_unit_s3_test_http_LDADD = $(MR_S3_LIBS)
tests_unit_s3_test_s3_LDADD = $(MR_S3_LIBS)
tests_unit_s3_test_memory_LDADD = $(MR_S3_LIBS)
tests_unit_stage_test_encode_LDADD = $(MR_STAGE_LIBS)
tests_unit_stage_test_stage_LDADD = $(MR_STAGE_LIBS)
tests_unit_format_test_zstd_LDADD = $(MR_STAGE_LIBS)
tests_unit_format_test_zstd_CPPFLAGS = $(AM_CPPFLAGS) $(ZSTD_CFLAGS)
tests_unit_format_test_gzip_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)

# Where memory can be out.
tests_unit_s3_test_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=strdup -Wl,--wrap=strndup
tests_unit_ingest_test_rejected_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=realloc

EXTRA_DIST += tests/unit/test_docs.py tests/unit/test_format.py tests/unit/test_structure.py \
	tests/unit/tap.h tests/unit/child.h tests/unit/memsink.h \
	tests/unit/conf/conffile.h tests/unit/format/rendered.h tests/unit/format/repeat.h \
	tests/data/json tests/data/sigv4/make.py tests/data/sigv4/vectors.txt
