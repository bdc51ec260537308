# Faults: a short round in make check; `make torture ROUNDS=N` for the long one,
# which takes under a minute a round. TORTUREFLAGS=--help tells its options. Then
# it exports a million events under kills.

ROUNDS = 20
check_PROGRAMS += tests/fault/hammer tests/fault/faultio.so
tests_fault_hammer_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_fault_hammer_SOURCES = tests/fault/hammer.c tests/harness/wire.c tests/harness/wire.h
tests_fault_hammer_LDADD =

# To be preloaded: nothing of what programs are built with fits.
tests_fault_faultio_so_SOURCES = tests/fault/faultio.c
tests_fault_faultio_so_LDADD =
tests_fault_faultio_so_CFLAGS = -fPIC -Wall -Wextra
tests_fault_faultio_so_LDFLAGS = -shared

fault_tests = \
	tests/fault/test_fault.py \
	tests/fault/test_segments.py \
	tests/fault/test_spool_faults.py

TESTS += $(fault_tests)

EXTRA_DIST += $(fault_tests) \
	tests/fault/faultio.py tests/fault/faults.py tests/fault/ledger.py \
	tests/fault/stack.py tests/fault/torture.py

torture: $(BUILT_SOURCES)
	@$(MAKE) $(AM_MAKEFLAGS) all $(check_PROGRAMS)
	@$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/fault/torture.py \
	  --rounds $(ROUNDS) $(TORTUREFLAGS)
	@$(AM_TESTS_ENVIRONMENT) MR_EVENTS=1000000 MR_KILLS=60 \
	  $(PYTHON3) $(srcdir)/tests/integration/test_export_torture.py

.PHONY: torture
