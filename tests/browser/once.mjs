// 10,000 events through everything that may go wrong between a visitor and the
// server: each has a number of its own, and in the end PostgreSQL has each once.

import { query } from "./browser.mjs";
import { diag, is, ok, test, until } from "./tap.mjs";

const TOTAL = 10000;
// In an image's address eventData is JSON in a string, hence the text.
const ROWS = `SELECT
	substring(payload->>'eventData' from '"(?:i|name)": ?"?(-?\\d+)')::int AS number
	FROM events WHERE site_id LIKE 'once%.test' AND event_type IN ('numbered', 'click')`;

let issued = 0; // numbers below it are given out
let number = 0; // of the part: each is about a site of its own

const open = async (context, site) => {
	const page = await context.newPage();
	await page.goto(`${site.origin}/page`);
	return page;
};

const track = (page, first, end) => page.evaluate(([from, to]) => {
	for (let i = from; i < to; i++) millrace.track("numbered", { i });
	millrace.flush();
}, [first, end]);

const issue = (page, n) => track(page, issued, issued += n);

const click = async (page) => {
	await page.evaluate((i) => { document.getElementById("button").dataset.track = i; }, issued++);
	await page.click("#button");
};

// One request in `every` goes wrong, in turn in each of these ways.
const sometimes = (every, ...faults) => (_, i) =>
	i % every === 1 ? faults[Math.floor(i / every) % faults.length] : "ok";

// What a request carries, by which another attempt at it is known.
const load = ({ method, url, body }) => method === "POST" ? JSON.stringify(JSON.parse(body).events)
	: new URL(url, "http://x").searchParams.get("eventData");

// Whether each batch that was tried has got through, and no request is under way.
const quiet = (site) => {
	const done = new Set(site.requests.filter(({ outcome }) => outcome === "ok").map(load));
	return site.open === 0 && site.requests.every((request) => done.has(load(request)));
};

// name: faults that must have been met, and what is done with a context of its own.
const parts = {
	"tabs closed right after a click": [["503", "cut"], async (context, site) => {
		site.fault = sometimes(4, "503", "cut");
		for (let i = 0; i < 40; i++) {
			const page = await open(context, site);
			await issue(page, 4);
			await click(page);
			await page.close({ runBeforeUnload: true });
		}
		await open(context, site); // what the last one could not send
	}],

	"offline for a while, then online": [[], async (context, site) => {
		const page = await open(context, site);
		for (let i = 0; i < 3; i++) {
			await context.setOffline(true);
			await issue(page, 500);
			is(site.requests.length, i * 50, "nothing is sent");
			await context.setOffline(false);
			await until(() => stored(site), "what waited is stored");
		}
	}],

	"503, then well": [["503"], async (context, site) => {
		site.fault = (_, i) => i < 3 ? "503" : "ok";
		await issue(await open(context, site), 1000);
	}],

	"answers lost after the commit": [["cut"], async (context, site) => {
		site.fault = sometimes(12, "cut");
		await issue(await open(context, site), 1500);
	}],

	"two tabs, one of which is closed": [["503", "cut", "drop"], async (context, site) => {
		site.fault = sometimes(20, "cut", "503", "drop");
		const [one, two] = [await open(context, site), await open(context, site)];
		await Promise.all([issue(one, 700), issue(two, 700)]);
		await until(() => stored(site), "what both have issued");
		site.fault = () => "503";
		await issue(one, 100);
		await until(() => one.evaluate(() => Object.keys(localStorage)
			.filter((key) => key.includes(":queue:")).length === 10), "ten batches wait");
		await one.close({ runBeforeUnload: true });
		site.fault = () => "ok";
		await open(context, site);
	}],

	"storage blocked": [["503", "cut", "drop"], async (context, site) => {
		site.before(() => Object.defineProperty(window, "localStorage", {
			get() { throw new DOMException("forbidden", "SecurityError"); },
		}));
		site.fault = sometimes(20, "cut", "503", "drop");
		await issue(await open(context, site), 1000);
	}],

	"1,000 quick events": [[], async (context, site) => {
		await issue(await open(context, site), 1000);
	}],

	"a strict Content-Security-Policy": [["cut", "drop"], async (context, site) => {
		site.headers = { "Content-Security-Policy":
			"default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:" };
		site.fault = sometimes(20, "cut", "drop");
		await issue(await open(context, site), 1000);
	}],

	"a policy under which only images are left": [["cut"], async (context, site) => {
		site.headers = { "Content-Security-Policy":
			"default-src 'none'; script-src 'self'; img-src 'self' data:" };
		site.fault = (_, i) => i === 7 ? "cut" : "ok";
		await issue(await open(context, site), 300);
	}],

	"Global Privacy Control, then consent": [[], async (context, site) => {
		site.before(() => Object.defineProperty(navigator, "globalPrivacyControl", { value: true }));
		const page = await open(context, site);
		await track(page, -100, 0); // nobody may ever see these
		await page.evaluate(() => millrace.consent("granted"));
		await issue(page, 100);
	}],

	"everything at once": [["503", "cut", "drop"], async (context, site) => {
		site.fault = sometimes(8, "503", "cut", "drop");
		const pages = await Promise.all([0, 1, 2, 3].map(() => open(context, site)));
		await Promise.all(pages.map((page) => issue(page, 220)));
		await context.setOffline(true);
		await context.setOffline(false);
		await until(() => stored(site), "what they have issued");
		for (const page of pages) {
			await issue(page, 5);
			await page.close({ runBeforeUnload: true });
		}
		await open(context, site);
	}],
};

// Whether all that was issued until now is there, and nothing is under way.
const stored = async (site) => quiet(site) &&
	(await query(`SELECT count(DISTINCT number)::int AS n FROM (${ROWS}) AS r`))[0].n >= issued;

const run = async (browser, site, [faults, work]) => {
	site.reset(`once${++number}.test`, 'data-disable="pageview vitals engagement scroll"');
	site.retryAfter = "0";
	const context = await browser.newContext();
	const before = issued;
	try {
		await work(context, site);
		await until(() => stored(site), "what was issued is stored");
	} finally {
		await context.close();
	}
	const met = new Set(site.requests.map(({ outcome }) => outcome));
	is(faults.filter((fault) => !met.has(fault)), [], `${issued - before} events` +
		(faults.length ? ", and every fault was met" : ""));
};

// The first few of the numbers that are not there exactly once.
const compare = (rows) => {
	const times = new Map();
	for (const { number } of rows) times.set(number, (times.get(number) ?? 0) + 1);
	const missing = Array.from({ length: issued }, (_, i) => i).filter((i) => !times.has(i));
	const twice = [...times.keys()].filter((number) => times.get(number) > 1);
	const strange = [...times.keys()].filter((number) => !(number >= 0 && number < issued));
	diag(`${issued} issued, ${rows.length} rows: ${missing.length} missing, ` +
		`${twice.length} more than once, ${strange.length} that nobody issued`);
	return { missing: missing.slice(0, 9), twice: twice.slice(0, 9), strange: strange.slice(0, 9) };
};

export default async (browser, site) => {
	for (const [name, part] of Object.entries(parts))
		await test(`10,000 events: ${name}`, () => run(browser, site, part));
	await test("10,000 events", async () => {
		is(issued, TOTAL, "were issued");
		const rows = await query(ROWS);
		ok(rows.length === TOTAL, "are stored", `${rows.length} rows`);
		is(compare(rows), { missing: [], twice: [], strange: [] }, "each once");
	});
};
