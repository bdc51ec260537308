// The dashboard: node dashboard.mjs SETTINGS [CASE], from test_dashboard.py.

import { writeSync } from "node:fs";
import { createInterface } from "node:readline";

import { axeSource, launch, settings, watch } from "./browser.mjs";
import { done, is, ok, test, until } from "./tap.mjs";

const { base, token } = settings;
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };

// Has test_dashboard.py do something; see run() there.
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = async (command) => {
	writeSync(3, `${command}\n`);
	await answers.next();
};

const collect = async (body, to = base) => {
	const response = await fetch(`${to}/collect`, { method: "POST", body: JSON.stringify(body) });
	return response.status;
};

const batch = (siteId, types) =>
	collect({ eventType: "batch", siteId, events: types.map((eventType) => ({ eventType })) });

// Requests to anywhere but the server under test, of all pages.
const strangers = [];
// What a content security policy held back, of all pages.
const violations = [];

const makePage = async (browser, options = {}, server = base) => {
	const context = await browser.newContext({ viewport: DESKTOP, locale: "en-GB", ...options });
	const page = await context.newPage();
	page.on("request", (request) => {
		if (new URL(request.url()).origin !== server) strangers.push(request.url());
	});
	await page.exposeFunction("tellViolation", (text) => violations.push(text));
	await page.addInitScript(() => {
		window.shifts = [];
		new PerformanceObserver((list) => {
			for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifts.push(shift.value);
		}).observe({ type: "layout-shift", buffered: true });
		addEventListener("securitypolicyviolation", (event) =>
			window.tellViolation(`${event.effectiveDirective} ${event.blockedURI}`));
	});
	return page;
};

const visit = (page, server = base) => page.goto(`${server}/dashboard/`);

const enter = async (page, secret = token) => {
	await page.fill("#token", secret);
	await page.click("#signin .primary");
};

// The board with the first answers on it.
const openBoard = async (browser, options) => {
	const page = await makePage(browser, options);
	await visit(page);
	await enter(page);
	await page.waitForSelector("#health[data-state=healthy]");
	return page;
};

const text = async (page, selector) => (await page.locator(selector).textContent()).trim();
const tile = (page, id) => text(page, `#tile-${id} .value`);
const alert = (page, id) => page.getAttribute(`#alert-${id}`, "data-state");
const rows = (page) => page.locator("#events-rows tr:visible");
const rowOf = (page, type) => rows(page).filter({ has: page.getByRole("button", { name: type, exact: true }) });
const away = (page) => page.mouse.move(2, 300);

const tokenFlow = (browser) => test("token", async () => {
	const page = await makePage(browser);
	const problems = watch(page);
	await visit(page);
	await page.waitForSelector("#signin:visible");
	ok(await page.locator("#board").isHidden(), "nothing is shown before it");
	is(await page.evaluate(() => document.activeElement.id), "token", "its field has the focus");
	is(problems, [], "nothing was asked for that is refused");
	await enter(page, "wrong");
	await page.waitForFunction(() => /does not take this token/.test(
		document.getElementById("signin-error").textContent));
	ok(await page.locator("#board").isHidden(), "a wrong one opens nothing");
	is(await page.evaluate(() => sessionStorage.length), 0, "and is not kept");
	problems.length = 0;
	await enter(page);
	await page.waitForSelector("#health[data-state=healthy]");
	ok(await page.locator("#signin").isHidden(), "the right one opens the board");
	await page.reload();
	await page.waitForSelector("#health[data-state=healthy]");
	ok(await page.locator("#signin").isHidden(), "it is kept for the tab");
	is(await page.evaluate((secret) => [localStorage.length, document.cookie,
		location.href.includes(secret)], token), [0, "", false], "and nowhere else");
	await page.click("#forget");
	await page.waitForSelector("#signin:visible");
	is(await page.evaluate(() => sessionStorage.length), 0, "is forgotten when asked to");
	await page.reload();
	await page.waitForSelector("#signin:visible");
	ok(!(await page.content()).includes(token), "for good");
	await page.context().close();
});

