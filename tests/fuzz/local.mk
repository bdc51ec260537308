# `make fuzz FUZZ_SECONDS=60`: each target for so long, with the conformance set
# and tests/data/fuzz as its first inputs. Needs clang; no part of `make check`. What it finds lies
# in tests/fuzz/ of the build folder.

FUZZ_CC = clang
FUZZ_SECONDS = 30
FUZZ_TARGETS = fuzz_json fuzz_event fuzz_body fuzz_times fuzz_forwarded
FUZZ_LIB = base/arena base/buf base/clock base/error base/ip format/base64 \
	format/batch format/body format/dialect format/event format/forwarded \
	format/json format/jsonout format/payload format/query format/salvage \
	format/times format/utf8

fuzz:
	@$(MKDIR_P) tests/fuzz/corpus
	@set -e; sources=; \
	for s in $(FUZZ_LIB); do sources="$$sources $(srcdir)/lib/$$s.c"; done; \
	for t in $(FUZZ_TARGETS); do \
	  $(FUZZ_CC) -I$(srcdir)/lib -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -o tests/fuzz/$$t \
	    $(srcdir)/tests/fuzz/$$t.c $$sources; \
	  tests/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
	    -print_final_stats=1 -artifact_prefix=tests/fuzz/ \
	    tests/fuzz/corpus $(srcdir)/tests/data/fuzz $(srcdir)/tests/data/json; \
	done

clean-local:
	-rm -rf tests/fuzz/corpus
	-for t in $(FUZZ_TARGETS); do rm -f tests/fuzz/$$t; done

.PHONY: fuzz
EXTRA_DIST += tests/data/fuzz tests/fuzz/fuzz_body.c tests/fuzz/fuzz_event.c \
	tests/fuzz/fuzz_forwarded.c tests/fuzz/fuzz_json.c tests/fuzz/fuzz_times.c
