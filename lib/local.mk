# libmillrace.a: everything that the worker and the cron programs share.
# base knows nothing of the others; format includes base; io includes both; stage all.

noinst_LIBRARIES += lib/libmillrace.a
lib_libmillrace_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS) $(INIH_CFLAGS) \
	$(SODIUM_CFLAGS) $(ZLIB_CFLAGS) $(CURL_CFLAGS) \
	$(ZSTD_CFLAGS)
lib_libmillrace_a_SOURCES = \
	lib/base/arena.c lib/base/arena.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/conf.c lib/base/conf.h \
	lib/base/confclient.c lib/base/confclient.h \
	lib/base/confvalue.c lib/base/confvalue.h \
	lib/base/crc32c.c lib/base/crc32c.h \
	lib/base/error.c lib/base/error.h \
	lib/base/ip.c lib/base/ip.h \
	lib/base/log.c lib/base/log.h \
	lib/base/shared.c lib/base/shared.h \
	lib/base/stats.c lib/base/stats.h \
	lib/base/str.h \
	lib/base/uuid.c lib/base/uuid.h \
	lib/format/event.c lib/format/event.h \
	lib/format/gzip.c lib/format/gzip.h \
	lib/format/json.c lib/format/json.h \
	lib/format/jsonout.c lib/format/jsonout.h \
	lib/format/objectkey.c lib/format/objectkey.h \
	lib/format/packed.h \
	lib/format/payload.c lib/format/payload.h \
	lib/format/query.c lib/format/query.h \
	lib/format/record.c lib/format/record.h \
	lib/format/rle.c lib/format/rle.h \
	lib/format/snapshot.c lib/format/snapshot.h \
	lib/format/textout.c lib/format/textout.h \
	lib/format/thrift.c lib/format/thrift.h \
	lib/format/utf8.c lib/format/utf8.h \
	lib/format/xml.c lib/format/xml.h \
	lib/format/zstd.c lib/format/zstd.h \
	lib/io/audit.c lib/io/audit.h \
	lib/io/backlog.c lib/io/backlog.h \
	lib/io/batch.c lib/io/batch.h \
	lib/io/books.c lib/io/books.h \
	lib/io/breaker.c lib/io/breaker.h \
	lib/io/credhost.c \
	lib/io/creds.c lib/io/creds.h \
	lib/io/credsrc.c lib/io/credsrc.h \
	lib/io/db.c lib/io/db.h \
	lib/io/dbclass.c \
	lib/io/groups.c lib/io/groups.h \
	lib/io/http.c lib/io/http.h \
	lib/io/isolate.c lib/io/isolate.h \
	lib/io/job.h \
	lib/io/keeper.c lib/io/keeper.h \
	lib/io/keyring.c lib/io/keyring.h \
	lib/io/lane.c lib/io/lane.h \
	lib/io/look.c \
	lib/io/pgarray.c lib/io/pgarray.h \
	lib/io/plan.c lib/io/plan.h \
	lib/io/quarantine.c lib/io/quarantine.h \
	lib/io/replay.c lib/io/replay.h \
	lib/io/s3.c lib/io/s3.h \
	lib/io/s3call.h \
	lib/io/s3error.c \
	lib/io/s3upload.c \
	lib/io/salt.c lib/io/salt.h \
	lib/io/scan.c lib/io/scan.h \
	lib/io/schema.c lib/io/schema.h \
	lib/io/secret.c lib/io/secret.h \
	lib/io/segment.c lib/io/segment.h \
	lib/io/sigv4.c lib/io/sigv4.h \
	lib/io/spool.c lib/io/spool.h \
	lib/io/store.c lib/io/store.h \
	lib/io/strings.c lib/io/strings.h \
	lib/io/strays.c lib/io/strays.h \
	lib/io/sts.c \
	lib/io/target.c lib/io/target.h \
	lib/io/visitor.c lib/io/visitor.h \
	lib/io/writer.c lib/io/writer.h \
	lib/stage/compress.c lib/stage/compress.h \
	lib/stage/copyout.c lib/stage/copyout.h \
	lib/stage/enc_csv.c lib/stage/enc_csv.h \
	lib/stage/enc_ndjson.c lib/stage/enc_ndjson.h \
	lib/stage/enc_parquet.c lib/stage/enc_parquet.h \
	lib/stage/format.c lib/stage/format.h \
	lib/stage/meter.c lib/stage/meter.h \
	lib/stage/parquet_column.c lib/stage/parquet_column.h \
	lib/stage/parquet_dict.c lib/stage/parquet_dict.h \
	lib/stage/parquet_meta.c lib/stage/parquet_meta.h \
	lib/stage/readahead.c lib/stage/readahead.h \
	lib/stage/row.c lib/stage/row.h \
	lib/stage/sink_file.c lib/stage/sink_file.h \
	lib/stage/sink_s3.c lib/stage/sink_s3.h \
	lib/stage/stage.c lib/stage/stage.h \
	lib/stage/tee.c lib/stage/tee.h \
	lib/stage/textenc.c lib/stage/textenc.h

MR_LIBS = lib/libmillrace.a $(LIBPQ_LIBS) $(INIH_LIBS) $(SODIUM_LIBS) $(ZLIB_LIBS)
# For programs that reach S3; the worker starts without what libcurl brings along.
MR_S3_LIBS = $(MR_LIBS) $(CURL_LIBS)
# For programs that encode an export.
MR_STAGE_LIBS = $(MR_LIBS) $(ZSTD_LIBS)