const demo = (browser) => test("demo page", async () => {
	const page = await makePage(browser);
	const problems = watch(page);
	await page.goto(`${base}/`);
	await page.waitForSelector("#token:visible");
	await page.click("[data-do=burst]");
	await page.waitForFunction(() => document.querySelectorAll("#sent .good").length > 9);
	await page.waitForLoadState("networkidle");
	ok(await page.locator("#token").isVisible(), "asks for the token");
	is(problems, [], "without asking for what is refused");
	await page.fill("#token-value", token);
	await page.click("#token button");
	await page.waitForFunction(() => document.getElementById("stored").textContent.includes("burst"));
	ok(await page.locator("#token").isHidden(), "shows rows when it is there");
	is(problems, [], "no console error");
	await page.context().close();
});

const refusedLater = (browser) => test("token that is changed on the server", async () => {
	const page = await openBoard(browser);
	await page.route("**/metrics", (route) => route.fulfill({ status: 401,
		json: { status: "error", message: "the admin token is wrong" } }));
	await page.waitForSelector("#signin:visible");
	is(await text(page, "#signin-error"), "the admin token is wrong", "is asked for again, with the reason");
	await page.context().close();
});

const development = (browser) => test("development without a token", async () => {
	const page = await makePage(browser, {}, settings.open);
	const problems = watch(page);
	await visit(page, settings.open);
	await page.waitForSelector("#health[data-state=healthy]");
	ok(await page.locator("#forget").isHidden(), "asks for none and has none to forget");
	is(problems, [], "no console error");
	await page.context().close();
});

const unseen = (browser) => test("before it was opened", async () => {
	for (let i = 0; i < 30; i++) await collect({ eventType: "early", siteId: "early.test" });
	const page = await makePage(browser);
	let answered = false;
	await page.route("**/metrics", async (route) => {
		if (answered) return;
		answered = true;
		await route.continue();
	});
	await visit(page);
	await enter(page);
	await page.waitForSelector("#health[data-state=healthy]");
	is(await text(page, "#alerts-note"), "from now on", "the alerts do not speak of what they have not seen");
	is(await alert(page, "batches"), "waiting", "nor is one of them fine");
	is(await text(page, "#tile-rate .say"), "from now on", "nor does the rate");
	await page.unroute("**/metrics");
	await page.reload();
	await page.waitForFunction(() => /^over the last \d+ sec/.test(document.getElementById("alerts-note").textContent));
	ok(/^over the last \d/.test(await text(page, "#alerts-note")), "then of as long as it was looked at");
	await page.context().close();
});

const live = (browser) => test("events", async () => {
	const page = await openBoard(browser);
	const problems = watch(page);
	await away(page);
	const stored = Number((await tile(page, "stored")).replaceAll(",", ""));
	is(await collect({ eventType: "signup", siteId: "live.test", visitorId: "v-1", eventData: { plan: "pro" } }),
		200, "one is sent");
	await rowOf(page, "signup").waitFor();
	is(await rowOf(page, "signup").count(), 1, "it appears");
	await until(async () => Number((await tile(page, "stored")).replaceAll(",", "")) === stored + 1, "it is counted");
	const time = rowOf(page, "signup").locator("time");
	ok(/^\d\d:\d\d:\d\d$/.test(await time.textContent()), "with the local time");
	ok(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/.test(await time.getAttribute("title")), "and UTC in the title");

	const button = rowOf(page, "signup").getByRole("button");
	await button.focus();
	await page.keyboard.press("Enter");
	await page.waitForSelector("#event[open]");
	const shown = JSON.parse(await text(page, "#event-payload"));
	is(shown.eventData, { plan: "pro" }, "Enter opens its payload");
	ok((await text(page, "#event-facts")).includes("v-1"), "and its columns");
	await page.keyboard.press("Escape");
	ok(await page.locator("#event").isHidden(), "Escape closes it");
	ok(await button.evaluate((element) => element === document.activeElement), "the focus is back");

	await collect({ eventType: "while-in-use", siteId: "live.test" });
	await page.waitForSelector("#held:enabled");
	is(await rowOf(page, "while-in-use").count(), 0, "nothing moves while somebody is in the list");
	await page.click("#held");
	await rowOf(page, "while-in-use").waitFor();
	ok(await page.locator("#held").isDisabled(), "until they ask for it");

	const evil = "<img src=x onerror=document.title='evil'>";
	await away(page);
	await collect({ eventType: evil, siteId: "<b>live.test", eventData: { evil } });
	await rowOf(page, evil).waitFor();
	await rowOf(page, evil).getByRole("button").click();
	await page.waitForSelector("#event[open]");
	is([await page.title(), await page.locator("#events img, #event img").count()],
		["millrace dashboard", 0], "what is in them is text, never HTML");
	is(problems, [], "no console error");
	await page.context().close();
});

