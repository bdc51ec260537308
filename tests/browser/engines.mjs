// The browsers that the tracker is tested in, behind one face, which is the part of
// playwright's that the tests use: Chromium by playwright, Firefox by puppeteer's WebDriver
// BiDi, WebKitGTK by its own WebDriver.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";

import { launch as launchChromium, settings } from "./browser.mjs";
import { until } from "./tap.mjs";

const packages = createRequire(`${settings.srcdir}/www/package.json`);

/* --- Chromium ------------------------------------------------------------------- */

// Without these, pages are kept as they are for everybody.
const chromium = async () => Object.assign(
	await launchChromium({ ignoreDefaultArgs: ["--disable-back-forward-cache"] }), { name: "Chromium" });

/* --- Firefox -------------------------------------------------------------------- */

class FirefoxPage {
	// keeper: the page that has opened it, under this number.
	constructor(page, keeper, number) {
		Object.assign(this, { page, keeper, number });
		this.mouse = page.mouse;
	}

	goto(url) {
		return this.page.goto(url);
	}

	evaluate(work, argument) {
		return this.page.evaluate(work, argument);
	}

	click(selector) {
		return this.page.click(selector);
	}

	fill(selector, text) {
		return this.page.type(selector, text);
	}

	reload() {
		return this.page.reload();
	}

	// A document that is just being left takes the question with it.
	waitForFunction(work, argument) {
		return until(() => this.page.evaluate(work, argument).catch(() => false), String(work));
	}

	waitForURL(pattern) {
		const end = pattern.replace("**", "");
		return until(() => this.page.evaluate((text) => location.href.endsWith(text) &&
			document.readyState === "complete", end).catch(() => false), pattern);
	}

	// Closed by the driver, a page is gone without being told; closed by the page that has
	// opened it, it is told.
	async close() {
		const closed = new Promise((resolve) => { this.page.once("close", resolve); });
		await this.keeper.evaluate((number) => { window.opened[number].close(); }, this.number);
		await closed;
	}
}

const firefox = async () => {
	const browser = await packages("puppeteer-core").launch({ browser: "firefox",
		executablePath: settings.browser, timeout: 120000, protocolTimeout: 120000,
		extraPrefsFirefox: { "dom.disable_open_during_load": false } });
	return {
		name: "Firefox",
		async newContext() {
			const context = await browser.createBrowserContext();
			const keeper = await context.newPage();
			await keeper.goto(`${this.site.origin}/empty`);
			await keeper.evaluate(() => { window.opened = []; });
			const pages = [];
			let opening = Promise.resolve();
			const open = async () => {
				const popup = new Promise((resolve) => { keeper.once("popup", resolve); });
				const number = await keeper.evaluate(() => window.opened.push(window.open("/empty")) - 1);
				const page = await popup;
				pages.push(page);
				page.on("close", () => pages.splice(pages.indexOf(page), 1));
				return new FirefoxPage(page, keeper, number);
			};
			return {
				// One after another, so that it is known which is which.
				newPage: () => (opening = opening.then(open)),
				async setOffline(offline) {
					for (const page of pages) await page.setOfflineMode(offline);
				},
				close: () => context.close(),
			};
		},
		close: () => browser.close(),
	};
};

/* --- WebKitGTK -------------------------------------------------------------------- */

