// What the tracker must not do, and what must not disturb the page.

import { events, watch } from "./browser.mjs";
import { is, ok, test, until } from "./tap.mjs";

let number = 0;

const fresh = (site, more = "") => {
	site.reset(`privacy${++number}.test`, `data-disable="vitals engagement scroll" ${more}`);
	return site.id;
};

const storage = (page) => page.evaluate(() => [Object.keys(localStorage),
	Object.keys(sessionStorage), document.cookie]);

// A page on which everything is tried, without waiting for anything to be sent.
const use = async (context, site) => {
	const page = await context.newPage();
	const problems = watch(page);
	await page.goto(`${site.origin}/page`);
	await page.click("#button");
	await page.evaluate(() => {
		millrace.track("tried");
		millrace.flush();
	});
	return { page, problems };
};

// A second page that may send: what it sends comes after whatever the first one sent.
const barrier = async (browser, site) => {
	site.attributes = 'data-site="barrier.test"';
	const before = (await events("barrier.test")).length;
	const context = await browser.newContext();
	const page = await context.newPage();
	await page.goto(`${site.origin}/page`);
	await page.evaluate(() => millrace.flush());
	await until(async () => (await events("barrier.test")).length > before, "the other page's event");
	await context.close();
};

const refuses = async (context, site, browser) => {
	const { page, problems } = await use(context, site);
	is(await storage(page), [[], [], ""], "nothing is stored in the browser");
	await page.close();
	await barrier(browser, site);
	is([site.requests.length, (await events(site.id)).length], [0, 0], "nothing is sent");
	is(problems, [], "nothing on the console");
};

