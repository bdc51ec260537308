# The export formats, read back by readers that are not ours. tests/export/node_modules
# is made by `npm ci` there, which ./quickstart check does.

check_PROGRAMS += tests/export/encode
tests_export_encode_SOURCES = tests/export/encode.c tests/export/rows.c tests/export/rows.h
tests_export_encode_LDADD = $(MR_STAGE_LIBS)

TESTS += tests/export/test_formats.py

EXTRA_DIST += \
	tests/export/.npmrc \
	tests/export/layout.mjs \
	tests/export/package-lock.json \
	tests/export/package.json \
	tests/export/parquet.py \
	tests/export/read.mjs \
	tests/export/test_formats.py
