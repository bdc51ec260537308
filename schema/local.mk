# Migrations: installed for administrators, and compiled into the library so
# that a worker never depends on where they lie.

MIGRATIONS = \
	schema/001-events.sql \
	schema/002-ledger.sql \
	schema/003-visitor-salts.sql \
	schema/004-export.sql \
	schema/005-export-requests.sql \
	schema/006-export-slices.sql \
	schema/007-export-ends.sql \
	schema/008-partitions.sql \
	schema/009-retention.sql \
	schema/010-export-waiting.sql \
	schema/011-export-formats.sql \
	schema/012-usage.sql \
	schema/013-message-ids.sql
schemadir = $(pkgdatadir)/schema
dist_schema_DATA = $(MIGRATIONS) schema/grants.sql

schema/migrations.inc: $(MIGRATIONS) schema/embed.awk
	$(AM_V_GEN)$(MKDIR_P) schema && \
	cd $(srcdir) && LC_ALL=C $(AWK) -f schema/embed.awk $(MIGRATIONS) \
	  > $(abs_top_builddir)/$@.tmp && \
	mv $(abs_top_builddir)/$@.tmp $(abs_top_builddir)/$@
# For those who make one program alone; make all makes it first in any case.
$(lib_libmillrace_a_OBJECTS): schema/migrations.inc
BUILT_SOURCES += schema/migrations.inc
CLEANFILES += schema/migrations.inc schema/migrations.inc.tmp
EXTRA_DIST += schema/embed.awk
