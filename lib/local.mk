# libmillrace.a: everything that the worker and the cron programs share.
# Rooms and who may include whom: tests/unit/test_structure.py.

noinst_LIBRARIES += lib/libmillrace.a
lib_libmillrace_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS) $(INIH_CFLAGS) \
	$(SODIUM_CFLAGS) $(ZLIB_CFLAGS) $(CURL_CFLAGS) \
	$(ZSTD_CFLAGS) $(SNAPPY_CFLAGS)
lib_libmillrace_a_SOURCES = \
	lib/base/arena.c lib/base/arena.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/crc32c.c lib/base/crc32c.h \
	lib/base/error.c lib/base/error.h \
	lib/base/file.c lib/base/file.h \
	lib/base/ip.c lib/base/ip.h \
	lib/base/log.c lib/base/log.h \
	lib/base/md5.c lib/base/md5.h \
	lib/base/process.c lib/base/process.h \
	lib/base/rates.c lib/base/rates.h \
	lib/base/seldom.c lib/base/seldom.h \
	lib/base/str.h \
	lib/base/take.h \
	lib/base/uuid.c lib/base/uuid.h \
	lib/conf/client.c lib/conf/client.h \
	lib/conf/conf.c lib/conf/conf.h \
	lib/conf/ini.c lib/conf/ini.h \
	lib/conf/options.c lib/conf/options.h \
	lib/conf/value.c lib/conf/value.h \
	lib/conf/words.c lib/conf/words.h \
	lib/counters/books.c lib/counters/books.h \
	lib/counters/catalogue.c lib/counters/catalogue.h \
	lib/counters/shared.c lib/counters/shared.h \
	lib/counters/stats.c lib/counters/stats.h \
	lib/format/base64.c lib/format/base64.h \
	lib/format/batch.c lib/format/batch.h \
	lib/format/body.c lib/format/body.h \
	lib/format/dialect.c lib/format/dialect.h \
	lib/format/event.c lib/format/event.h \
	lib/format/forwarded.c lib/format/forwarded.h \
	lib/format/gzip.c lib/format/gzip.h \
	lib/format/json.c lib/format/json.h \
	lib/format/jsonout.c lib/format/jsonout.h \
	lib/format/jsonwriter.c lib/format/jsonwriter.h \
	lib/format/packed.h \
	lib/format/payload.c lib/format/payload.h \
	lib/format/query.c lib/format/query.h \
	lib/format/row.c lib/format/row.h \
	lib/format/salvage.c lib/format/salvage.h \
	lib/format/snappy.c lib/format/snappy.h \
	lib/format/textout.c lib/format/textout.h \
	lib/format/times.c lib/format/times.h \
	lib/format/utf8.c lib/format/utf8.h \
	lib/format/zstd.c lib/format/zstd.h \
	lib/secret/copies.c lib/secret/copies.h \
	lib/secret/keyring.c lib/secret/keyring.h \
	lib/secret/secret.c lib/secret/secret.h \
	lib/db/class.c lib/db/class.h \
	lib/db/connection.c lib/db/connection.h \
	lib/db/copy.c lib/db/copy.h \
	lib/db/locks.h \
	lib/db/partitions.c lib/db/partitions.h \
	lib/db/pgarray.c lib/db/pgarray.h \
	lib/db/pq.c lib/db/pq.h \
	lib/db/query.c lib/db/query.h \
	lib/db/schema.c lib/db/schema.h \
	lib/spool/inspect.c lib/spool/inspect.h \
	lib/spool/paths.c lib/spool/paths.h \
	lib/spool/quarantine.c lib/spool/quarantine.h \
	lib/spool/record.c lib/spool/record.h \
	lib/spool/segment.c lib/spool/segment.h \
	lib/spool/spool.c lib/spool/spool.h \
	lib/s3/checksum.c lib/s3/checksum.h \
	lib/s3/credhost.c \
	lib/s3/creds.c lib/s3/creds.h \
	lib/s3/credsrc.c lib/s3/credsrc.h \
	lib/s3/http.c lib/s3/http.h \
	lib/s3/s3.c lib/s3/s3.h \
	lib/s3/s3call.h \
	lib/s3/s3error.c \
	lib/s3/s3upload.c \
	lib/s3/sigv4.c lib/s3/sigv4.h \
	lib/s3/sts.c \
	lib/s3/xml.c lib/s3/xml.h \
	lib/parquet/column.c lib/parquet/column.h \
	lib/parquet/dict.c lib/parquet/dict.h \
	lib/parquet/meta.c lib/parquet/meta.h \
	lib/parquet/press.c lib/parquet/press.h \
	lib/parquet/rle.c lib/parquet/rle.h \
	lib/parquet/thrift.c lib/parquet/thrift.h \
	lib/stage/compress.c lib/stage/compress.h \
	lib/stage/enc_csv.c lib/stage/enc_csv.h \
	lib/stage/enc_ndjson.c lib/stage/enc_ndjson.h \
	lib/stage/enc_parquet.c lib/stage/enc_parquet.h \
	lib/stage/format.c lib/stage/format.h \
	lib/stage/meter.c lib/stage/meter.h \
	lib/stage/filegroup.c lib/stage/filegroup.h \
	lib/stage/newfile.c lib/stage/newfile.h \
	lib/stage/sink_file.c lib/stage/sink_file.h \
	lib/stage/sink_s3.c lib/stage/sink_s3.h \
	lib/stage/stage.c lib/stage/stage.h \
	lib/stage/tee.c lib/stage/tee.h \
	lib/stage/textenc.c lib/stage/textenc.h \
	lib/privacy/privacy.c lib/privacy/privacy.h \
	lib/privacy/salt.c lib/privacy/salt.h \
	lib/privacy/visitor.c lib/privacy/visitor.h \
	lib/ingest/balance.c lib/ingest/balance.h \
	lib/ingest/breaker.c lib/ingest/breaker.h \
	lib/ingest/isolate.c lib/ingest/isolate.h \
	lib/ingest/job.h \
	lib/ingest/keeper.c lib/ingest/keeper.h \
	lib/ingest/lane.c lib/ingest/lane.h \
	lib/ingest/pace.c lib/ingest/pace.h \
	lib/ingest/queue.c lib/ingest/queue.h \
	lib/ingest/rejected.c lib/ingest/rejected.h \
	lib/ingest/replay.c lib/ingest/replay.h \
	lib/ingest/share.c lib/ingest/share.h \
	lib/ingest/store.c lib/ingest/store.h \
	lib/ingest/writer.c lib/ingest/writer.h \
	lib/export/client.c lib/export/client.h \
	lib/export/complete.c lib/export/complete.h \
	lib/export/context.c lib/export/context.h \
	lib/export/copyout.c lib/export/copyout.h \
	lib/export/cut.c lib/export/cut.h \
	lib/export/deliver.c lib/export/deliver.h \
	lib/export/delivered.c lib/export/delivered.h \
	lib/export/delivery.c lib/export/delivery.h \
	lib/export/destination.c lib/export/destination.h \
	lib/export/exporter.c lib/export/exporter.h \
	lib/export/journal.c lib/export/journal.h \
	lib/export/manifest.c lib/export/manifest.h \
	lib/export/objectkey.c lib/export/objectkey.h \
	lib/export/options.h \
	lib/export/passes.c lib/export/passes.h \
	lib/export/plan.c lib/export/plan.h \
	lib/export/planned.c lib/export/planned.h \
	lib/export/progress.c lib/export/progress.h \
	lib/export/ranges.c lib/export/ranges.h \
	lib/export/read.c lib/export/read.h \
	lib/export/readahead.c lib/export/readahead.h \
	lib/export/rebind.c lib/export/rebind.h \
	lib/export/refused.c lib/export/refused.h \
	lib/export/runs.c lib/export/runs.h \
	lib/export/sample.c lib/export/sample.h \
	lib/export/silent.c lib/export/silent.h \
	lib/export/slices.c lib/export/slices.h \
	lib/export/snapshot.c lib/export/snapshot.h \
	lib/export/sql.c lib/export/sql.h \
	lib/export/state.c lib/export/state.h \
	lib/export/stream.c lib/export/stream.h \
	lib/export/target.c lib/export/target.h \
	lib/export/totals.h \
	lib/export/unclaimed.c lib/export/unclaimed.h \
	lib/export/upkeep.c lib/export/upkeep.h \
	lib/export/usage.c lib/export/usage.h \
	lib/export/verify.c lib/export/verify.h \
	lib/retention/buffer.c lib/retention/buffer.h \
	lib/retention/claims.c lib/retention/claims.h \
	lib/retention/count.c lib/retention/count.h \
	lib/retention/drop.c lib/retention/drop.h \
	lib/retention/holders.c lib/retention/holders.h \
	lib/retention/maintain.c lib/retention/maintain.h \
	lib/retention/spans.c lib/retention/spans.h \
	lib/retention/tidy.c lib/retention/tidy.h

MR_LIBS = lib/libmillrace.a $(LIBPQ_LIBS) $(INIH_LIBS) $(SODIUM_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS)
# For programs that reach S3; the worker starts without what libcurl brings along.
MR_S3_LIBS = $(MR_LIBS) $(CURL_LIBS)
# For programs that encode an export.
MR_STAGE_LIBS = $(MR_LIBS) $(SNAPPY_LIBS)
