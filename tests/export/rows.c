/* Rows from a seed: see rows.h. */
#include "rows.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define START_US INT64_C(1750593600000000) /* 2025-06-22T12:00:00Z */
#define MAX_TEXT 4096

uint64_t
rows_below(struct rows *r, uint64_t n)
{
	/* splitmix64 */
	uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % n;
}

static void *
need(void *p)
{
	if (p != NULL)
		return p;
	fprintf(stderr, "no memory for the rows\n");
	exit(99);
}

struct mr_str
rows_text(struct rows *r, const char *fmt, ...)
{
	char text[MAX_TEXT];
	struct mr_str s;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	s = mr_arena_dup(&r->arena, mr_str(text));
	need((void *)(uintptr_t)s.p);
	return s;
}

void
rows_plain(struct rows *r, size_t n, uint64_t seed)
{
	*r = (struct rows){ .n = n, .random = seed };
	mr_arena_init(&r->arena, SIZE_MAX / 2);
	r->row = need(mr_arena_array(&r->arena, n + 1, sizeof *r->row));
	memset(r->row, 0, (n + 1) * sizeof *r->row);
	for (size_t i = 0; i < n; i++) {
		struct mr_export_row *row = &r->row[i];

		row->id = (int64_t)i + 1;
		row->created_us = row->event.received_us = row->event.event_us = START_US;
		row->event.site_id = MR_STR_LIT("s");
		row->event.event_type = MR_STR_LIT("t");
		row->event.payload = MR_STR_LIT("{}");
	}
}

void
rows_free(struct rows *r)
{
	mr_arena_free(&r->arena);
}

#define PICK(r, table) ((table)[rows_below((r), sizeof(table) / sizeof((table)[0]))])

static const char *const paths[] = { "/", "/schuhe/wanderschuhe-für-damen", "/checkout/shipping",
	"/blog/2026/how-to-choose-a-tent", "/search?q=sleeping+bag&sort=price", "/cart",
	"/account/orders", "/product/4711-trail-runner" };
static const char *const titles[] = { "Start", "Wanderschuhe für Damen | Größe 36–43",
	"Versand und Zahlung", "How to choose a tent", "Search: sleeping bag", "Cart" };
static const char *const referrers[] = { "https://www.google.com/", "",
	"https://duckduckgo.com/?q=tent", "https://news.example.org/outdoor/gear-of-the-year" };
static const char *const agents[] = {
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/%" PRIu64 ".0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_%" PRIu64 " like Mac OS X) AppleWebKit/605.1.15 "
	"(KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (X11; Linux x86_64; rv:%" PRIu64 ".0) Gecko/20100101 Firefox/128.0",
	"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/%" PRIu64 ".0.0.0 Mobile Safari/537.36" };
static const char *const sites[] = { "shop.example.com", "www.example.org", "blog.example.net" };

enum { SHAPES = 10 };
static const char *const types[SHAPES] = { "pageview", "click", "scroll", "add_to_cart", "search",
	"form_submit", "video_progress", "web_vitals", "error", "batch" };