const filters = (browser) => test("filters", async () => {
	await batch("one.test", ["view", "click"]);
	await batch("two.test", ["view", "click", "click-through"]);
	const page = await openBoard(browser);
	await away(page);
	const sites = () => rows(page).locator("td:nth-child(3)").allTextContents();
	const types = () => rows(page).getByRole("button").allTextContents();
	await page.fill("#site", "one.test");
	await until(async () => (await sites()).join() === "one.test,one.test,one.test", "only this site's");
	is((await types()).sort(), ["batch", "click", "view"], "by site");
	await page.fill("#type", "CLICK");
	await until(async () => (await types()).join() === "click", "only this type's");
	is([await types(), await sites()], [["click"], ["one.test"]], "and by type");
	const note = "among the newest 3, as they arrive";
	ok(await until(async () => await text(page, "#events-note") === note, note), "says among how many");
	await batch("two.test", ["click"]);
	await batch("one.test", ["click", "view"]);
	await until(async () => (await types()).join() === "click,click", "a new one");
	is([...new Set(await sites())], ["one.test"], "new ones are filtered, too");
	await page.fill("#site", "");
	await until(async () => (await sites()).includes("two.test"), "the others are back");
	ok((await types()).includes("click-through"), "a part of a type's name is enough");
	await page.fill("#site", "none.test");
	await page.waitForFunction(() => /No event of this site/.test(
		document.getElementById("events-empty").textContent) || /None of the newest/.test(
		document.getElementById("events-empty").textContent));
	is(await rows(page).count(), 0, "a site without events has none");
	await page.context().close();
});

const numbers = (browser) => test("numbers", async () => {
	const page = await openBoard(browser);
	const problems = watch(page);
	const before = Number((await tile(page, "rejected")).replaceAll(",", ""));
	await collect({ eventType: "batch", siteId: "n.test", events: [{ eventType: "good" }, { noType: 1 }] });
	await collect({ noType: 1 });
	await until(async () => Number(await tile(page, "rejected")) === before + 1, "a rejected event");
	ok((await text(page, "#tile-rejected .say")).includes("invalid"), "rejected events, with the reason");
	ok((await text(page, "#tile-refused .say")).includes("not JSON or not valid"), "refused requests, with the reason");
	is(await text(page, "#fact-workers"), "1", "the workers");
	is(await text(page, "#fact-database"), "connected", "the database");
	await page.click("text=Events per second as a table");
	await until(async () => (await page.locator("#rate-table td").allTextContents())
		.some((cell) => parseFloat(cell) > 0), "a rate");
	ok(await page.locator("#rate-table").isVisible(), "events per second, for who cannot see a chart");
	await until(async () => (await page.locator("#batch-table td").allTextContents())
		.some((cell) => parseFloat(cell) > 1), "a batch size");
	ok((await page.locator("#batch-table td").allTextContents()).some((cell) => parseFloat(cell) > 1),
		"and the average batch size");
	const drawn = (id) => page.evaluate((name) => {
		const canvas = document.querySelector(`#${name}-plot canvas`);
		const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
		return new Set(new Uint32Array(data.buffer)).size > 3;
	}, id);
	ok(await drawn("rate") && await drawn("batch"), "both charts are drawn");
	is(problems, [], "no console error");
	await page.context().close();
});

