/*
 * JSON: what format/json.h accepts and refuses, and the tree that it makes.
 *
 * First the conformance set in tests/data/json, each file in a block of memory
 * of its exact size, so that a sanitizer sees a read past its end; then limits
 * that are too large for files.
 */
#include "format/json.h"

#include <dirent.h>

#include "../tap.h"
#include "repeat.h"

#define ARENA_MAX ((size_t)16 << 20)
#define SMALL_FILE ((size_t)64 << 10)

enum verdict { ACCEPTED, EDITED, LIMITED, REFUSED };

struct expectation {
	enum verdict verdict;
	int64_t number; /* LIMITED: bad numbers; REFUSED: offset, -1: any */
	char text[256]; /* EDITED: what the text becomes */
};

/* The bytes of a file without a NUL behind them; bails out when unreadable. */
static char *
read_file(const char *path, size_t *len)
{
	static char block[SMALL_FILE];
	FILE *f = fopen(path, "rb");
	char *data;

	if (f == NULL)
		bail("cannot open %s", path);
	*len = fread(block, 1, sizeof block, f);
	if (ferror(f) || *len == sizeof block)
		bail("cannot read %s", path);
	fclose(f);
	data = malloc(*len != 0 ? *len : 1);
	if (data == NULL)
		bail("no memory");
	memcpy(data, block, *len);
	return data;
}

static const char *
data_path(const char *name)
{
	static char path[4096];
	const char *src = getenv("MR_SRCDIR");

	snprintf(path, sizeof path, "%s/tests/data/json/%s", src != NULL ? src : ".", name);
	return path;
}

/* --- the table EXPECTED ------------------------------------------------- */

static char *expected_text;

/* The rest of the line "NAME rest", or NULL. Cuts the text into lines. */
static const char *
find_line(const char *name)
{
	size_t n = strlen(name);

	for (char *line = expected_text; *line != '\0'; line += strlen(line) + 1)
		if (strncmp(line, name, n) == 0 && line[n] == ' ')
			return line + n + 1;
	return NULL;
}

static size_t
load_expected(void)
{
	size_t len, lines = 0;
	char *raw = read_file(data_path("EXPECTED"), &len);

	expected_text = malloc(len + 2);
	if (expected_text == NULL)
		bail("no memory");
	memcpy(expected_text, raw, len);
	memcpy(expected_text + len, "\0", 2);
	free(raw);
	for (size_t i = 0; i < len; i++) {
		if (expected_text[i] == '\n')
			expected_text[i] = '\0';
		if (expected_text[i] != '\0' && expected_text[i] != '#' &&
		    (i == 0 || expected_text[i - 1] == '\0'))
			lines++;
	}
	return lines;
}

static bool
expect(const char *name, struct expectation *e)
{
	const char *rest = find_line(name);
	char word[16] = "";

	memset(e, 0, sizeof *e);
	if (name[0] == 'y')
		return rest == NULL;
	if (rest == NULL)
		return false;
	if (strcmp(rest, "accepted") == 0)
		return true;
	if (sscanf(rest, "edited %255[^\n]", e->text) == 1) {
		e->verdict = EDITED;
		return true;
	}
	if (sscanf(rest, "refused %15s", word) == 1) {
		e->verdict = REFUSED;
		e->number = strcmp(word, "any") == 0 ? -1 : strtoll(word, NULL, 10);
		return true;
	}
	if (sscanf(rest, "limited %15s", word) == 1) {
		e->verdict = LIMITED;
		e->number = strtoll(word, NULL, 10);
		return true;
	}
	return false;
}

/* --- the tree against the text ------------------------------------------ */

/* The tree written out without white space, to be compared with the text. */
struct writer {
	const struct mr_json *json;
	char *out;
	size_t len, cap;
	int bad_numbers;
	const char *problem;
};

static void
put(struct writer *w, const char *p, size_t n)
{
	if (n > w->cap - w->len) {
		w->problem = "the tree is larger than the text";
		return;
	}
	memcpy(w->out + w->len, p, n);
	w->len += n;
}

