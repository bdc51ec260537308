# What a hostile client may try: it must hurt nobody else.

attack_tests = \
	tests/attack/test_access.py \
	tests/attack/test_dedup.py \
	tests/attack/test_flood.py \
	tests/attack/test_large.py \
	tests/attack/test_threads.py

TESTS += $(attack_tests)

EXTRA_DIST += $(attack_tests)