// What is written beside a chart, from the top down, as it was drawn last.
const scale = (page, id) => page.evaluate((name) => {
	const labels = window.written.get(document.querySelector(`#${name}-plot canvas`)) ?? new Map();
	return [...labels].sort(([a], [b]) => a - b).map(([, label]) => Number(label));
}, id);

const labels = (browser) => test("scale", async () => {
	const page = await makePage(browser);
	await page.addInitScript(() => {
		window.written = new Map();
		const { fillText, clearRect } = CanvasRenderingContext2D.prototype;
		CanvasRenderingContext2D.prototype.clearRect = function (...box) {
			window.written.set(this.canvas, new Map());
			return clearRect.apply(this, box);
		};
		CanvasRenderingContext2D.prototype.fillText = function (label, x, y) {
			const { f } = this.getTransform();
			if (/^[\d.]+$/.test(label)) window.written.get(this.canvas)?.set(y + f, label);
			return fillText.call(this, label, x, y);
		};
	});
	await visit(page);
	await enter(page);
	for (const id of ["rate", "batch"]) {
		const shown = await until(async () => {
			const found = await scale(page, id);
			return found.length > 2 && found;
		}, `labels of ${id}`);
		const apart = shown.slice(1).map((value, i) => (shown[i] - value).toFixed(6));
		is(new Set(apart).size, 1, `${id}: as far apart as they say: ${shown}`);
	}
	await page.context().close();
});

const smallBatches = (browser) => test("small batches", async () => {
	const page = await openBoard(browser);
	await until(async () => await alert(page, "batches") === "fine", "not lit");
	for (let i = 0; i < 25; i++) await collect({ eventType: "single", siteId: "s.test" });
	await page.waitForSelector("#alert-batches[data-state=lit]");
	ok((await text(page, "#alert-batches")).includes("1 events a request"), "light the alert");
	for (let i = 0; i < 5; i++) await batch("s.test", Array(40).fill("many"));
	await page.waitForSelector("#alert-batches[data-state=fine]");
	is(await alert(page, "batches"), "fine", "until the average is better");
	await page.context().close();
});

const degraded = (browser) => test("database away", async () => {
	const page = await openBoard(browser);
	const errors = [];
	page.on("pageerror", (error) => errors.push(error.message));
	await until(async () => await alert(page, "failures") === "fine" && await alert(page, "connections") === "fine",
		"before: fine");
	await tell("stop database");
	is(await batch("away.test", ["a", "b"]), 202, "an event is taken");
	await page.waitForSelector("#health[data-state=degraded]");
	is(await text(page, "#health-word"), "Degraded", "says degraded");
	await until(async () => Number(await tile(page, "spool")) > 0, "the spool fills");
	ok(/\d/.test(await text(page, "#tile-spool .say")), "with its bytes and age", await text(page, "#tile-spool"));
	await page.waitForSelector("#alert-connections[data-state=lit]");
	await page.waitForSelector("#alert-failures[data-state=lit]");
	is([await alert(page, "connections"), await alert(page, "failures")], ["lit", "lit"], "both alerts are lit");
	ok(/Degraded|Alert/.test(await text(page, "#announce")), "and told to screen readers");
	ok((await page.title()).startsWith("Degraded"), "and in the title");
	await tell("start database");
	await page.waitForSelector("#health[data-state=healthy]");
	await until(async () => await tile(page, "spool") === "0", "the spool is emptied");
	await page.waitForSelector("#alert-connections[data-state=fine]");
	await page.fill("#site", "away.test");
	await rowOf(page, "b").waitFor();
	is(await rowOf(page, "b").count(), 1, "what had waited appears when the database is back");
	is(errors, [], "no error in the page");
	await page.context().close();
});

