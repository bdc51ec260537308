/*
 * That the code's table of keys, the sample etc/millrace.ini and the manual page
 * etc/millrace.ini.5 tell the same.
 */
#include "conf/conf.h"

#include <ctype.h>

#include "conffile.h"

#define KEYS_MAX 200

static struct {
	char section[64], key[64], text[200];
	bool in_sample;
} keys[KEYS_MAX];
static size_t n_keys;

static void
take_key(void *arg, const char *section, const char *key, const char *default_text)
{
	(void)arg;
	if (n_keys == KEYS_MAX)
		bail("more keys than the test has room for");
	snprintf(keys[n_keys].section, sizeof keys[0].section, "%s", section);
	snprintf(keys[n_keys].key, sizeof keys[0].key, "%s", key);
	snprintf(keys[n_keys].text, sizeof keys[0].text, "%s", default_text != NULL ? default_text : "");
	n_keys++;
}

/* All of a source file of the project, or NULL when there is none. */
static char *
slurp(const char *name)
{
	const char *src = getenv("MR_SRCDIR");
	char path[4096];
	char *text = malloc(1u << 20);
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", src != NULL ? src : ".", name);
	f = fopen(path, "rb");
	if (text == NULL || f == NULL) {
		free(text);
		return NULL;
	}
	n = fread(text, 1, (1u << 20) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

/* The text with every `from` replaced; frees the text. */
static char *
replace_all(char *text, const char *from, const char *with)
{
	char *made = malloc(1u << 20), *rest = text, *to = made;

	if (text == NULL || made == NULL)
		bail("no etc/millrace.ini (is MR_SRCDIR set?), or no memory");
	for (char *at; (at = strstr(rest, from)) != NULL; rest = at + strlen(from))
		to += sprintf(to, "%.*s%s", (int)(at - rest), rest, with);
	strcpy(to, rest);
	free(text);
	return made;
}

/* The sample, which shows the folders of the ordinary prefix, with those of this build. */
static char *
slurp_sample(void)
{
	char *text = replace_all(slurp("etc/millrace.ini"), "/usr/local/var/", MR_LOCALSTATEDIR "/");

	text = replace_all(text, "/usr/local/sbin/", MR_SBINDIR "/");
	return replace_all(text, "/usr/local/etc/millrace/", MR_SYSCONFDIR "/");
}

static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* ";key = value" or "key = value": cuts it in two; false: prose or nothing. */
static bool
sample_key(char *line, char **key, char **value)
{
	size_t n;

	if (line[0] == ';')
		line++;
	n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (n == 0 || strncmp(line + n, " =", 2) != 0)
		return false;
	*value = trim(line + n + 2);
	line[n] = '\0';
	*key = line;
	return true;
}

/* "client acme" is an example of "client NAME"; any other section is itself. */
static bool
is_section(const char *documented, const char *section, bool *example)
{
	const char *name = strchr(documented, ' ');

	*example = name != NULL;
	if (name == NULL)
		return strcmp(documented, section) == 0;
	return strncmp(documented, section, (size_t)(name - documented) + 1) == 0;
}

static void
check_sample_key(const char *section, const char *key, const char *value)
{
	bool example;

	for (size_t i = 0; i < n_keys; i++) {
		if (strcmp(keys[i].key, key) != 0 || !is_section(keys[i].section, section, &example))
			continue;
		ok(!keys[i].in_sample, "[%s] %s stands once in the sample", section, key);
		keys[i].in_sample = true;
		/* An example's section has values that have to be set. */
		if (!example || keys[i].text[0] != '\0')
			is_str(mr_str(value), keys[i].text, "at its default");
		return;
	}
	ok(false, "[%s] %s of the sample is a key of the code", section, key);
}

static void
test_sample(void)
{
	char *text = slurp_sample(), *line, *next, *key, *value;
	char section[64] = "";

	for (line = text; *line != '\0'; line = next) {
		next = line + strcspn(line, "\n");
		if (*next != '\0')
			*next++ = '\0';
		if (sscanf(line, "[%63[^]]]", section) == 1 || sscanf(line, ";[%63[^]]]", section) == 1)
			continue;
		if (sample_key(line, &key, &value))
			check_sample_key(section, key, value);
	}
	for (size_t i = 0; i < n_keys; i++)
		ok(keys[i].in_sample, "[%s] %s stands in the sample", keys[i].section, keys[i].key);
	free(text);
}

/* The sample as it is, and with every line uncommented, is the defaults. */
static void
test_sample_loads(void)
{
	char *text = slurp_sample(), *bare = malloc(1u << 20), *to = bare, *line, *next;
	struct mr_conf conf;

	if (bare == NULL)
		bail("no memory");
	if (ok(load(&conf, text) == MR_OK, "the sample is read")) {
		check_defaults(&conf);
		mr_conf_free(&conf);
	} else {
		diag("%s", err.text);
	}
	for (line = text; *line != '\0'; line = next) {
		char copy[1000], *key, *value;
		bool is_key;

		next = line + strcspn(line, "\n");
		next += *next != '\0';
		snprintf(copy, sizeof copy, "%.*s", (int)(next - line), line);
		is_key = strncmp(copy, ";[", 2) == 0 || sample_key(copy, &key, &value);
		line += is_key && *line == ';';
		memcpy(to, line, (size_t)(next - line));
		to += next - line;
	}
	*to = '\0';
	if (ok(load(&conf, bare) == MR_OK, "the sample with every key uncommented is read")) {
		check_defaults(&conf);
		is_int(conf.n_sites, 1, "it shows one site");
		is_int(conf.n_clients, 1, "and one client");
		mr_conf_free(&conf);
	} else {
		diag("%s", err.text);
	}
	free(bare);
	free(text);
}

static bool
has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; (p = strstr(p, word)) != NULL; p += n)
		if ((p == text || (!isalnum((unsigned char)p[-1]) && p[-1] != '_')) &&
		    !isalnum((unsigned char)p[n]) && p[n] != '_')
			return true;
	return false;
}

static void
test_manual(void)
{
	char *text = slurp("etc/millrace.ini.5");
	char *to;

	if (text == NULL) {
		skip("every key stands in the manual page", "there is no etc/millrace.ini.5 yet");
		return;
	}
	/* A font change of roff ends a word; its other escapes stand for a character of it. */
	to = text;
	for (const char *p = text; *p != '\0'; p++) {
		if (strncmp(p, "\\f", 2) == 0 && p[2] != '\0') {
			*to++ = ' ';
			p += 2;
		} else if (*p != '\\') {
			*to++ = *p;
		}
	}
	*to = '\0';
	for (size_t i = 0; i < n_keys; i++)
		ok(has_word(text, keys[i].key), "[%s] %s stands in the manual page", keys[i].section,
		    keys[i].key);
	free(text);
}

int
main(void)
{
	begin();
	mr_conf_each_key(take_key, NULL);
	ok(n_keys >= 20, "the code's table of keys, %zu of them", n_keys);
	test_sample();
	test_sample_loads();
	test_manual();
	return done();
}
