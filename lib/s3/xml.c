/* Small XML answers: see xml.h. */
#include "s3/xml.h"

#include "format/utf8.h"

/* A cursor: what is left of the document. */
static bool
starts(struct mr_str s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static struct mr_str
skip(struct mr_str s, size_t n)
{
	return (struct mr_str){ s.p + n, s.n - n };
}

/* What follows the first `end`; nothing when there is none. */
static struct mr_str
behind(struct mr_str s, const char *end)
{
	while (s.n > 0 && !starts(s, end))
		s = skip(s, 1);
	return s.n > 0 ? skip(s, strlen(end)) : s;
}

/*
 * Goes to the next start tag and sets *name to its local name. Returns what
 * follows the name; n == 0: there is no further one.
 */
static struct mr_str
next_tag(struct mr_str s, struct mr_str *name)
{
	size_t n, prefix;

	for (;;) {
		while (s.n > 0 && s.p[0] != '<')
			s = skip(s, 1);
		if (starts(s, "<!--"))
			s = behind(s, "-->");
		else if (starts(s, "<?") || starts(s, "<!") || starts(s, "</"))
			s = behind(s, ">");
		else
			break;
	}
	if (s.n > 0)
		s = skip(s, 1);
	for (n = 0, prefix = 0; n < s.n && memchr(" \t\r\n/>", s.p[n], 6) == NULL; n++)
		if (s.p[n] == ':')
			prefix = n + 1;
	*name = (struct mr_str){ s.p + prefix, n - prefix };
	return skip(s, n);
}

struct mr_str
mr_xml_root(struct mr_str doc)
{
	struct mr_str name;

	while (doc.n > 0 && memchr(" \t\r\n", doc.p[0], 4) != NULL)
		doc = skip(doc, 1);
	if (doc.n == 0 || doc.p[0] != '<')
		return (struct mr_str){ doc.p, 0 };
	(void)next_tag(doc, &name);
	return name;
}

/* The code point of "&#65;" or "&#x41;", s behind the '#'; 0: none. */
static unsigned
number(struct mr_str s)
{
	unsigned base = s.n > 0 && s.p[0] == 'x' ? 16 : 10, code = 0;
	static const char digits[] = "0123456789abcdef";
	const char *digit;

	if (base == 16)
		s = skip(s, 1);
	for (; s.n > 0 && code <= 0x10ffff; s = skip(s, 1)) {
		digit = memchr(digits, s.p[0] | (s.p[0] >= 'A' ? 0x20 : 0), base);
		if (digit == NULL)
			return 0;
		code = code * base + (unsigned)(digit - digits);
	}
	return code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : code;
}

/* Writes what the entity at s ("&lt;…") stands for; returns bytes read, 0: it is none. */
static size_t
entity(struct mr_str s, char *to, size_t *wrote)
{
	static const struct {
		const char *text;
		char c;
	} names[] = { { "&lt;", '<' }, { "&gt;", '>' }, { "&amp;", '&' }, { "&quot;", '"' },
		{ "&apos;", '\'' } };
	const char *end = memchr(s.p, ';', s.n < 12 ? s.n : 12);
	unsigned code;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (starts(s, names[i].text)) {
			to[0] = names[i].c;
			*wrote = 1;
			return strlen(names[i].text);
		}
	}
	if (!starts(s, "&#") || end == NULL ||
	    (code = number((struct mr_str){ s.p + 2, (size_t)(end - s.p) - 2 })) == 0)
		return 0;
	*wrote = mr_utf8_put(to, code);
	return (size_t)(end - s.p) + 1;
}

/* Copies the text at s up to the next tag. */
static bool
copy_text(struct mr_str s, char *to, size_t size)
{
	size_t n = 0, wrote, got;
	char piece[4];

	while (s.n > 0 && memchr(" \t\r\n", s.p[0], 4) != NULL)
		s = skip(s, 1);
	while (s.n > 0 && s.p[0] != '<') {
		got = s.p[0] == '&' ? entity(s, piece, &wrote) : 0;
		if (got == 0) {
			piece[0] = s.p[0];
			got = wrote = 1;
		}
		if (wrote >= size - n)
			return false;
		memcpy(to + n, piece, wrote);
		n += wrote;
		s = skip(s, got);
	}
	while (n > 0 && memchr(" \t\r\n", to[n - 1], 4) != NULL)
		n--;
	to[n] = '\0';
	return s.n > 0;
}

bool
mr_xml_text(struct mr_str doc, const char *name, char *to, size_t size)
{
	struct mr_str tag, attributes;

	to[0] = '\0';
	while ((doc = next_tag(doc, &tag)).n > 0) {
		attributes = doc;
		doc = behind(doc, ">");
		if (!mr_str_eq(tag, mr_str(name)))
			continue;
		if (attributes.p[0] == '/')
			return true;
		if (copy_text(doc, to, size))
			return true;
		to[0] = '\0';
		return false;
	}
	return false;
}

/* Whether "</name>" begins here. */
static bool
closes(struct mr_str s, const char *name)
{
	size_t n = strlen(name);

	return starts(s, "</") && starts(skip(s, 2), name) && s.n > n + 2 && s.p[n + 2] == '>';
}

struct mr_str
mr_xml_next(struct mr_str *doc, const char *name)
{
	struct mr_str tag, rest = *doc, inside;

	while ((rest = next_tag(rest, &tag)).n > 0) {
		rest = behind(rest, ">");
		if (!mr_str_eq(tag, mr_str(name)))
			continue;
		for (inside = rest; rest.n > 0 && !closes(rest, name);)
			rest = skip(rest, 1);
		if (rest.n == 0)
			break;
		inside.n = (size_t)(rest.p - inside.p);
		*doc = behind(rest, ">");
		return inside;
	}
	return MR_STR_NULL;
}
