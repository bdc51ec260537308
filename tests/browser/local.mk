# The tracker, the demo page and the dashboard in a real browser; and pictures of the pages.

# Those that take longest first; each has a browser, a server and a database of its own.
TESTS += \
	tests/browser/test_once.py \
	tests/browser/test_dashboard.py \
	tests/browser/test_installed.py \
	tests/browser/test_pages.py \
	tests/browser/test_delivery.py \
	tests/browser/test_demo.py \
	tests/browser/test_privacy.py \
	tests/browser/test_capture.py

# The tracker in other engines, which takes long: no part of make check.
ENGINE_TESTS = tests/browser/test_firefox.py tests/browser/test_webkit.py

EXTRA_DIST += \
	tests/browser/browser.mjs \
	tests/browser/build.mjs \
	tests/browser/capture.mjs \
	tests/browser/dashboard.mjs \
	tests/browser/delivery.mjs \
	tests/browser/demo.mjs \
	tests/browser/engines.mjs \
	tests/browser/main.mjs \
	tests/browser/once.mjs \
	tests/browser/pages.mjs \
	tests/browser/privacy.mjs \
	tests/browser/screenshots.mjs \
	tests/browser/screenshots.py \
	tests/browser/server.py \
	tests/browser/site.mjs \
	tests/browser/tap.mjs \
	tests/browser/test_capture.py \
	tests/browser/test_dashboard.py \
	tests/browser/test_delivery.py \
	tests/browser/test_demo.py \
	tests/browser/test_firefox.py \
	tests/browser/test_installed.py \
	tests/browser/test_once.py \
	tests/browser/test_pages.py \
	tests/browser/test_privacy.py \
	tests/browser/test_webkit.py

.PHONY: check-engines
check-engines:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(ENGINE_TESTS)'

# Pictures of the pages, for README.md and www/README.md.
.PHONY: screenshots
screenshots: $(fcgi_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/browser/screenshots.py $(srcdir)/www/screenshots
