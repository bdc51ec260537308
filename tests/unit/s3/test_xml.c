/* Small XML answers: s3/xml.h. */
#include "s3/xml.h"

#include "../tap.h"

#define PROLOG "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void
check_root(void)
{
	static const struct {
		int line;
		struct mr_str doc;
		const char *root;
	} rows[] = {
		{ __LINE__, BYTES("<Error/>"), "Error" },
		{ __LINE__, BYTES(PROLOG "<Error><Code>x</Code></Error>"), "Error" },
		/* S3 sends blanks while it completes an upload. */
		{ __LINE__, BYTES("  \r\n\t" PROLOG "<A b=\"c\">"), "A" },
		{ __LINE__, BYTES("<!-- <B> --><!DOCTYPE x><s3:A xmlns:s3=\"u\">"), "A" },
		{ __LINE__, BYTES("<!-- never closed <B>"), "" },
		{ __LINE__, BYTES("hello <A>"), "" },
		{ __LINE__, BYTES("<"), "" },
		{ __LINE__, BYTES(""), "" },
		{ __LINE__, BYTES("{\"a\": \"<A>\"}"), "" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_str got = mr_xml_root(rows[i].doc);

		row(rows[i].line);
		ok(mr_str_eq(got, mr_str(rows[i].root)), "the root is '%s'", rows[i].root);
	}
	row(0);
}

static void
check_text(void)
{
	static const struct {
		int line;
		struct mr_str doc;
		const char *text; /* NULL: there is none */
	} rows[] = {
		{ __LINE__, BYTES("<R><Code>NoSuchKey</Code></R>"), "NoSuchKey" },
		{ __LINE__, BYTES("<R><x:Code a='1'>A</x:Code></R>"), "A" },
		{ __LINE__, BYTES("<R><In><Code>\n  A B \n</Code></In></R>"), "A B" },
		{ __LINE__, BYTES("<Code>first</Code><Code>second</Code>"), "first" },
		{ __LINE__, BYTES("<Code>&lt;&gt;&amp;&quot;&apos;</Code>"), "<>&\"'" },
		{ __LINE__, BYTES("<Code>&#65;&#x42;&#x20ac;</Code>"), "AB\xe2\x82\xac" },
		{ __LINE__, BYTES("<Code>&#xd800;&#0;&#x110000;&bogus;&</Code>"),
		    "&#xd800;&#0;&#x110000;&bogus;&" },
		{ __LINE__, BYTES("<Code>0123456789abcde</Code>"), "0123456789abcde" },
		{ __LINE__, BYTES("<Code></Code>"), "" },
		{ __LINE__, BYTES("<Code/><Code>x</Code>"), "" },
		{ __LINE__, BYTES("<!--<Code>x</Code>--><Code>y</Code>"), "y" },
		{ __LINE__, BYTES("<Code>cut"), NULL },
		{ __LINE__, BYTES("<Code"), NULL },
		{ __LINE__, BYTES("<Codes>x</Codes><Cod>y</Cod>"), NULL },
		{ __LINE__, BYTES("</Code>x"), NULL },
		{ __LINE__, BYTES(""), NULL },
	};
	char to[32];

	for (size_t i = 0; i < ROWS(rows); i++) {
		bool found = mr_xml_text(rows[i].doc, "Code", to, sizeof to);

		row(rows[i].line);
		ok(found == (rows[i].text != NULL), "%s", found ? "found" : "not found");
		is_str(mr_str(to), rows[i].text != NULL ? rows[i].text : "", "the text");
	}
	row(0);
	ok(!mr_xml_text(mr_str("<Code>1234</Code>"), "Code", to, 4), "no room for the NUL");
	is_str(mr_str(to), "", "nothing is left of it");
	ok(mr_xml_text(mr_str("<Code>123</Code>"), "Code", to, 4), "just enough room");
}

static void
check_next(void)
{
	struct mr_str doc = mr_str("<L><U><K>a</K></U>\n<U x='1'><K>b</K></U><Ux>c</Ux><U></U><U>cut");

	is_str(mr_xml_next(&doc, "U"), "<K>a</K>", "the first");
	is_str(mr_xml_next(&doc, "U"), "<K>b</K>", "the second, with an attribute");
	is_str(mr_xml_next(&doc, "U"), "", "one that is empty, behind one of another name");
	is_str(mr_xml_next(&doc, "U"), NULL, "one without an end");
	doc = mr_str("");
	is_str(mr_xml_next(&doc, "U"), NULL, "nothing");
}

int
main(void)
{
	check_root();
	check_text();
	check_next();
	return done();
}
