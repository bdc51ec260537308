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
	await page.goto(settings.base + "/");
	await page.click("#routes a:nth-child(3)");
	is(new URL(page.url()).search, "?shelf=cups", "a route without a page load");
	is(await page.locator("#goods li:visible").count(), 2, "shows what belongs to it");
	await page.click("[data-track='add stone-cup']");
	await page.fill("#email", "visitor@secret.test");
	await page.click("#contact button");
	await page.click("[data-do=signup]");
	await page.click("[data-do=burst]");
	await page.waitForFunction(() => +document.getElementById("count").textContent >= 100);
	await until(async () => (await events("demo", "event_type = 'burst'")).length === 100, "stored");
	ok(await page.locator("#sent .good").count() > 0, "batches are shown with their answers");
	await page.locator("#sent summary").first().click();
	await until(async () => (await page.locator("#sent details[open] pre").last().textContent())
		.includes('"status":"success"'), "the answer of /collect is shown");
	await until(async () => (await page.locator("#stored").textContent()).includes("burst"),
		"stored rows are shown, the newest ones too");
	ok(await page.locator("#token").isHidden(), "no token is asked for where there is none");
	await page.click("a.button");
	await page.waitForURL("**/demo/article.html");
	await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
	await until(async () => (await events("demo", "event_type = 'scroll' AND payload->>'url' LIKE " +
		"'%article.html' AND payload->'eventData'->>'depth' = '100'")).length, "it is read to its end");
	ok(!JSON.stringify(await events("demo")).includes("secret.test"), "no value of the form is stored");
	is(problems, [], "nothing on the console");
	await context.close();
});

const token = (browser) => test("demo with an admin token", async () => {
	const context = await browser.newContext();
	const page = await context.newPage();
	await page.route("**/events/recent*", (route, request) =>
		request.headers().authorization === "Bearer the-token" ? route.continue()
			: route.fulfill({ status: 401, json: { status: "error" } }));
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
			ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
				`${name}: nothing is wider than the screen`);
		}
		await context.close();
	}
});

export default async (browser) => {
	for (const run of [use, token, access]) await run(browser);
};
