# make bench: not a test. It prints ratios and fails only when rows and
# acknowledgements differ. BENCHFLAGS=--help tells its options.

BENCH_BINARIES = tests/bench/encode_bench tests/bench/loader tests/bench/noop tests/bench/pacer
check_PROGRAMS += $(BENCH_BINARIES)

tests_bench_encode_bench_SOURCES = tests/bench/encode_bench.c \
	tests/export/rows.c tests/export/rows.h
tests_bench_encode_bench_LDADD = $(MR_STAGE_LIBS)

tests_bench_loader_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS)

tests_bench_noop_CPPFLAGS = $(AM_CPPFLAGS) $(FCGI_CFLAGS)
tests_bench_noop_SOURCES = tests/bench/noop.c
tests_bench_noop_LDADD = $(FCGI_LIBS)

tests_bench_pacer_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_bench_pacer_SOURCES = tests/bench/pacer.c tests/harness/wire.c tests/harness/wire.h
tests_bench_pacer_LDADD = -lm

EXTRA_DIST += \
	tests/bench/bench.py tests/bench/bodies.py tests/bench/load.py \
	tests/bench/exports.py tests/bench/peer/app.py tests/bench/peer/export.py \
	tests/bench/peer/model.py tests/bench/post.lua tests/bench/servers.py

bench: $(BUILT_SOURCES)
	@$(MAKE) $(AM_MAKEFLAGS) $(fcgi_PROGRAMS) $(cron_PROGRAMS) $(BENCH_BINARIES)
	@$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/bench/bench.py $(BENCHFLAGS)
