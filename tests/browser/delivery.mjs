// What the tracker sends arrives, and once, whatever happens on the way.

import { events, query } from "./browser.mjs";
import { is, ok, test, until } from "./tap.mjs";
import { setHidden } from "./capture.mjs";

let number = 0;

// A site of its own for each case: its events are counted by themselves.
const fresh = (site, more = "") => {
	site.reset(`delivery${++number}.test`,
		`data-disable="pageview vitals engagement scroll" ${more}`);
	return site.id;
};

const open = async (context, site, path = "/page") => {
	const page = await context.newPage();
	await page.goto(site.origin + path);
	return page;
};

// Tracks n events that know their numbers.
const track = (page, n, first = 0) => page.evaluate(([from, to]) => {
	for (let i = from; i < to; i++) millrace.track("numbered", { i });
	millrace.flush();
}, [first, first + n]);

// In an image's address eventData is JSON in a string, hence the text.
const count = async (id) => (await query(`SELECT count(*)::int AS rows,
	count(DISTINCT substring(payload->>'eventData' from '"i": ?"?(\\d+)'))::int AS numbers FROM events
	WHERE site_id = '${id}' AND event_type = 'numbered'`))[0];

const stored = async (id, n, name) => {
	await until(async () => (await count(id)).numbers >= n, `${n} events are stored`).catch(() => {});
	is(await count(id), { rows: n, numbers: n }, name);
};

// Whether nothing waits in the page's storage any more.
const storageKeys = (page) => page.evaluate(() => Object.keys(localStorage)
	.filter((key) => key.includes(":queue:")));

// [characters, events] of each batch that waits in the storage.
const waiting = (page) => page.evaluate(() => Object.entries(localStorage)
	.filter(([key]) => key.includes(":queue:"))
	.map(([, value]) => [value.length, JSON.parse(value.replace(/^\S+ /, "")).events.length]));
const settled = (page) => until(async () => !(await storageKeys(page)).length, "nothing waits");

