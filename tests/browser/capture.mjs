// What the tracker notes, and what of it arrives in PostgreSQL.

import { events, query, watch } from "./browser.mjs";
import { is, ok, test, until } from "./tap.mjs";

// Makes the page believe that it is hidden, or visible again.
export const setHidden = (page, hidden) => page.evaluate((value) => {
	Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
	document.dispatchEvent(new Event("visibilitychange"));
}, hidden);

const KINDS = ["pageview", "click", "download", "outbound", "scroll", "form_focus", "form_submit",
	"engagement", "web_vitals", "error", "signup", "early"];

const visit = async (page) => {
	await page.mouse.move(10, 10);
	await page.click("#inside");
	await page.click("#button");
	await page.click("#file");
	await page.click("#outside");
	await page.fill("#email", "visitor@secret.test");
	await page.fill("[name=secret]", "hunter2");
	await page.fill("textarea", "a private text");
	await page.click("#send");
	await page.evaluate(() => history.pushState({}, "", "/page/second"));
	await page.evaluate(() => history.replaceState({}, "", "/page/third"));
	await page.evaluate(() => history.replaceState({ same: 1 }, "", "/page/third"));
	await page.evaluate(() => millrace.track("signup", { plan: "pro" }));
	await page.evaluate(() => setTimeout(() => { throw new Error("broken on purpose"); }));
	await page.evaluate(() => { Promise.reject(new Error("rejected on purpose")); });
	for (const y of [0.3, 0.6, 1])
		await page.evaluate((part) => scrollTo(0, part * document.body.scrollHeight), y);
};

const kinds = (browser, site, name) => test(`${name}what is noted`, async () => {
	const id = `kinds${name}.test`.replace(": ", "");
	site.reset(id, "data-errors");
	site.head = '<script src="/early.js"></script>';
	site.files["/early.js"] = '(window.millrace ??= []).push(["track", "early", { first: true }]);';
	const context = await browser.newContext();
	const page = await context.newPage();
	// Neither may leave the page, but as far as the page can tell they do.
	site.before(() => {
		addEventListener("submit", (event) => event.preventDefault());
		addEventListener("click", (event) => {
			if (event.target.id === "outside") event.preventDefault();
		});
	});
	await page.goto(`${site.origin}/page?utm_source=x`);
	await page.waitForFunction(() => !!window.millrace?.mend);
	await visit(page);
	// Less than a second on a page is not told; and time counts when something happens after it.
	const start = await page.evaluate(() => performance.now());
	await page.waitForFunction((from) => performance.now() > from + 1100, start);
	await page.mouse.move(20, 20);
	await until(() => page.evaluate(() => scrollY > 0), "the page is scrolled");
	await setHidden(page, true);
	const rows = await until(async () => {
		const found = await events(id);
		return KINDS.every((kind) => found.some(({ type }) => type === kind)) && found;
	}, "every kind of event is stored").catch(() => events(id));
	is(KINDS.filter((kind) => !rows.some(({ type }) => type === kind)), [], "every kind is stored");
	const of = (kind) => rows.filter(({ type }) => type === kind);

	is(of("pageview").map(({ url }) => url.replace(site.origin, "")),
		["/page?utm_source=x", "/page/second", "/page/third"],
		"page views, also by pushState and replaceState");
	is(of("pageview")[1].data.referrer, `${site.origin}/page?utm_source=x`,
		"a page's referrer is the page before");
	is(of("pageview")[0].data.title, "Test page", "title");
	is(of("click").map(({ data }) => [data.name ?? null, data.text]),
		[[null, "inside"], ["buy", "Buy"]], "clicks");
	is(of("download").map(({ data }) => data.href), [`${site.origin}/files/paper.pdf`], "download");
	is(of("outbound").map(({ data }) => data.href), ["http://other.test/there"], "outbound link");
	is(of("scroll").filter(({ url }) => url.endsWith("third")).map(({ data }) => data.depth),
		[25, 50, 75, 100], "scroll depths");
	is(of("form_focus").map(({ data }) => [data.form, data.field]),
		[["contact", "email"], ["contact", "secret"], ["contact", "text"]],
		"fields that were focused, once each");
	is(of("form_submit").map(({ data }) => data),
		[{ form: "contact", fields: ["email", "secret", "text", "id"] }], "names of the fields sent");
	is(of("signup").map(({ data }) => data), [{ plan: "pro" }], "millrace.track");
	is(of("early").map(({ data }) => data), [{ first: true }], "a call from before it loaded");
	is(of("error").map(({ data }) => [data.kind, data.message]).sort(),
		[["error", "broken on purpose"], ["rejection", "rejected on purpose"]], "errors");
	ok(of("engagement").reduce((sum, { data }) => sum + data.seconds, 0) >= 1, "engaged time");
	const vitals = of("web_vitals")[0]?.data ?? {};
	const kinds = await page.evaluate(() => PerformanceObserver.supportedEntryTypes);
	const expected = [["lcp", "largest-contentful-paint"], ["fcp", "paint"], ["cls", "layout-shift"],
		["ttfb", "navigation"]].filter(([, kind]) => kinds.includes(kind)).map(([name]) => name);
	ok(expected.length >= 2 && expected.every((name) => vitals[name] >= (/lcp|fcp/.test(name) ? 1 : 0)),
		`web vitals: ${expected.join(", ")}`, JSON.stringify(vitals));

	const text = JSON.stringify(rows);
	ok(!/secret\.test|hunter2|private/.test(text), "no value of a form is stored");
	is([...new Set(rows.map(({ session }) => session))].length, 1, "one session");
	ok(/^sess_\d+$/.test(rows[0].session) && /^vis_\d+$/.test(rows[0].visitor), "ids");
	is(await query(`SELECT count(*)::int AS n FROM events e WHERE site_id = '${id}' AND
		event_type = 'batch' AND NOT payload::jsonb ? 'batchId'`), [{ n: 0 }], "each batch has its batchId");
	is(await page.evaluate(() => document.cookie), "", "no cookie");
	if (context.cookies) is(await context.cookies(), [], "none that scripts cannot see either");
	await context.close();
});