// When the page was last updated: changes with each answer.
const polls = (page) => {
	const seen = { n: 0 };
	page.on("request", (request) => {
		if (request.url().endsWith("/health")) seen.n++;
	});
	return seen;
};

const pausing = (browser) => test("pauses", async () => {
	const page = await openBoard(browser);
	const seen = polls(page);
	await until(() => seen.n > 1, "asks again and again");
	await page.click("#pause");
	is(await page.getAttribute("#pause", "aria-pressed"), "true", "the button says so");
	// What was under way ends; a paused page then stays with what it has.
	await page.waitForLoadState("networkidle");
	const n = seen.n;
	await collect({ eventType: "while-paused", siteId: "p.test" });
	const other = await openBoard(browser);
	await rowOf(other, "while-paused").waitFor();
	await other.context().close();
	is([seen.n, await rowOf(page, "while-paused").count()], [n, 0], "nothing is asked for meanwhile");
	await page.click("#pause");
	await away(page);
	await rowOf(page, "while-paused").waitFor();
	is(await rowOf(page, "while-paused").count(), 1, "and goes on");

	const hide = (hidden) => page.evaluate((value) => {
		Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
		document.dispatchEvent(new Event("visibilitychange"));
	}, hidden);
	await hide(true);
	await page.waitForLoadState("networkidle");
	await collect({ eventType: "while-hidden", siteId: "p.test" });
	const third = await openBoard(browser);
	await rowOf(third, "while-hidden").waitFor();
	await third.context().close();
	is(await rowOf(page, "while-hidden").count(), 0, "a hidden tab asks for nothing");
	await hide(false);
	await rowOf(page, "while-hidden").waitFor();
	is(await rowOf(page, "while-hidden").count(), 1, "and goes on when it is seen");
	await page.context().close();
});

const unreachable = (browser) => test("server away", async () => {
	const page = await openBoard(browser);
	await page.context().setOffline(true);
	await page.waitForSelector("#health[data-state=unknown]");
	ok((await text(page, "#health-say")).includes("cannot be reached"), "says so");
	await page.context().setOffline(false);
	await page.waitForSelector("#health[data-state=healthy]");
	is(await page.locator("#health").getAttribute("data-state"), "healthy", "and finds it again");
	await page.context().close();
});

const older = (browser) => test("server without an endpoint", async () => {
	const page = await makePage(browser);
	await page.route(/\/(metrics|export\/status)$/, (route) => route.fulfill({ status: 404, json: {} }));
	await visit(page);
	await enter(page);
	await page.waitForSelector("#health[data-state=healthy]");
	await page.waitForFunction(() => /has no \/metrics/.test(document.getElementById("tiles").textContent));
	await page.waitForFunction(() => /exports nothing/.test(document.getElementById("exports").textContent));
	await page.waitForSelector("#alert-lag[data-state=off]");
	is(await alert(page, "failures"), "off", "the alerts that need it are off");
	await rows(page).first().waitFor();
	ok(await rows(page).count() > 0, "the rest works");
	await page.context().close();
});

const destination = (name, url, more) => ({ destination: name, url, last_success: "2026-01-02T02:00:00.000Z",
	lag_seconds: 40, pending_events: 0, events: 60000, objects: 12, bytes: 7340032, last_error: null,
	last_error_at: null, ...more });
const STATUS = { status: "failing", exported_events: 120000, pending_events: 250, lag_seconds: 30000,
	sites_without_client: 0, clients: [
		{ client: "acme", destinations: [
			destination("bucket", "s3://acme-events/raw/", { lag_seconds: 30000, pending_events: 250,
				last_error: "403 AccessDenied", last_error_at: "2026-01-02T09:00:00.000Z" }),
			destination("backup", "s3://backup/acme/")] },
		{ client: "small-shop", destinations: [destination("bucket", "file:///srv/export", { lag_seconds: 3000 })] },
		{ client: "new", destinations: [] }],
	runs: [{ run_id: "r-2", origin: "cron", asked_by: "cron", client: "acme", format: "parquet", since: null,
		until: null, status: "failed", requested_at: "2026-01-02T03:04:04.000Z", started_at: "2026-01-02T03:04:05.000Z",
		ended_at: "2026-01-02T03:04:06.000Z", batches: 1, objects: 0, events: 0, bytes: 0, error: "403 AccessDenied" }] };