const cases = {
	async "Global Privacy Control"(context, site, browser) {
		fresh(site);
		await context.addInitScript(() =>
			Object.defineProperty(navigator, "globalPrivacyControl", { value: true }));
		await refuses(context, site, browser);
	},

	async "Do Not Track"(context, site, browser) {
		fresh(site);
		await context.addInitScript(() =>
			Object.defineProperty(navigator, "doNotTrack", { value: "1" }));
		await refuses(context, site, browser);
	},

	async "consent that was not given"(context, site, browser) {
		fresh(site, "data-consent=required");
		await refuses(context, site, browser);
	},

	async "consent that is given"(context, site) {
		const id = fresh(site, "data-consent=required");
		const { page } = await use(context, site);
		await page.evaluate(() => millrace.consent("granted"));
		await until(async () => (await events(id)).length >= 3, "what was held back is stored");
		is((await events(id)).map(({ type }) => type), ["pageview", "click", "tried"],
			"what was held back is stored");
		await page.goto(`${site.origin}/page?again`);
		await page.evaluate(() => millrace.flush());
		await until(async () => (await events(id)).length > 3, "the next page is noted").catch(() => {});
		is((await events(id)).map(({ type, url }) => [type, url.replace(site.origin, "")]).slice(3),
			[["pageview", "/page?again"]], "the choice is remembered");
	},

	async "a name that is given before consent"(context, site) {
		const id = fresh(site, "data-consent=required");
		const { page } = await use(context, site);
		await page.evaluate(() => millrace.identify("customer-7"));
		is(await storage(page), [[], [], ""], "is not stored in the browser");
		await page.evaluate(() => millrace.consent("granted"));
		await page.goto(`${site.origin}/page?again`);
		await page.evaluate(() => millrace.flush());
		await until(async () => (await events(id)).length === 4, "both pages are noted");
		is([...new Set((await events(id)).map(({ visitor }) => visitor))], ["customer-7"],
			"is kept from then on");
	},

	async "consent that is given again"(context, site) {
		const id = fresh(site);
		const { page } = await use(context, site);
		await until(async () => (await events(id)).length === 3, "the events are stored");
		// The timer of a batch that was thrown away must not count as the next one's.
		await page.clock.install();
		await page.evaluate(() => {
			millrace.track("thrown away");
			millrace.consent("denied");
		});
		await page.clock.runFor(5000);
		await page.evaluate(() => {
			millrace.consent("granted");
			millrace.track("after");
		});
		await page.clock.runFor(5000);
		await until(async () => (await events(id)).length > 3, "the next event").catch(() => {});
		is((await events(id)).map(({ type }) => type), ["pageview", "click", "tried", "after"],
			"the next event is sent after a while");
	},

	async "consent that is taken back"(context, site, browser) {
		const id = fresh(site);
		site.fault = () => "503";
		await context.addInitScript(() => {
			window.told = 0;
			addEventListener("storage", ({ key }) => { told += /consent/.test(key); });
		});
		const { page } = await use(context, site);
		const other = await context.newPage();
		await other.goto(`${site.origin}/page?other`);
		await until(() => page.evaluate(() => Object.keys(localStorage).some((key) =>
			key.includes("queue"))), "something waits");
		await page.evaluate(() => millrace.consent("denied"));
		// The other page hears of it, and does the same once.
		const left = JSON.stringify([[`millrace:${id}:consent`], [], ""]);
		await until(async () => JSON.stringify(await storage(page)) === left &&
			other.evaluate(() => window.told > 0), "only the choice is kept").catch(() => {});
		is(await storage(page), JSON.parse(left), "only the choice is kept");
		const sent = site.requests.length;
		site.fault = () => "ok";
		await page.evaluate(() => { millrace.track("after"); millrace.flush(); });
		await other.evaluate(() => { dispatchEvent(new Event("online")); millrace.flush(); });
		await page.reload();
		await page.evaluate(() => { millrace.track("after"); millrace.flush(); });
		await barrier(browser, site);
		is((await events(id)).length, 0, "nothing is sent any more");
		const told = await other.evaluate(() => window.told);
		ok(told > 0 && told < 10, "the tabs told each other, and are done with it", `${told} times`);
		ok(sent > 0, "it was tried before");
	},

	async "cookieless"(context, site) {
		const id = fresh(site, "data-cookieless");
		site.fault = (_, i) => i === 0 ? "503" : "ok";
		const { page, problems } = await use(context, site);
		await until(async () => (await events(id)).length >= 3, "the events are stored");
		is(await storage(page), [[], [], ""], "nothing is stored in the browser");
		is(await context.cookies(), [], "no cookie");
		const rows = await events(id);
		ok(rows.every(({ visitor }) => visitor === null), "no visitorId is sent");
		is(rows.length, 3, "a batch that failed is sent again, and stored once");
		is(problems.filter((text) => !text.includes("503")), [], "nothing else on the console");
	},

	async "the storage is forbidden"(context, site) {
		const id = fresh(site);
		await context.addInitScript(() => Object.defineProperty(window, "localStorage", {
			get() { throw new DOMException("forbidden", "SecurityError"); },
		}));
		site.fault = (_, i) => i === 0 ? "503" : "ok";
		const { problems } = await use(context, site);
		await until(async () => (await events(id)).length >= 3, "the events are stored");
		is((await events(id)).length, 3, "the events are stored, once");
		is(problems.filter((text) => !text.includes("503")), [], "nothing else on the console");
	},

	async "the storage is full"(context, site) {
		const id = fresh(site);
		await context.addInitScript(() => {
			Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
		});
		site.fault = (_, i) => i === 0 ? "503" : "ok";
		const { problems } = await use(context, site);
		await until(async () => (await events(id)).length >= 3, "the events are stored");
		is((await events(id)).length, 3, "the events are stored, once");
		is(problems.filter((text) => !text.includes("503")), [], "nothing else on the console");
	},

	async "callbacks"(context, site) {
		const id = fresh(site);
		site.head = '<script src="/config.js"></script>';
		site.files["/config.js"] = `window.millraceConfig = {
			beforeSend(event) {
				if (event.eventType === "breaks") throw new Error("in a callback");
				if (event.eventType === "unwanted") return null;
				return { ...event, url: "scrubbed" };
			},
			afterSend(body, status) {
				(window.sent ??= []).push([JSON.parse(body).events.length, status]);
				throw new Error("in a callback");
			},
		};`;
		const page = await context.newPage();
		const problems = watch(page);
		await page.goto(`${site.origin}/page`);
		await page.waitForFunction(() => !!window.millrace?.mend);
		const after = await page.evaluate(() => {
			const cycle = {};
			cycle.cycle = cycle;
			millrace.track("breaks");
			millrace.track("unwanted");
			millrace.track("cyclic", cycle);
			millrace.track("large", { n: 1n });
			millrace.track(Symbol("type"));
			millrace.push(["no such call"], 7);
			millrace.push(["track", "kept", { n: 1 }]);
			millrace.consent("perhaps");
			millrace.flush();
			return "goes on";
		});
		is(after, "goes on", "the page goes on");
		await until(async () => (await events(id)).length >= 5, "the others are stored");
		is((await events(id)).map(({ type, url }) => [type, url]),
			["pageview", "cyclic", "large", "Symbol(type)", "kept"].map((type) => [type, "scrubbed"]),
			"beforeSend changes and drops events");
		is(await page.evaluate(() => window.sent), [[5, 200]], "afterSend is told");
		is(problems, [], "nothing on the console");
	},

	async "a page that breaks what the tracker needs"(context, site) {
		fresh(site);
		await context.addInitScript(() => {
			window.fetch = () => 7;
			window.AbortSignal = undefined;
			navigator.sendBeacon = () => { throw new Error("broken"); };
			Object.defineProperty(navigator, "locks", { value: { request: () => Promise.reject(1) } });
		});
		const { page, problems } = await use(context, site);
		await page.goto(`${site.origin}/page?next`);
		await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
		is(problems, [], "nothing on the console");
	},

	async "a strict Content-Security-Policy"(context, site) {
		const id = fresh(site);
		site.attributes = `data-site="${id}" data-errors`;
		site.headers = { "Content-Security-Policy":
			"default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:" };
		const { page, problems } = await use(context, site);
		await page.waitForFunction(() => window.millrace.beforeLeave);
		await page.click("#next");
		await page.waitForURL("**/page?next");
		await until(async () => (await events(id, "event_type = 'web_vitals'")).length,
			"the vitals are stored");
		const types = new Set((await events(id)).map(({ type }) => type));
		ok(types.has("pageview") && types.has("click") && types.has("web_vitals"), "all is sent");
		is(problems, [], "nothing is blocked");
	},

	async "the script is there twice"(context, site) {
		const id = fresh(site);
		site.head = `<script defer src="/js/tracking.js?copy" data-site="${id}"></script>`;
		const { page } = await use(context, site);
		await until(async () => (await events(id)).length >= 3, "the events are stored");
		await page.evaluate(() => { millrace.track("last"); millrace.flush(); });
		await until(async () => (await events(id)).some(({ type }) => type === "last"), "the last one");
		is((await events(id)).map(({ type }) => type), ["pageview", "click", "tried", "last"],
			"everything is noted once");
	},
};

export default async (browser, site, name = "") => {
	for (const [title, work] of Object.entries(cases)) {
		await test(name + title, async () => {
			const context = await browser.newContext();
			try {
				await work(context, site, browser);
			} finally {
				await context.close();
			}
		});
	}
};
