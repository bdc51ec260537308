/* s3/sigv4.h against tests/data/sigv4/vectors.txt, which botocore signed. */
#include "s3/sigv4.h"

#include "../tap.h"
#include "base/clock.h"

#define MAX_PAIRS 8

/* One case of the file; the strings point into its text. */
struct vector {
	const char *name, *target, *authorization;
	struct mr_sigv4_request request;
	struct mr_pair query[MAX_PAIRS], headers[MAX_PAIRS];
};

static char *
slurp(const char *name)
{
	const char *root = getenv("MR_SRCDIR");
	static char text[1 << 20];
	char path[4096];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "%s/%s", root != NULL ? root : ".", name);
	if ((f = fopen(path, "r")) == NULL)
		bail("no %s (is MR_SRCDIR set?)", path);
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

static void
add_pair(struct mr_pair *pairs, size_t *n, char *value)
{
	char *tab = strchr(value, '\t');

	if (tab == NULL || *n == MAX_PAIRS)
		bail("a pair of the vectors is malformed");
	*tab = '\0';
	pairs[(*n)++] = (struct mr_pair){ value, mr_str(tab + 1) };
}

static void
take(struct vector *v, struct mr_creds *creds, const char *name, char *value)
{
	struct mr_sigv4_request *r = &v->request;

	if (strcmp(name, "case") == 0)
		v->name = value;
	else if (strcmp(name, "method") == 0)
		r->method = value;
	else if (strcmp(name, "host") == 0)
		r->host = mr_str(value);
	else if (strcmp(name, "path") == 0)
		r->path = mr_str(value);
	else if (strcmp(name, "query") == 0)
		add_pair(v->query, &r->n_query, value);
	else if (strcmp(name, "header") == 0)
		add_pair(v->headers, &r->n_headers, value);
	else if (strcmp(name, "body_sha256") == 0)
		r->body_sha256 = value;
	else if (strcmp(name, "region") == 0)
		r->region = value;
	else if (strcmp(name, "service") == 0)
		r->service = value;
	else if (strcmp(name, "access") == 0)
		snprintf(creds->access_key, sizeof creds->access_key, "%s", value);
	else if (strcmp(name, "secret") == 0)
		snprintf(creds->secret_key, sizeof creds->secret_key, "%s", value);
	else if (strcmp(name, "token") == 0)
		snprintf(creds->session_token, sizeof creds->session_token, "%s", value);
	else if (strcmp(name, "time") == 0)
		r->now_us = strtoll(value, NULL, 10) * MR_US_PER_S;
	else if (strcmp(name, "target") == 0)
		v->target = value;
	else if (strcmp(name, "authorization") == 0)
		v->authorization = value;
	else
		bail("the vectors have an unknown field %s", name);
}

static struct mr_str
header(const struct mr_sigv4_signed *s, const char *name)
{
	for (size_t i = 0; i < s->n_headers; i++)
		if (strcmp(s->headers[i].name, name) == 0)
			return s->headers[i].value;
	return MR_STR_NULL;
}

static void
check(struct vector *v, const struct mr_creds *creds, struct mr_sigv4_signed *s)
{
	struct mr_error err = MR_ERROR_INIT;
	char what[200];

	v->request.query = v->query;
	v->request.headers = v->headers;
	ok(mr_sigv4_sign(&v->request, creds, s, &err) == MR_OK, "%s: is signed %s", v->name, err.text);
	snprintf(what, sizeof what, "%s: path and query", v->name);
	is_str(mr_buf_str(&s->target), v->target, what);
	snprintf(what, sizeof what, "%s: Authorization", v->name);
	is_str(header(s, "Authorization"), v->authorization, what);
	snprintf(what, sizeof what, "%s: the other headers", v->name);
	ok(mr_str_eq(header(s, "Host"), v->request.host) &&
	    mr_str_eq(header(s, "x-amz-content-sha256"), mr_str(v->request.body_sha256)) &&
	    mr_str_eq(header(s, "x-amz-security-token"), creds->session_token[0] != '\0' ?
	    mr_str(creds->session_token) : MR_STR_NULL), "%s", what);
}

static int
check_vectors(void)
{
	char *line = slurp("tests/data/sigv4/vectors.txt"), *next, *value;
	static const struct vector none;
	static struct mr_creds creds;
	struct mr_sigv4_signed s;
	struct vector v = none;
	int n = 0;

	mr_sigv4_init(&s);
	for (; line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		if (line[0] == '\0' && v.name != NULL) {
			check(&v, &creds, &s);
			v = none;
			n++;
		} else if (line[0] != '\0' && line[0] != '#') {
			if ((value = strchr(line, ' ')) == NULL)
				bail("a line of the vectors is malformed: %s", line);
			*value++ = '\0';
			take(&v, &creds, line, value);
		}
	}
	mr_sigv4_free(&s);
	return n;
}

static void
check_limits(void)
{
	static const struct mr_creds creds = { .access_key = "a", .secret_key = "s" };
	struct mr_pair many[MR_SIGV4_MAX_PAIRS + 1];
	struct mr_sigv4_request r = { .method = "GET", .host = MR_STR_LIT("h"),
		.path = MR_STR_LIT("/"), .query = many, .headers = many, .body_sha256 = "",
		.region = "r", .service = "s3" };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_sigv4_signed s;

	for (size_t i = 0; i <= MR_SIGV4_MAX_PAIRS; i++)
		many[i] = (struct mr_pair){ "n", MR_STR_LIT("v") };
	mr_sigv4_init(&s);
	r.n_query = MR_SIGV4_MAX_PAIRS;
	is_int(mr_sigv4_sign(&r, &creds, &s, &err), MR_OK, "as many parameters as there may be");
	r.n_query++;
	is_int(mr_sigv4_sign(&r, &creds, &s, &err), MR_ELIMIT, "one more");
	r.n_query = 0;
	r.n_headers = MR_SIGV4_MAX_PAIRS - 5;
	is_int(mr_sigv4_sign(&r, &creds, &s, &err), MR_OK, "as many headers as there may be");
	is_int((int64_t)s.n_headers, MR_SIGV4_MAX_PAIRS - 1, "and those that are added");
	r.n_headers++;
	is_int(mr_sigv4_sign(&r, &creds, &s, &err), MR_ELIMIT, "one more");
	mr_sigv4_free(&s);
}

static void
check_encode(void)
{
	struct mr_buf b;

	mr_buf_init(&b, 1000);
	mr_sigv4_encode(&b, MR_STR_LIT("a/b c\xff\0~"), true);
	is_str(mr_buf_str(&b), "a/b%20c%FF%00~", "slashes kept, bytes of any value");
	mr_buf_reset(&b, 1000);
	mr_sigv4_encode(&b, MR_STR_LIT("a/b"), false);
	is_str(mr_buf_str(&b), "a%2Fb", "slashes encoded");
	mr_buf_free(&b);
}

int
main(void)
{
	ok(check_vectors() >= 40, "the vectors were read");
	check_limits();
	check_encode();
	return done();
}
