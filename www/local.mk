# The tracker, the demo page and the dashboard. What is installed as tracking.js is
# minified when terser is there (npm ci --prefix www, or Debian's terser) or when
# the minified files came with a release; else, and with MINIFIED=no, it is the
# readable source, which does the same. The dashboard is bundled by esbuild with the
# one library that it has; without the bundle it is not installed.

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
	www/js/tracking.js \
	www/openapi.json

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
EXTRA_DIST += $(mr_minified) $(mr_maps) www/js/index.d.mts www/js/index.mjs www/screenshots www/.npmrc www/package.json www/package-lock.json
MAINTAINERCLEANFILES = $(mr_minified) $(mr_maps)

mr_dashboard = www/dashboard/dashboard.js www/dashboard/dashboard.css \
	www/dashboard/uplot-license.txt
mr_dashboard_sources = \
	www/dashboard/src/alerts.js \
	www/dashboard/src/api.js \
	www/dashboard/src/chart.js \
	www/dashboard/src/dom.js \
	www/dashboard/src/events.js \
	www/dashboard/src/exports.js \
	www/dashboard/src/format.js \
	www/dashboard/src/main.css \
	www/dashboard/src/main.js \
	www/dashboard/src/metrics.js \
	www/dashboard/src/numbers.js \
	www/dashboard/src/poll.js
ESBUILDFLAGS = --bundle --minify --format=esm --target=es2022 --log-level=warning

$(mr_dashboard): $(mr_dashboard_sources) www/package-lock.json www/local.mk
	$(AM_V_GEN)if test "$(ESBUILD)" = no; then \
	  echo "$@ needs esbuild and uplot: npm ci --prefix www; then configure anew" >&2; \
	  exit 1; \
	fi; \
	$(MKDIR_P) www/dashboard && case $@ in \
	*.txt) cp $(srcdir)/www/node_modules/uplot/LICENSE $@.tmp ;; \
	*) $(ESBUILD) $(srcdir)/www/dashboard/src/main.`echo $@ | $(SED) 's/.*\.//'` \
	  $(ESBUILDFLAGS) --outfile=$@.tmp ;; \
	esac && mv $@.tmp $@

if HAVE_ESBUILD
all-local: $(mr_dashboard)
endif

mr_dashboard_files = $(mr_dashboard) www/dashboard/icon.svg www/dashboard/index.html
EXTRA_DIST += $(mr_dashboard_files) $(mr_dashboard_sources)
MAINTAINERCLEANFILES += $(mr_dashboard)

# Beside each page file lie a .gz and, where brotli or node is there, a .br, which the
# samples serve; and the tracker also under names with a hash of what is in them,
# which browsers may keep for good. The first of these loads the second.
mr_www = "$(DESTDIR)$(pkgdatadir)/www"
mr_packed = find $(mr_www) -name '*.gz' -o -name '*.br' -o -name 'tracking*.????????.js'
mr_pack = find $(mr_www) -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.svg' -o -name '*.csv'
mr_brotli = 'const f = require("fs"); for (const p of process.argv.slice(1)) \
	  f.writeFileSync(`$${p}.br`, require("zlib").brotliCompressSync(f.readFileSync(p)))'

install-data-hook:
	test "$(MINIFIED)" = yes || exit 0; \
	for name in tracking tracking-vitals; do \
	  file=www/js/$$name.min.js; \
	  test -f $$file || file=$(srcdir)/$$file; \
	  test -f $$file || continue; \
	  $(INSTALL_DATA) $$file "$(DESTDIR)$(pkgdatadir)/www/js/$$name.js" && \
	  $(INSTALL_DATA) $$file.map "$(DESTDIR)$(pkgdatadir)/www/js/$$name.js.map" || exit 1; \
	done
	test -f www/dashboard/dashboard.js || test -f $(srcdir)/www/dashboard/dashboard.js || exit 0; \
	$(MKDIR_P) "$(DESTDIR)$(pkgdatadir)/www/dashboard"; \
	for file in $(mr_dashboard_files); do \
	  test -f $$file || file=$(srcdir)/$$file; \
	  $(INSTALL_DATA) $$file "$(DESTDIR)$(pkgdatadir)/www/dashboard" || exit 1; \
	done
	$(mr_packed) | while read -r file; do rm -f "$$file"; done
	cd $(mr_www)/js && hash() { sha256sum "$$1" | cut -c1-8; } && \
	more=tracking-vitals.`hash tracking-vitals.js`.js && \
	cp tracking-vitals.js $$more && \
	$(SED) "s/tracking-vitals\.js/$$more/g" tracking.js > tracking.js.tmp && \
	mv tracking.js.tmp tracking.`hash tracking.js.tmp`.js
	$(mr_pack) | while read -r file; do \
	  gzip -9nc "$$file" > "$$file.gz" || exit 1; \
	  if type brotli > /dev/null 2>&1; then brotli -fkq 11 "$$file" || exit 1; \
	  elif type node > /dev/null 2>&1; then node -e $(mr_brotli) "$$file" || exit 1; \
	  fi; \
	done
	test -f $(mr_www)/js/tracking.js.br || { sample="$(DESTDIR)$(ex_lighttpddir)/millrace.conf"; \
	  $(SED) '/^# Better than gzip/,/^}/d' "$$sample" > "$$sample.tmp" && mv "$$sample.tmp" "$$sample"; }
mr-uninstall-pages:
	test ! -d $(mr_www) || $(mr_packed) | while read -r file; do rm -f "$$file"; done
	for file in $(mr_dashboard_files); do rm -f "$(DESTDIR)$(pkgdatadir)/$$file"; done
	rm -f "$(DESTDIR)$(pkgdatadir)/www/js/tracking.js.map" \
	  "$(DESTDIR)$(pkgdatadir)/www/js/tracking-vitals.js.map"