const identities = (browser, site, name) => test(`${name}who`, async () => {
	const id = `who${name}.test`.replace(": ", "");
	site.reset(id, 'data-disable="pageview vitals engagement"');
	const context = await browser.newContext();
	const page = await context.newPage();
	// Chromium's page alone tells what is on its console.
	const problems = page.on ? watch(page) : [];
	await page.goto(`${site.origin}/page`);
	await page.evaluate(() => {
		millrace.track("anonymous");
		millrace.identify("customer-7");
		millrace.track("known");
		millrace.flush();
	});
	const second = await context.newPage();
	await second.goto(`${site.origin}/page`);
	await second.evaluate(() => { millrace.track("elsewhere"); millrace.flush(); });
	const rows = await until(async () => (await events(id)).length === 3 && events(id), "3 events");
	const who = Object.fromEntries(rows.map(({ type, visitor }) => [type, visitor]));
	ok(/^vis_/.test(who.anonymous), "a random visitor at first");
	is([who.known, who.elsewhere], ["customer-7", "customer-7"], "then the one that was named");
	is(new Set(rows.map(({ session }) => session)).size, 1, "tabs share the session");
	is(rows.map(({ type }) => type).sort(), ["anonymous", "elsewhere", "known"],
		"kinds that are disabled are not noted");
	is(problems, [], "nothing on the console");
	await context.close();
});

const prefix = (browser, site, name) => test(`${name}below a prefix`, async () => {
	site.reset();
	const context = await browser.newContext();
	const page = await context.newPage();
	await page.goto(`${site.origin}/t/page`);
	await until(() => site.requests.length, "a request");
	is(site.requests[0].url, "/t/collect", "the endpoint is beside the script's folder");
	is(site.requests[0].type, "text/plain;charset=UTF-8", "no type that needs a preflight");
	await context.close();
});

export default async (browser, site, name = "") => {
	for (const run of [kinds, identities, prefix]) await run(browser, site, name);
};