const cases = {
	async "closed right after a click"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await page.click("#button");
		await page.close({ runBeforeUnload: true });
		await until(async () => (await events(id)).length, "the click is stored").catch(() => {});
		is((await events(id)).map(({ data }) => data.name), ["buy"], "the click is stored");
	},

	async "left by a link"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await page.click("#next");
		await page.waitForURL("**/page?next");
		await until(() => site.requests.length > 1, "the next page sends it again");
		await settled(page);
		const rows = await events(id);
		is(rows.map(({ type }) => type), ["click"], "the click is stored once");
		const ids = site.batches().map(({ batchId }) => batchId);
		is([ids.length, new Set(ids).size], [2, 1], "sent as the page went, and by the next one");
	},

	async "left while a batch is on its way"(context, site) {
		const id = fresh(site);
		site.fault = (_, i) => i === 0 ? "hold" : "ok";
		const page = await open(context, site);
		await track(page, 3);
		await until(() => site.requests.length, "the batch is on its way");
		await page.click("#next");
		await page.waitForURL("**/page?next");
		await stored(id, 3, "the next page sends it, without waiting for the one that was left");
	},

	async "closed while the server is down"(context, site) {
		const id = fresh(site);
		site.fault = () => "503";
		const page = await open(context, site);
		await page.click("#next");
		await page.waitForURL("**/page?next");
		site.fault = () => "ok";
		await until(async () => (await events(id)).length, "the click is stored").catch(() => {});
		is((await events(id)).length, 1, "the click is stored");
	},

	async "offline for a while"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await context.setOffline(true);
		await track(page, 25);
		await until(async () => (await storageKeys(page)).length === 3, "three batches wait");
		is(site.requests.length, 0, "nothing is sent");
		await context.setOffline(false);
		await stored(id, 25, "all are stored");
		await settled(page);
	},

	async "server answers 503, then well"(context, site) {
		const id = fresh(site);
		site.retryAfter = "2";
		site.fault = (_, i) => i < 2 ? "503" : "ok";
		const page = await open(context, site);
		await track(page, 5);
		await stored(id, 5, "all are stored");
		const [first, second, third] = site.requests.map(({ at }) => at);
		ok(second - first >= 2000 && third - second >= 2000, "Retry-After is honoured",
			`${second - first} ms, ${third - second} ms`);
		is(new Set(site.batches().map(({ batchId }) => batchId)).size, 1, "under one batchId");
	},

	async "a collector of another origin"(context, site) {
		const other = site.origin.replace("127.0.0.1", "localhost");
		const id = fresh(site, `data-endpoint="${other}/collect"`);
		site.retryAfter = "2";
		site.fault = (_, i) => i < 1 ? "503" : "ok";
		const page = await open(context, site);
		await track(page, 5);
		await stored(id, 5, "all are stored");
		const [first, second] = site.requests.map(({ at }) => at);
		ok(second - first >= 2000, "Retry-After is honoured", `${second - first} ms`);
		await page.click("#button");
		await page.close({ runBeforeUnload: true });
		await until(async () => (await events(id)).length === 6, "the click is stored").catch(() => {});
		is((await events(id)).length, 6, "a beacon arrives as well");
	},

	async "backs off"(context, site) {
		const id = fresh(site);
		site.retryAfter = "0";
		site.fault = (_, i) => i < 3 ? "503" : "ok";
		const page = await open(context, site);
		await track(page, 1);
		await stored(id, 1, "it is stored");
		const at = site.requests.map((request) => request.at);
		for (let i = 0; i < 3; i++)
			ok(at[i + 1] - at[i] >= 500 * 2 ** i, `pause ${i + 1} has grown`, `${at[i + 1] - at[i]} ms`);
	},

	async "answer lost after the commit"(context, site) {
		const id = fresh(site);
		site.fault = (_, i) => i < 2 ? "cut" : "ok";
		const page = await open(context, site);
		await track(page, 10);
		await until(() => site.requests.length === 3, "three attempts");
		await settled(page);
		is(await count(id), { rows: 10, numbers: 10 }, "stored once");
		is(new Set(site.batches().map(({ batchId }) => batchId)).size, 1, "under one batchId");
	},

	async "refused for good"(context, site) {
		const id = fresh(site);
		// The first batch, and then each of its events.
		site.fault = (_, i) => i === 1 ? "ok" : "400";
		const page = await open(context, site);
		await track(page, 20);
		await until(async () => (await count(id)).rows === 10, "the second batch is stored");
		await until(() => site.requests.length === 12, "what was refused is tried one by one");
		site.fault = () => "ok";
		await track(page, 1, 20);
		await stored(id, 11, "what is refused holds nothing up");
		is(site.requests.length, 13, "and is not tried again");
	},

	async "asked to slow down"(context, site) {
		const id = fresh(site);
		site.fault = (_, i) => i === 0 ? "429" : "ok";
		const page = await open(context, site);
		await track(page, 1);
		await stored(id, 1, "it is sent again");
	},

	async "two tabs"(context, site) {
		const id = fresh(site);
		const [one, two] = [await open(context, site), await open(context, site)];
		await Promise.all([track(one, 40), track(two, 40, 40)]);
		await stored(id, 80, "all of both are stored");
		site.fault = () => "503";
		await track(one, 30, 80);
		await until(async () => (await storageKeys(two)).length === 3, "three batches wait");
		await one.close({ runBeforeUnload: true });
		site.fault = () => "ok";
		const third = await open(context, site);
		await stored(id, 110, "what a closed tab left is sent by another");
		await settled(third);
		is(await count(id), { rows: 110, numbers: 110 }, "once");
	},

	async "what a live tab waits with is its own"(context, site) {
		const id = fresh(site);
		site.fault = () => "503";
		site.retryAfter = "3";
		const one = await open(context, site);
		await track(one, 1);
		await until(async () => (await storageKeys(one)).length, "it waits");
		const tried = site.requests.length;
		await open(context, site, "/page?two");
		site.fault = () => "ok";
		await stored(id, 1, "its tab sends it");
		is(site.requests.slice(tried).filter(({ referer }) => /two/.test(referer)).length, 0,
			"another tab leaves it alone");
	},

	async "1,000 quick events"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await track(page, 1000);
		await stored(id, 1000, "all are stored");
		is(site.requests.length, 100, "in 100 requests");
	},

	async "maxBatchSize"(context, site) {
		const id = fresh(site, "data-max-batch-size=4");
		const page = await open(context, site);
		await track(page, 10);
		await stored(id, 10, "all are stored");
		is(site.batches().map(({ events }) => events.length), [4, 4, 2], "in batches of that size");
	},

	async "large events"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await page.evaluate(() => {
			for (let i = 0; i < 8; i++) millrace.track("numbered", { i, text: "ä".repeat(6000) });
			millrace.track("numbered", { i: 8, text: "x".repeat(70000) });
			millrace.flush();
		});
		await stored(id, 9, "all, and one that is too large is cut");
		ok(site.requests.every(({ body }) => Buffer.byteLength(body) < 60000), "below 60 KB each");
	},

	async "by age"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await page.evaluate(() => millrace.track("numbered", { i: 0 }));
		await stored(id, 1, "a batch that does not fill up is sent");
	},

	async "hidden"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		// No time passes in the page, so that nothing is sent because of its age.
		await page.clock.install();
		await page.clock.pauseAt(Date.now() + 60000);
		await page.evaluate(() => millrace.track("numbered", { i: 0 }));
		await setHidden(page, true);
		await until(() => site.requests.length, "it is sent at once");
		await settled(page);
		await setHidden(page, false);
		is([site.requests.length, await count(id)], [1, { rows: 1, numbers: 1 }], "and once");
	},

	async "at most 100 events wait in the storage"(context, site) {
		const id = fresh(site);
		site.fault = () => "503";
		const page = await open(context, site);
		await track(page, 300);
		await setHidden(page, true);
		is((await waiting(page)).reduce((sum, [, n]) => sum + n, 0), 100, "100 of 300");
		site.fault = () => "ok";
		await stored(id, 300, "the page itself sends all of them");
	},

	async "at most 50 KB wait in the storage"(context, site) {
		const id = fresh(site);
		site.fault = () => "503";
		const page = await open(context, site);
		await page.evaluate(() => {
			for (let i = 0; i < 60; i++) millrace.track("numbered", { i, text: "x".repeat(1500) });
		});
		await setHidden(page, true);
		const size = (await waiting(page)).reduce((sum, [length]) => sum + length, 0);
		ok(size > 30000 && size < 50100, "close to the bound", `${size}`);
		site.fault = () => "ok";
		await stored(id, 60, "the page itself sends all of them");
	},

	async "what is found in the storage"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		const body = (name) => JSON.stringify({ eventType: "batch", batchId: name, siteId: id,
			events: [{ eventType: "numbered", eventData: { i: name } }] });
		await page.evaluate(([site, good, late, taken]) => {
			const start = `millrace:${site}:queue:`;
			const now = Date.now();
			localStorage[`${start}${now - 1000}.1.good`] = "0 " + good;
			localStorage[`${start}${now - 25 * 3600e3}.1.late`] = "0 " + late;
			localStorage[`${start}${now - 1000}.1.taken`] = now + 50000 + " " + taken;
			localStorage[`${start}nonsense`] = "nonsense";
			localStorage["somebody's"] = "own";
		}, [id, body("good"), body("late"), body("taken")]);
		await page.reload();
		await until(async () => (await count(id)).rows, "what was left is stored");
		is((await events(id)).map(({ data }) => data.i), ["good"], "and nothing else");
		const keys = () => page.evaluate(() => Object.keys(localStorage).sort());
		await until(async () => !(await keys()).some((key) => /good/.test(key)), "its key is gone");
		const left = await keys();
		is(left.filter((key) => /late|nonsense/.test(key)), [], "what is old or broken is gone");
		is(left.filter((key) => /taken|somebody/.test(key)).length, 2, "what others have is left");
	},

	async "no Web Locks"(context, site) {
		const id = fresh(site);
		site.before(() => Object.defineProperty(navigator, "locks", { value: undefined }));
		site.fault = () => "503";
		const page = await open(context, site);
		await track(page, 20);
		await until(async () => (await storageKeys(page)).length === 2, "two batches wait");
		await page.close({ runBeforeUnload: true });
		site.fault = () => "ok";
		const [one] = await Promise.all([open(context, site), open(context, site)]);
		await stored(id, 20, "all are stored");
		await settled(one);
		is(await count(id), { rows: 20, numbers: 20 }, "once");
	},

	async "no fetch allowed"(context, site) {
		const id = fresh(site);
		site.headers = { "Content-Security-Policy":
			"default-src 'none'; script-src 'self'; img-src 'self'; style-src 'self'" };
		const page = await open(context, site);
		await track(page, 12);
		await stored(id, 12, "each event is an image");
		is([...new Set(site.requests.map(({ method }) => method))], ["GET"], "and only that");
		await settled(page);
	},
};

export default async (browser, site, name = "") => {
	for (const [title, work] of Object.entries(cases)) {
		await test(name + title, async () => {
			const context = await browser.newContext();
			try {
				await work(context, site);
			} finally {
				await context.close();
			}
		});
	}
};