static bool
starts_right(enum mr_json_type type, struct mr_str raw)
{
	char c = raw.n != 0 ? raw.p[0] : '\0';

	switch (type) {
	case MR_JSON_OBJECT:
		return c == '{' && raw.p[raw.n - 1] == '}';
	case MR_JSON_ARRAY:
		return c == '[' && raw.p[raw.n - 1] == ']';
	case MR_JSON_STRING:
		return raw.n >= 2 && c == '"' && raw.p[raw.n - 1] == '"';
	case MR_JSON_NUMBER:
	case MR_JSON_BAD_NUMBER:
		return (c == '-' || (c >= '0' && c <= '9')) && raw.p[raw.n - 1] >= '0' &&
		    raw.p[raw.n - 1] <= '9';
	case MR_JSON_TRUE:
		return mr_str_eq(raw, MR_STR_LIT("true"));
	case MR_JSON_FALSE:
		return mr_str_eq(raw, MR_STR_LIT("false"));
	case MR_JSON_NULL:
		return mr_str_eq(raw, MR_STR_LIT("null"));
	}
	return false;
}

static void walk(struct writer *w, int node, int outer_start, int outer_end);

static void
walk_children(struct writer *w, int node)
{
	const struct mr_json_node *n = &w->json->nodes[node];
	bool object = n->type == MR_JSON_OBJECT;
	int child = node + 1, position = n->start + 1;

	put(w, object ? "{" : "[", 1);
	for (int i = 0; i < n->size && w->problem == NULL; i++) {
		if (i != 0)
			put(w, ",", 1);
		for (int part = object ? 0 : 1; part < 2 && w->problem == NULL; part++) {
			if (child >= n->next) {
				w->problem = "fewer children than size says";
				return;
			}
			if (part == 0 && w->json->nodes[child].type != MR_JSON_STRING)
				w->problem = "a key is not a string";
			walk(w, child, position, n->end - 1);
			if (part == 0)
				put(w, ":", 1);
			position = w->json->nodes[child].end;
			child = w->json->nodes[child].next;
		}
	}
	if (w->problem == NULL && child != n->next)
		w->problem = "more children than size says";
	put(w, object ? "}" : "]", 1);
}

/* Writes one value that must lie in text[outer_start .. outer_end). */
static void
walk(struct writer *w, int node, int outer_start, int outer_end)
{
	const struct mr_json *json = w->json;
	const struct mr_json_node *n = &json->nodes[node];
	struct mr_str raw;

	if (n->start < outer_start || n->end < n->start || n->end > outer_end) {
		w->problem = "a node lies outside its parent or before its elder sibling";
		return;
	}
	if (n->next <= node || n->next > json->n) {
		w->problem = "a next link leads nowhere";
		return;
	}
	raw = mr_json_raw(json, node);
	if (raw.p < json->text + outer_start || raw.p + raw.n > json->text + outer_end) {
		w->problem = "a raw slice lies outside its parent";
		return;
	}
	if (!starts_right((enum mr_json_type)n->type, raw)) {
		w->problem = "a raw slice does not fit its type";
		return;
	}
	if (n->type == MR_JSON_OBJECT || n->type == MR_JSON_ARRAY) {
		walk_children(w, node);
		return;
	}
	if (n->size != 0 || n->next != node + 1)
		w->problem = "a plain value has children";
	if (n->type == MR_JSON_STRING && (raw.p + 1 != json->text + n->start ||
	    raw.n != (size_t)(n->end - n->start) + 2))
		w->problem = "a string's start and end are not inside its quotes";
	w->bad_numbers += n->type == MR_JSON_BAD_NUMBER;
	put(w, raw.p, raw.n);
}

/* Drops white space outside strings, in place; knows nothing else of JSON. */
static size_t
squeeze(char *text, size_t len)
{
	bool in_string = false;
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		if (!in_string && memchr(" \t\r\n", text[i], 4) != NULL)
			continue;
		if (text[i] == '"')
			in_string = !in_string;
		text[out++] = text[i];
		if (in_string && text[i] == '\\' && i + 1 < len)
			text[out++] = text[++i];
	}
	return out;
}

/* NULL when the tree says exactly what the text says, else what is wrong. */
static const char *
tree_problem(const struct mr_json *json, size_t len)
{
	struct writer w = { .json = json, .cap = len };
	char *text = malloc(len + 1);

	w.out = malloc(len + 1);
	if (text == NULL || w.out == NULL)
		bail("no memory");
	memcpy(text, json->text, len);
	walk(&w, 0, 0, (int)len);
	if (w.problem == NULL && json->nodes[0].next != json->n)
		w.problem = "the root's next is not the number of nodes";
	if (w.problem == NULL && w.bad_numbers != json->bad_numbers)
		w.problem = "bad_numbers does not count the bad numbers";
	if (w.problem == NULL && (w.len != squeeze(text, len) || memcmp(w.out, text, w.len) != 0))
		w.problem = "the tree written out differs from the text";
	free(text);
	free(w.out);
	return w.problem;
}

