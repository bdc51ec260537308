# The tracker, the demo page and the dashboard. What is installed as tracking.js is
# minified when terser is there (npm ci --prefix www, or Debian's terser) or when
# the minified files came with a release; else, and with MINIFIED=no, it is the
# readable source, which does the same.

MINIFIED = yes

nobase_dist_pkgdata_DATA = \
	www/demo/article.html \
	www/demo/demo.css \
	www/demo/demo.js \
	www/demo/icon.svg \
	www/demo/opening-hours.csv \
	www/index.html \
	www/js/tracking-vitals.js \
	www/js/tracking.d.ts \
	www/js/tracking.js

mr_minified = www/js/tracking.min.js www/js/tracking-vitals.min.js
mr_maps = $(mr_minified:=.map)

# Three names stay as they are, so that they are found in what is served, too.
TERSERFLAGS = --ecma 2020 --toplevel \
	--compress passes=4 \
	--mangle reserved=[eventBatch,addToBatch,maxBatchSize]

www/js/tracking.min.js: www/js/tracking.js
www/js/tracking-vitals.min.js: www/js/tracking-vitals.js
$(mr_minified): www/local.mk
	$(AM_V_GEN)if test "$(TERSER)" = no; then \
	  echo "$@ needs terser: npm ci --prefix www, or Debian's terser; then configure anew" >&2; \
	  exit 1; \
	fi; \
	$(MKDIR_P) www/js && name=`basename $@ .min.js` && \
	(cd $(srcdir)/www/js && $(TERSER) $$name.js $(TERSERFLAGS) \
	  --source-map "includeSources,url=$$name.js.map" -o $(abs_builddir)/$@.tmp) && \
	mv $@.tmp.map $@.map && mv $@.tmp $@
$(mr_maps): $(mr_minified)

if HAVE_TERSER
all-local: $(mr_minified)
endif

# A release has them, since who installs one need not have node.
EXTRA_DIST += $(mr_minified) $(mr_maps) www/screenshots www/.npmrc www/package.json www/package-lock.json
MAINTAINERCLEANFILES = $(mr_minified) $(mr_maps)

install-data-hook:
	test "$(MINIFIED)" = yes || exit 0; \
	for name in tracking tracking-vitals; do \
	  file=www/js/$$name.min.js; \
	  test -f $$file || file=$(srcdir)/$$file; \
	  test -f $$file || continue; \
	  $(INSTALL_DATA) $$file "$(DESTDIR)$(pkgdatadir)/www/js/$$name.js" && \
	  $(INSTALL_DATA) $$file.map "$(DESTDIR)$(pkgdatadir)/www/js/$$name.js.map" || exit 1; \
	done
uninstall-hook:
	rm -f "$(DESTDIR)$(pkgdatadir)/www/js/tracking.js.map" \
	  "$(DESTDIR)$(pkgdatadir)/www/js/tracking-vitals.js.map"