const freePort = () => new Promise((resolve) => {
	const server = createServer().listen(0, "127.0.0.1", () => {
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

// One session, of which a context is the windows that were opened in it and what they stored.
class WebKit {
	name = "WebKitGTK";
	#queue = Promise.resolve();

	async start() {
		this.screen = spawn("Xvfb", ["-displayfd", "3", "-nolisten", "tcp"],
			{ stdio: ["ignore", "ignore", "ignore", "pipe"] });
		const display = await new Promise((resolve, reject) => {
			this.screen.on("exit", () => reject(new Error("Xvfb ended")));
			this.screen.stdio[3].once("data", (text) => resolve(`:${String(text).trim()}`));
		});
		const port = await freePort();
		this.base = `http://127.0.0.1:${port}`;
		this.driver = spawn("WebKitWebDriver", [`--port=${port}`],
			{ env: { ...process.env, DISPLAY: display }, stdio: ["ignore", "ignore", "inherit"] });
		await until(() => this.#send("GET", "/status").catch(() => false), "WebKitWebDriver answers");
		const { sessionId } = await this.#send("POST", "/session", { capabilities: { alwaysMatch: {
			"webkitgtk:browserOptions": { binary: settings.browser, args: ["--automation"] } } } });
		this.session = `/session/${sessionId}`;
		this.first = await this.#send("GET", `${this.session}/window`);
		return this;
	}

	async #send(method, path, body) {
		const answer = await fetch(this.base + path, { method, body: body && JSON.stringify(body) });
		const { value } = await answer.json();
		if (value?.error) throw new Error(`${value.error}: ${value.message}`);
		return value;
	}

	// Commands in a window, one after another: which window is meant is a state of the session.
	within(handle, work) {
		const send = (method, path, body) => this.#send(method, this.session + path, body);
		const run = async () => {
			await send("POST", "/window", { handle });
			return work(send);
		};
		const result = this.#queue.then(run);
		this.#queue = result.catch(() => {});
		return result;
	}

	async newContext() {
		const pages = new Set();
		let origin;
		return {
			newPage: async () => {
				const { handle } = await this.within(this.first,
					(send) => send("POST", "/window/new", { type: "window" }));
				const page = new WebKitPage(this, handle, (url) => { origin = new URL(url).origin; });
				pages.add(page);
				page.closing = () => pages.delete(page);
				return page;
			},
			// Its driver has no such thing: the server is away, and then the page is told.
			setOffline: async (offline) => {
				this.site.away = offline;
				if (!offline)
					for (const page of pages) await page.evaluate(() => dispatchEvent(new Event("online")));
			},
			close: async () => {
				for (const page of [...pages]) await page.close();
				if (!origin) return;
				this.site.away = false;
				const page = new WebKitPage(this, this.first, () => {});
				await page.goto(`${origin}/empty`);
				await page.evaluate(() => localStorage.clear());
			},
		};
	}

	async close() {
		await this.#send("DELETE", this.session).catch(() => {});
		this.driver.kill();
		this.screen.kill();
	}
}

class WebKitPage {
	constructor(browser, handle, visited) {
		this.visited = visited;
		this.within = (work) => browser.within(handle, work);
		this.mouse = { move: (x, y) => this.within((send) => send("POST", "/actions", { actions: [
			{ type: "pointer", id: "mouse", actions: [{ type: "pointerMove", duration: 0, x, y }] }] })) };
	}

	goto(url) {
		this.visited(url);
		return this.within((send) => send("POST", "/url", { url }));
	}

	async evaluate(work, argument) {
		const script = `const done = arguments[1];
			Promise.resolve(arguments[0]).then(${work}).then((value) => done({ value }),
				(error) => done({ error: String(error) }));`;
		const { value, error } = await this.within((send) =>
			send("POST", "/execute/async", { script, args: [argument] }));
		if (error) throw new Error(error);
		return value;
	}

	#element(selector, work) {
		return this.within(async (send) => {
			const found = await send("POST", "/element", { using: "css selector", value: selector });
			return work(send, `/element/${Object.values(found)[0]}`);
		});
	}

	click(selector) {
		return this.#element(selector, (send, path) => send("POST", `${path}/click`, {}));
	}

	fill(selector, text) {
		return this.#element(selector, (send, path) => send("POST", `${path}/value`, { text }));
	}

	reload() {
		return this.within((send) => send("POST", "/refresh", {}));
	}

	waitForFunction(work, argument) {
		return until(() => this.evaluate(work, argument).catch(() => false), String(work));
	}

	waitForURL(pattern) {
		return this.waitForFunction((end) => location.href.endsWith(end) &&
			document.readyState === "complete", pattern.replace("**", ""));
	}

	async close() {
		this.closing?.();
		await this.within((send) => send("DELETE", "/window"));
	}
}

const engines = { chromium, firefox, webkit: () => new WebKit().start() };

// site: a Site, which a browser that cannot go offline takes away instead.
export const launch = async (name, site) => Object.assign(await engines[name](), { site });
