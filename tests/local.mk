# The suite. Every test speaks TAP; one that lacks what it needs skips and says so.

TEST_EXTENSIONS = .py
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = $(PYTHON3)
AM_TESTS_ENVIRONMENT = \
	MR_SRCDIR='$(abs_top_srcdir)'; export MR_SRCDIR; \
	MR_BUILDDIR='$(abs_top_builddir)'; export MR_BUILDDIR; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; \
	PYTHONPATH='$(abs_top_srcdir)/tests'; export PYTHONPATH; \
	test -z "$$log" || : >"$${log%.log}.began";

# When each program began, for ./quickstart check to tell which took longest.
MOSTLYCLEANFILES = tests/*/*.began tests/*/*/*.began

# What each test's PostgreSQL is a copy of.
mostlyclean-local:
	-rm -rf tests/cluster-*

# In this order they start: those that take minutes, mostly of waiting, first.
include tests/browser/local.mk
include tests/integration/local.mk
include tests/export/local.mk
include tests/fault/local.mk
include tests/attack/local.mk
include tests/unit/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk

# For every commit: the unit tests and one that goes all the way, in less than a minute; without
# the one that kills a process at every instruction, which takes as long by itself.
quick_tests = $(filter-out tests/unit/counters/test_books%,$(filter tests/unit/%,$(TESTS))) \
	tests/integration/test_collect_nginx.py
quickcheck: all
	@$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(quick_tests)'

# Whether the sources have the layout of .clang-format and .editorconfig; part of the suite, too.
format-check:
	@$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/unit/test_format.py

.PHONY: format-check quickcheck