const CONFIG = { spawn: true, clients: [{ client: "acme", format: "parquet", frequency: "hourly" },
	{ client: "small-shop", format: "ndjson", frequency: "daily" },
	{ client: "new", format: "csv", frequency: "realtime" }] };

// Faults of an export that no test has to wait for.
const routeExports = async (page, status = () => STATUS) => {
	await page.route("**/export/status", (route) => route.fulfill({ json: status() }));
	await page.route("**/export/config", (route) => route.fulfill({ json: CONFIG }));
};

// How often the page asks about exports: no test waits for it.
const EXPORTS_MS = 15000;

const exporting = (browser) => test("exports", async () => {
	const page = await makePage(browser);
	await page.clock.install();
	const asked = [];
	let status = STATUS;
	await routeExports(page, () => status);
	await page.route("**/export/run*", (route, request) => {
		asked.push(`${request.method()} ${new URL(request.url()).search} ${request.headers().authorization}`);
		return route.fulfill({ status: 202, json: { status: "started",
			message: "the export has been started", run_id: "r-3" } });
	});
	await visit(page);
	await enter(page);
	await page.waitForSelector("#alert-lag[data-state=lit]");
	ok((await text(page, "#alert-lag")).includes("acme"), "a late client lights the alert");
	is(await page.locator("#exports .client").count(), 3, "each client");
	is(await page.locator("#exports tbody tr").count(), 3, "and each destination is there");
	is(await page.locator("#exports td[data-late]").count(), 2, "the late and failing one is marked");
	ok((await text(page, "#exports-note")).includes("120,000"), "with the sum");
	const button = page.locator("[data-client=acme] button");
	await button.click();
	await page.click("#run-no");
	is(asked, [], "a run has to be confirmed");
	await button.click();
	await page.click("#run-yes");
	await page.waitForFunction(() => /has been started/.test(
		document.querySelector("[data-client=acme] [role=status]").textContent));
	is(asked, [`POST ?client=acme Bearer ${token}`], "and is started once");
	status = { ...STATUS, clients: STATUS.clients.slice(1) };
	await away(page);
	await page.evaluate(() => document.activeElement.blur());
	await page.clock.fastForward(EXPORTS_MS);
	await page.waitForSelector("#alert-lag[data-state=fine]");
	is(await alert(page, "lag"), "fine", "the alert goes out when nothing is late");
	await page.context().close();
});

const exportingForReal = (browser) => test("an export", async () => {
	await batch("export.test", ["a", "b"]);
	const page = await makePage(browser);
	await page.clock.install();
	await visit(page);
	await enter(page);
	const problems = watch(page);
	await page.waitForSelector("[data-client=acme]");
	ok((await text(page, "[data-client=acme] h3")).includes("realtime, ndjson"), "the client is there");
	await page.click("[data-client=acme] button");
	await page.click("#run-yes");
	await page.waitForFunction(() => /has been started/.test(
		document.querySelector("[data-client=acme] [role=status]").textContent));
	await away(page);
	await page.evaluate(() => document.activeElement.blur());
	await page.waitForSelector("#runs:visible");
	await page.click("#runs summary");
	await until(async () => {
		await page.clock.fastForward(EXPORTS_MS);
		return (await text(page, "#runs-rows")).includes("done");
	}, "the run is told");
	ok((await text(page, "#runs-rows")).includes("done"), "its run is told");
	await until(async () => /[1-9]\d* events/.test(await text(page, "[data-client=acme] tbody")), "its events");
	ok((await text(page, "[data-client=acme] tbody")).includes("file://"), "and what is where");
	is(await alert(page, "lag"), "fine", "nothing is late");
	is(problems, [], "no console error");
	await page.context().close();
});

