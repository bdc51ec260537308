// The demo page: what it shows is what was sent and stored, and everybody can use it.

import { axeSource, events, settings, watch } from "./browser.mjs";
import { is, ok, test, until } from "./tap.mjs";

const views = [];
for (const colorScheme of ["light", "dark"])
	for (const width of [390, 1280]) views.push({ colorScheme, viewport: { width, height: 900 } });

const use = (browser) => test("demo", async () => {
	const context = await browser.newContext();
	const page = await context.newPage();
	const problems = watch(page);
	const strangers = [];
	page.on("request", (request) => {
		if (new URL(request.url()).origin !== settings.base) strangers.push(request.url());
	});
	await page.goto(settings.base + "/");
	ok(await page.locator("#why-not").isHidden(), "nothing holds it back");
	await page.click("#routes a:nth-child(3)");
	is(new URL(page.url()).search, "?shelf=cups", "a route without a page load");
	is(await page.locator("#goods li:visible").count(), 2, "shows what belongs to it");
	await page.click("[data-track='add stone-cup']");
	await page.fill("#email", "visitor@secret.test");
	await page.click("#contact button");
	await page.click("[data-do=signup]");
	await page.click("[data-do=burst]");
	ok((await page.locator("#said").textContent()).includes("hundred"), "buttons say what they do");
	await page.waitForFunction(() => +document.getElementById("count").textContent >= 100);
	await until(async () => (await events("demo", "event_type = 'burst'")).length === 100, "stored");
	ok(await page.locator("#sent .good").count() > 0, "batches are shown with their answers");
	await page.locator("#sent summary").first().click();
	await until(async () => (await page.locator("#sent details[open] pre").last().textContent())
		.includes('"status":"success"'), "the answer of /collect is shown");
	await until(async () => (await page.locator("#stored").textContent()).includes("burst"),
		"stored rows are shown, the newest ones too");
	// The page asks now and then, so that it may have shown the first of them only.
	await until(async () => (await page.locator("#stored").textContent()).includes("i: 100"),
		"the last one is shown, with what is in it");
	ok((await page.locator("#stored").textContent()).includes("i: 100"), "with what is in them");
	ok(await page.locator("#token").isHidden(), "no token is asked for where there is none");
	await page.click("a.button");
	await page.waitForURL("**/demo/article.html");
	await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
	await until(async () => (await events("demo", "event_type = 'scroll' AND payload->>'url' LIKE " +
		"'%article.html' AND payload->'eventData'->>'depth' = '100'")).length, "it is read to its end");
	ok(!JSON.stringify(await events("demo")).includes("secret.test"), "no value of the form is stored");
	is(problems, [], "nothing on the console");
	is(strangers, [], "nobody but the server is asked");
	await context.close();
});

const refusal = (browser) => test("demo when nothing may be sent", async () => {
	const why = (page) => page.locator("#why-not").textContent();
	const context = await browser.newContext();
	await context.addInitScript(() =>
		Object.defineProperty(navigator, "globalPrivacyControl", { value: true }));
	const page = await context.newPage();
	await page.goto(settings.base + "/");
	await page.waitForSelector("#why-not:visible");
	ok((await why(page)).includes("asks not to be tracked"), "the browser's wish is told");
	ok(await page.locator("#sent-summary").isHidden(), "and no batch is promised");
	await page.click("[data-do=burst]");
	is(await page.locator("#said").textContent(), await why(page), "nor by a button");
	await page.click("[data-do=granted]");
	ok(await page.locator("#why-not").isHidden(), "consent is enough");
	await page.click("[data-do=signup]");
	await page.waitForSelector("#sent .good");
	await page.click("[data-do=denied]");
	ok((await why(page)).includes("denied"), "its end is told");
	await context.route("**/js/tracking.js", (route) => route.abort());
	await page.goto(settings.base + "/demo/article.html");
	await page.waitForSelector("#why-not:visible");
	ok((await why(page)).includes("was not loaded"), "and that the tracker is blocked");
	await context.close();
});

// What others store for the demo's site must not break it.
const others = (browser) => test("demo with somebody else's events", async () => {
	for (const eventData of [7, "text", null, ["a"], { fields: "x", seconds: "y" }, { name: { deep: 1 } }])
		await fetch(`${settings.base}/collect`, { method: "POST",
			body: JSON.stringify({ siteId: "demo", eventType: "odd", url: 7, eventData }) });
	await fetch(`${settings.base}/collect`, { method: "POST",
		body: JSON.stringify({ siteId: "demo", eventType: "pageview", url: "http://[" }) });
	const page = await browser.newPage();
	await page.goto(settings.base + "/");
	await page.waitForSelector("#stored tr");
	const types = await page.locator("#stored td:nth-child(2)").allTextContents();
	ok(types.filter((type) => type === "odd").length >= 3, "shows them", JSON.stringify(types));
	await page.close();
});

const token = (browser) => test("demo with an admin token", async () => {
	const context = await browser.newContext();
	const page = await context.newPage();
	await page.route("**/events/recent*", (route, request) =>
		request.headers().authorization === "Bearer the-token" ? route.continue()
			: route.fulfill({ status: 401, json: { status: "error" } }));
	await page.route("**/health", (route) => route.fulfill({ json: { status: "healthy" } }));
	await page.goto(settings.base + "/");
	await page.waitForSelector("#token:visible");
	await page.fill("#token-value", "wrong");
	await page.click("#token button");
	await page.waitForFunction(() => /does not take/.test(
		document.getElementById("stored-summary").textContent));
	await page.fill("#token-value", "the-token");
	await page.click("#token button");
	await page.waitForSelector("#stored tr");
	ok(await page.locator("#token").isHidden(), "is asked for until it is right");
	await page.goto(settings.base + "/demo/article.html");
	await page.waitForSelector("#stored tr");
	ok(await page.locator("#token").isHidden(), "is kept in the tab");
	is(await page.evaluate(() => Object.values(localStorage).join().includes("the-token")), false,
		"and not beyond it");
	await page.evaluate(() => millrace.flush());
	const noted = (await events("demo", "payload::text LIKE '%token%'")).length;
	is(noted, 0, "and is none of the tracker's business");
	await context.close();
});

const access = (browser) => test("demo for everybody", async () => {
	for (const view of views) {
		const context = await browser.newContext({ ...view, bypassCSP: true });
		const page = await context.newPage();
		for (const path of ["/", "/demo/article.html"]) {
			await page.goto(settings.base + path);
			await page.waitForSelector("#stored tr");
			const name = `${path} ${view.colorScheme}, ${view.viewport.width} px`;
			await page.evaluate(axeSource());
			const { violations } = await page.evaluate(() => axe.run());
			is(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 80))]), [],
				`${name}: axe finds nothing`);
			await page.evaluate(() => millrace.flush());
			await page.waitForSelector("#sent .good");
			is(await page.locator("#latest").isVisible(), view.viewport.width === 390,
				`${name}: the bar tells of the last batch where the panel is out of sight`);
			ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
				`${name}: nothing is wider than the screen`);
		}
		await context.close();
	}
});

export default async (browser) => {
	for (const run of [use, refusal, others, token, access]) await run(browser);
};