/* What is particular to each type. */
static struct mr_str
event_data(struct rows *r, size_t shape)
{
	uint64_t a = rows_below(r, 1000), b = rows_below(r, 60000);

	switch (shape) {
	case 0:
		return rows_text(r, "{\"loadTimeMs\":%" PRIu64 ",\"campaign\":\"autumn-sale\","
		    "\"utm\":{\"medium\":\"email\",\"source\":\"newsletter\"},\"returning\":%s}", b,
		    a % 2 ? "true" : "false");
	case 1:
		return rows_text(r, "{\"x\":%" PRIu64 ",\"y\":%" PRIu64 ",\"text\":\"Add to cart\","
		    "\"button\":0,\"element\":\"button#add-to-cart-%" PRIu64 "\"}", a, b, a);
	case 2:
		return rows_text(r, "{\"depth\":%" PRIu64 ",\"maxDepth\":100,\"direction\":\"down\","
		    "\"elapsedMs\":%" PRIu64 "}", a % 100, b);
	case 3:
		return rows_text(r, "{\"sku\":\"SKU-%06" PRIu64 "\",\"name\":\"Zelt \\\"Alpin\\\" 2P\","
		    "\"price\":%" PRIu64 ".99,\"currency\":\"EUR\",\"quantity\":1}", b, a);
	case 4:
		return rows_text(r, "{\"query\":\"sleeping bag %" PRIu64 "\",\"results\":%" PRIu64 ","
		    "\"filters\":[\"price\",\"size\",\"colour\"]}", a % 50, a);
	case 5:
		return rows_text(r, "{\"form\":\"newsletter\",\"fields\":3,\"valid\":true,"
		    "\"durationMs\":%" PRIu64 "}", b);
	case 6:
		return rows_text(r, "{\"video\":\"how-to-pitch-%" PRIu64 "\",\"percent\":%" PRIu64 ","
		    "\"muted\":false,\"quality\":\"1080p\"}", a % 20, b % 100);
	case 7:
		return rows_text(r, "{\"cls\":0.%03" PRIu64 ",\"fcp\":%" PRIu64 ",\"inp\":%" PRIu64 ","
		    "\"lcp\":%" PRIu64 ",\"ttfb\":%" PRIu64 "}", a, b / 20, a / 4, b / 15, a);
	case 8:
		return rows_text(r, "{\"line\":%" PRIu64 ",\"stack\":\"TypeError: x is undefined\\n    at "
		    "app.js:%" PRIu64 ":17\\n    at main.js:1:2\",\"message\":\"x is undefined\"}", a, b);
	default:
		return rows_text(r, "{\"count\":%" PRIu64 ",\"sent\":\"visibilitychange\"}", a % 30);
	}
}

static void
fill(struct rows *r, struct mr_export_row *row, size_t i)
{
	struct mr_event *e = &row->event;
	size_t shape = rows_below(r, SHAPES);
	/* Ten events a visit, and so many visits at a time as a busy site has. */
	uint64_t visitor = i / 10 + rows_below(r, 2300), width = 360 + rows_below(r, 5) * 300;
	const char *path = PICK(r, paths);

	row->id = (int64_t)(100000000 + i);
	row->created_us = START_US + (int64_t)(i / 10) * 997;
	e->received_us = row->created_us - (int64_t)rows_below(r, 5000);
	e->event_us = e->received_us / 1000 * 1000 - (int64_t)rows_below(r, 4000) * 1000;
	e->site_id = mr_str(PICK(r, sites));
	e->event_type = mr_str(types[shape]);
	e->session_id = rows_text(r, "sess_%012" PRIx64, visitor * UINT64_C(0x9e3779b97f4b));
	e->visitor_id = rows_text(r, "vis_%016" PRIx64, visitor * UINT64_C(0x9e3779b97f4a7c15));
	e->client_ip = (struct mr_ip){ 4, { 10, (uint8_t)(visitor >> 16), (uint8_t)(visitor >> 8),
	    (uint8_t)visitor } };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	e->user_agent = rows_text(r, agents[visitor % 4], UINT64_C(100) + visitor % 40);
#pragma GCC diagnostic pop
	e->payload = rows_text(r, "{\"url\":\"https://%.*s%s\",\"path\":\"%s\",\"title\":\"%s\","
	    "\"screen\":{\"width\":%" PRIu64 ",\"height\":900},\"siteId\":\"%.*s\","
	    "\"language\":\"de-DE\",\"referrer\":\"%s\",\"eventData\":%s,\"eventType\":\"%s\","
	    "\"sessionId\":\"%s\",\"timestamp\":\"2025-06-22T12:%02" PRIu64 ":%02" PRIu64
	    ".%03" PRIu64 "Z\",\"visitorId\":\"%s\"}", (int)e->site_id.n, e->site_id.p, path, path,
	    PICK(r, titles), width, (int)e->site_id.n, e->site_id.p, PICK(r, referrers),
	    event_data(r, shape).p, types[shape], e->session_id.p, rows_below(r, 60),
	    rows_below(r, 60), rows_below(r, 1000), e->visitor_id.p);
}

void
rows_realistic(struct rows *r, size_t n, uint64_t seed)
{
	rows_plain(r, n, seed);
	for (size_t i = 0; i < n; i++)
		fill(r, &r->row[i], i);
}