// What moves within half a second of a click does not count as a shift.
const AFTER_INPUT_MS = 600;

const steady = (browser) => test("layout", async () => {
	for (const viewport of [PHONE, DESKTOP]) {
		const name = `${viewport.width} px`;
		const page = await makePage(browser, { viewport });
		await page.route(/\/(health|metrics|recent|status|config)\b/, async (route) => {
			await new Promise((resolve) => setTimeout(resolve, AFTER_INPUT_MS));
			await route.continue();
		});
		await visit(page);
		await enter(page);
		await page.waitForSelector("#health[data-state=healthy]");
		await rows(page).first().waitFor();
		for (let i = 0; i < 3; i++) {
			const type = `shift-${viewport.width}-${i}`;
			await batch("shift.test", [type, type, type]);
			await rowOf(page, type).first().waitFor();
		}
		const shift = await page.evaluate(() => window.shifts.reduce((sum, value) => sum + value, 0));
		ok(shift < 0.002, `${name}: nothing moves while data arrive`, `${shift}`);
		ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
			`${name}: nothing is wider than the screen`);
		await page.context().close();
	}
});

const axe = async (page, name) => {
	await page.evaluate(axeSource());
	const found = await page.evaluate(() => window.axe.run());
	is(found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 120))]), [],
		`${name}: axe finds nothing`);
};

const access = (browser) => test("for everybody", async () => {
	for (const colorScheme of ["light", "dark"]) {
		for (const viewport of [PHONE, DESKTOP]) {
			const name = `${colorScheme}, ${viewport.width} px`;
			// axe is put into the page, which the policy forbids.
			const page = await makePage(browser, { colorScheme, viewport, bypassCSP: true,
				reducedMotion: "reduce" });
			await routeExports(page);
			await visit(page);
			await page.waitForSelector("#signin:visible");
			await axe(page, `token, ${name}`);
			await enter(page);
			await page.waitForSelector("#alert-lag[data-state=lit]");
			await rows(page).first().waitFor();
			for (const summary of await page.locator("summary:visible").all()) await summary.click();
			await axe(page, `board, ${name}`);
			await page.locator("[data-client=acme] button").click();
			await axe(page, `run, ${name}`);
			await page.keyboard.press("Escape");
			await rows(page).first().getByRole("button").click();
			await axe(page, `event, ${name}`);
			await page.context().close();
		}
	}
});

const policy = (browser) => test("policy", async () => {
	const { headers } = await fetch(`${base}/dashboard/`);
	const header = headers.get("content-security-policy") ?? "";
	ok(["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
		"frame-ancestors 'none'"].every((part) => header.split("; ").includes(part)),
	"the server sends it", header);
	ok(!/unsafe|\*|data:|https?:/.test(header), "without a hole");
	const page = await openBoard(browser);
	is(await page.evaluate(() => {
		const script = document.createElement("script");
		script.textContent = "window.evil = true";
		document.head.append(script);
		return window.evil;
	}), undefined, "it is in force");
	await until(() => violations.length, "the violation is noticed");
	// By the header and by the page's own.
	is([...new Set(violations.splice(0))], ["script-src-elem inline"], "and a violation would be noticed");
	await page.context().close();
});

const browser = await launch();
try {
	// Each case may count on some event.
	await batch("first.test", ["view", "click"]);
	for (const run of [tokenFlow, demo, refusedLater, development, unseen, live, filters, numbers, labels, smallBatches,
		degraded, pausing, unreachable, older, exporting, exportingForReal, steady, access]) await run(browser);
	await test("all pages", () => {
		is(violations, [], "their policy held nothing back");
		is(strangers, [], "they asked nobody but the server");
	});
	await policy(browser);
} finally {
	await browser.close();
}
done();
process.exit();