/* --- the conformance set ------------------------------------------------ */

/* NULL, or what is wrong with a refusal. */
static const char *
refusal_problem(const struct expectation *e, enum mr_err rc, const struct mr_error *err, size_t len)
{
	if (rc != MR_EINVAL || err->code != MR_EINVAL)
		return "it is not refused with MR_EINVAL";
	if (e->number == -1 ? err->offset < 0 || err->offset > (int64_t)len : err->offset != e->number)
		return "the offset is another one";
	return err->text[0] == '\0' ? "there is no reason" : NULL;
}

/* NULL, or what is wrong with what was accepted. */
static const char *
acceptance_problem(const struct expectation *e, enum mr_err rc, const struct mr_json *json,
    const char *before, size_t len)
{
	struct mr_str text = { json->text, len };
	const char *problem;

	if (rc != MR_OK)
		return "it is refused";
	if ((problem = tree_problem(json, len)) != NULL)
		return problem;
	if (json->bad_numbers != (e->verdict == LIMITED ? e->number : 0))
		return "another number of numbers is beyond the limits";
	if (!mr_str_eq(text, e->verdict == EDITED ? mr_str(e->text) : (struct mr_str){ before, len }))
		return e->verdict == EDITED ? "the edited text is another one" : "the text was edited";
	return NULL;
}

/* One check for each file; its line tells what was expected. */
static void
check_file(const char *name)
{
	struct mr_error err = MR_ERROR_INIT;
	struct expectation e;
	struct mr_arena arena;
	struct mr_json json = { .text = NULL };
	const char *problem, *wanted = find_line(name);
	size_t len;
	char *text, *before;
	enum mr_err rc;

	if (!expect(name, &e)) {
		ok(false, "%s stands in EXPECTED as it should", name);
		return;
	}
	before = read_file(data_path(name), &len);
	text = read_file(data_path(name), &len);
	mr_arena_init(&arena, ARENA_MAX);
	rc = mr_json_parse(&arena, text, len, &json, &err);
	problem = e.verdict == REFUSED ? refusal_problem(&e, rc, &err, len) :
	    acceptance_problem(&e, rc, &json, before, len);
	if (!ok(problem == NULL, "%s: %s", name, wanted != NULL ? wanted : "accepted")) {
		diag("%s", problem);
		diag("returned %d, offset %lld: %s", (int)rc, (long long)err.offset, err.text);
		tap_bytes("the text is now", (struct mr_str){ text, len });
	}
	mr_arena_free(&arena);
	free(text);
	free(before);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
test_files(void)
{
	static char *names[2000];
	size_t n = 0, listed = 0, in_table = load_expected();
	DIR *dir = opendir(data_path(""));
	struct dirent *entry;

	if (dir == NULL)
		bail("cannot read %s (is MR_SRCDIR set?)", data_path(""));
	while ((entry = readdir(dir)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot == NULL || dot == entry->d_name || strcmp(dot, ".json") != 0)
			continue;
		if (n == ROWS(names) || (names[n] = strdup(entry->d_name)) == NULL)
			bail("too many files");
		listed += names[n++][0] != 'y';
	}
	closedir(dir);
	ok(n >= 150, "the conformance set is there, %zu files", n);
	is_int(listed, in_table, "n_ and i_ files, and lines in EXPECTED");
	qsort(names, n, sizeof names[0], by_name);
	for (size_t i = 0; i < n; i++) {
		check_file(names[i]);
		free(names[i]);
	}
	free(expected_text);
}

/* --- what is too large for files ---------------------------------------- */

static void
test_large(void)
{
	static const struct {
		int line;
		const char *prefix, *unit;
		size_t count;
		const char *suffix;
		enum mr_err rc;
		int64_t offset; /* -1: any */
		int nodes;
	} rows[] = {
		{ __LINE__, "", "[", 100000, "", MR_EINVAL, 32, 0 },
		{ __LINE__, "", "{\"a\":", 100000, "", MR_EINVAL, 160, 0 },
		{ __LINE__, "", "[", 100000, "]", MR_EINVAL, 32, 0 },
		{ __LINE__, "", "]", 100000, "", MR_EINVAL, 0, 0 },
		{ __LINE__, "", " ", 100000, "", MR_EINVAL, 0, 0 },
		{ __LINE__, "", " ", 100000, "1", MR_OK, 0, 1 },
		{ __LINE__, "\"", "a", 900000, "\"", MR_OK, 0, 1 },
		{ __LINE__, "\"", "\\u0041", 150000, "\"", MR_OK, 0, 1 },
		{ __LINE__, "\"", "a", 900000, "", MR_EINVAL, 900001, 0 },
		{ __LINE__, "[", "[],", 5000, "1]", MR_OK, 0, 5002 },
		{ __LINE__, "[", "1,", MR_JSON_MAX_NODES - 2, "1]", MR_OK, 0, MR_JSON_MAX_NODES },
		{ __LINE__, "[", "1,", MR_JSON_MAX_NODES - 1, "1]", MR_EINVAL, -1, 0 },
		{ __LINE__, "[", "[],", MR_JSON_MAX_NODES, "1]", MR_EINVAL, -1, 0 },
		{ __LINE__, "{", "\"a\":1,", MR_JSON_MAX_NODES / 2 - 1, "\"a\":1}", MR_EINVAL, -1, 0 },
		{ __LINE__, "{", "\"a\":1,", MR_JSON_MAX_NODES / 2 - 2, "\"a\":1}", MR_OK, 0,
		    MR_JSON_MAX_NODES - 1 },
		{ __LINE__, "[", "\"\",", MR_JSON_MAX_NODES, "1]", MR_EINVAL, -1, 0 },
		{ __LINE__, "", "9", 100000, "", MR_OK, 0, 1 },
		{ __LINE__, "0.", "0", 100000, "", MR_OK, 0, 1 },
		{ __LINE__, "1e", "9", 100000, "", MR_OK, 0, 1 },
		{ __LINE__, "{\"", "k", 100000, "\":1}", MR_EINVAL, -1, 0 },
		/* exponents add up, whatever their signs; those beyond the limit do not */
		{ __LINE__, "[", "1e256,", 4096, "1]", MR_OK, 0, 4098 },
		{ __LINE__, "[", "1E+256,", 4096, "-1e0]", MR_OK, 0, 4098 },
		{ __LINE__, "[", "1e256,", 4096, "0.5e-1]", MR_EINVAL, 1 + 6 * 4096, 0 },
		{ __LINE__, "[", "1e-0256,", 4096, "-2E1]", MR_EINVAL, 1 + 8 * 4096, 0 },
		{ __LINE__, "[", "1e400,", 99980, "1]", MR_EINVAL, 1 + 6 * 2621, 0 },
		{ __LINE__, "[", "1e401,", 99980, "1]", MR_OK, 0, 99982 },
		{ __LINE__, "[", "0.1234567e-9,", 99980, "1]", MR_OK, 0, 99982 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_error err = MR_ERROR_INIT;
		struct mr_arena arena;
		struct mr_json json;
		size_t len;
		char *text = repeat(rows[i].prefix, rows[i].unit, rows[i].count, rows[i].suffix, &len);
		enum mr_err rc;

		row(rows[i].line);
		mr_arena_init(&arena, ARENA_MAX);
		rc = mr_json_parse(&arena, text, len, &json, &err);
		is_int(rc, rows[i].rc, "result");
		if (rc == MR_OK && rows[i].rc == MR_OK) {
			const char *problem = tree_problem(&json, len);

			is_int(json.n, rows[i].nodes, "nodes");
			if (!ok(problem == NULL, "the tree says what the text says"))
				diag("%s", problem);
		} else if (rows[i].rc == MR_EINVAL && rows[i].offset >= 0) {
			is_int(err.offset, rows[i].offset, "offset");
		} else if (rows[i].rc == MR_EINVAL) {
			ok(err.offset >= 0 && err.offset <= (int64_t)len, "an offset in the text");
		}
		mr_arena_free(&arena);
		free(text);
	}
	row(0);
}

static void
test_no_memory(void)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_arena arena;
	struct mr_json json;
	size_t len;
	char *text = repeat("[", "1,", 1000, "1]", &len);

	mr_arena_init(&arena, 100);
	is_int(mr_json_parse(&arena, text, len, &json, &err), MR_ENOMEM, "an arena that is too small");
	is_int(err.code, MR_ENOMEM, "its error says so");
	is_int(mr_json_parse(&arena, text, len, &json, NULL), MR_ENOMEM, "without an error struct");
	mr_arena_free(&arena);
	mr_arena_init(&arena, ARENA_MAX);
	is_int(mr_json_parse(&arena, text, 3, &json, NULL), MR_EINVAL,
	    "a refusal without an error struct");
	mr_arena_free(&arena);
	free(text);
}

int
main(void)
{
	test_files();
	test_large();
	test_no_memory();
	return done();
}
