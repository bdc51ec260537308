// The tracker on pages as they are: with shadow roots, routes, odd data, long addresses,
// secrets, libraries that change what arrays are, policies, tag managers.

import { events } from "./browser.mjs";
import { is, ok, skip, test, until } from "./tap.mjs";

let number = 0;

// disable: kinds that would be in the way.
const fresh = (site, { more = "", disable = "pageview vitals engagement scroll" } = {}) => {
	site.reset(`pages${++number}.test`, `data-disable="${disable}" ${more}`);
	return site.id;
};

// A page that has both parts of the tracker.
const open = async (context, site, path = "/page") => {
	const page = await context.newPage();
	await page.goto(site.origin + path);
	await page.waitForFunction(() => !!window.millrace?.mend);
	return page;
};

const flush = (page) => page.evaluate(() => { millrace.flush(); });

// What is stored of the site once there are n events.
const noted = async (id, n) => {
	await until(async () => (await events(id)).length >= n, `${n} events`).catch(() => {});
	return events(id);
};

// What is stored once the page has sent an event that is called "end".
const untilEnd = async (page, id) => {
	await page.evaluate(() => { millrace.track("end"); millrace.flush(); });
	await until(async () => (await events(id, "event_type = 'end'")).length, "the end").catch(() => {});
	return (await events(id)).filter(({ type }) => type !== "end");
};

const hide = () => {
	Object.defineProperty(document, "hidden", { configurable: true, get: () => window.isHidden });
	window.setHidden = (value) => {
		window.isHidden = value;
		document.dispatchEvent(new Event("visibilitychange"));
	};
};

const secondOrigin = (site) => site.origin.replace("127.0.0.1", "localhost");

const lost = {
	async "clicks in odd places"(context, site) {
		const id = fresh(site);
		site.body = `<svg width="90" height="30"><a id="svg-link" href="#in-svg"><text y="20">Vector</text></a>
			<a id="old-link" xlink:href="#old"><text y="20">Old</text></a>
			<g id="svg-button" data-track="drawn"><text x="40" y="20">Drawn</text></g></svg>
			<map name="m"><area id="area" shape="rect" coords="0,0,9,9" href="#area"></map>
			<label id="label" data-track="agree">I agree <input id="check" type="checkbox"></label>
			<label id="closed" data-track="closed">Closed <input type="checkbox" disabled></label>
			<label data-track="terms"><a id="terms" href="#terms">Terms</a> <input type="checkbox"></label>
			<a id="broken" href="http://[">Broken</a>
			<div id="host"></div>`;
		const page = await open(context, site);
		await page.evaluate(() => {
			const root = document.getElementById("host").attachShadow({ mode: "open" });
			root.innerHTML = `<a id="link" href="#shadow">Shadow</a>
				<button id="button" data-track="inner">Inner</button>
				<form name="deep" onsubmit="return false"><input name="field"><button id="send">Send</button></form>`;
			document.getElementById("old-link").setAttributeNS("http://www.w3.org/1999/xlink",
				"xlink:href", "#old");
			document.getElementById("broken").addEventListener("click", (event) => event.preventDefault());
			const press = (element) => element.dispatchEvent(
				new MouseEvent("click", { bubbles: true, composed: true, cancelable: true }));
			for (const name of ["svg-link", "old-link", "svg-button", "area", "label", "check", "closed",
				"terms", "broken"]) press(document.getElementById(name));
			for (const name of ["link", "button"]) press(root.getElementById(name));
			root.querySelector("input").focus();
			root.getElementById("send").click();
		});
		const rows = await untilEnd(page, id);
		const clicks = rows.filter(({ type }) => /click|outbound/.test(type)).map(({ data }) =>
			[data.name ?? null, data.href?.replace(/.*#/, "") ?? null, data.text.trim()]);
		is(clicks, [[null, "in-svg", "Vector"], [null, "old", "Old"], ["drawn", null, "Drawn"],
			[null, "area", ""], ["agree", null, "I agree"], ["agree", null, "I agree"],
			["closed", null, "Closed"], ["terms", "terms", "Terms"], [null, "http://[", "Broken"],
			[null, "shadow", "Shadow"], ["inner", null, "Inner"]], "each once");
		is(rows.filter(({ type }) => /form/.test(type)).map(({ type, data }) => [type, data]),
			[["form_focus", { form: "deep", field: "field" }],
				["form_submit", { form: "deep", fields: ["field"] }]], "a form in a shadow root");
	},

	async "back from the back/forward cache"(context, site) {
		const id = fresh(site, { disable: "vitals engagement scroll form click" });
		const page = await open(context, site, "/page?one");
		await page.evaluate(() => { window.marked = true; });
		await page.goto(`${site.origin}/page?two`);
		await page.waitForFunction(() => !!window.millrace?.mend);
		await page.evaluate(() => { setTimeout(() => history.back()); });
		await page.waitForFunction(() => location.search === "?one" && !!window.millrace?.mend);
		if (!await page.evaluate(() => !!window.marked))
			return skip("the page is noted again", "it did not come from the cache");
		await flush(page);
		const rows = await noted(id, 3);
		is(rows.map(({ url }) => url.replace(/.*\?/, "")), ["one", "two", "one"],
			"it is a page view again");
		return undefined;
	},

	async "names that are none"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await page.evaluate(() => {
			millrace.identify("customer-7");
			for (const name of [undefined, null, "", "undefined", "null", {}, [{}], Object.create(null),
				Symbol("x")]) millrace.identify(name);
			millrace.push(["identify", undefined]);
			millrace.track("named");
			millrace.identify();
			millrace.track("new");
			millrace.identify(7);
			millrace.track("number");
			millrace.flush();
		});
		const who = Object.fromEntries((await noted(id, 3)).map(({ type, visitor }) => [type, visitor]));
		is([who.named, who.number], ["customer-7", "7"], "are not taken");
		ok(/^vis_\d+$/.test(who.new), "identify() makes a new visitor", who.new);
	},

	async "names that are too long"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await page.evaluate((key) => {
			for (const name of ["x".repeat(256), "ä".repeat(200), `${"x".repeat(255)}y`, "x".repeat(256)]) {
				millrace.identify(name);
				millrace.track("long", { start: name.slice(0, 1) + name.slice(-1) });
			}
			localStorage[`millrace:${key}:visitor`] = "z".repeat(300); // as it was kept once
			millrace.flush();
		}, id);
		const rows = await noted(id, 4);
		is(rows.map(({ data }) => data.start), ["xx", "ää", "xy", "xx"], "their events are stored");
		const names = rows.map(({ visitor }) => visitor);
		ok(names.every((name) => /^hash_[0-9a-f]{32}$/.test(name)), "under a hash", names.join());
		is([names[0] === names[3], new Set(names).size], [true, 3], "which is that of the name");
		await page.reload();
		await page.waitForFunction(() => !!window.millrace?.mend);
		await page.evaluate(() => { millrace.track("after"); millrace.flush(); });
		await page.evaluate(() => { millrace.track("later"); millrace.flush(); });
		is((await noted(id, 6)).map(({ type }) => type).slice(4), ["after", "later"],
			"one that was stored silences nobody");
	},

	async "data that JSON cannot hold"(context, site) {
		const id = fresh(site);
		const page = await open(context, site);
		await page.evaluate(() => {
			const circle = { name: "circle" };
			circle.again = { circle };
			let deep = "end";
			for (let i = 0; i < 40; i++) deep = { deep };
			const wide = Object.fromEntries(Array.from({ length: 20000 }, (_, i) => [`k${i}`, i]));
			millrace.track("before");
			millrace.track("circle", circle);
			millrace.track("big", { n: 10n, kept: 1 });
			millrace.track("deep", { deep, kept: 1 });
			millrace.track("key", { ["k".repeat(1100)]: "value", kept: 1 });
			millrace.track("throws", { get bad() { throw new Error("no"); }, kept: 1 });
			millrace.track("json", { bad: { toJSON() { throw new Error("no"); } }, kept: 1 });
			millrace.track("wide", { kept: 1, wide });
			millrace.track("list", { kept: 1, list: Array(20000).fill("x") });
			millrace.track("length", { kept: 1, like: { length: 1e6 } });
			millrace.track("page", { kept: 1, element: document.body, window });
			millrace.track("date", { kept: 1, at: new Date(0), url: new URL("http://x.test/") });
			millrace.track(Symbol("type"), { kept: 1 });
			millrace.track("after");
			millrace.flush();
		});
		const rows = await noted(id, 14);
		is(rows.map(({ type }) => type), ["before", "circle", "big", "deep", "key", "throws", "json",
			"wide", "list", "length", "page", "date", "Symbol(type)", "after"], "all arrive");
		const data = Object.fromEntries(rows.map((row) => [row.type, row.data]));
		is(data.circle, { name: "circle", again: { circle: "…" } }, "a circle is cut");
		is(data.big, { n: "10", kept: 1 }, "a large number is a text");
		is([data.key.kept, Object.keys(data.key).map((key) => key.length)], [1, [100, 4]],
			"a long key is cut");
		is([data.throws, data.json], [{ kept: 1 }, { kept: 1 }], "what throws is left out");
		is(data.date, { kept: 1, at: "1970-01-01T00:00:00.000Z", url: "http://x.test/" }, "dates");
		const told = JSON.stringify(data.deep);
		ok(data.deep.kept === 1 && told.includes("…") && told.split("deep").length > 15,
			"what is deep is cut", told);
		ok(data.wide.kept === 1 && data.wide.wide.k99 === 99 && data.wide.wide["…"], "as is what is wide");
		ok(data.list.list.length > 999 && data.list.list.at(-1) === "…", "and what is long");
		is(site.requests.map(({ outcome }) => outcome).filter((outcome) => outcome !== "ok"), [],
			"nothing is refused");
	},

	async "a batch that is refused"(context, site) {
		const id = fresh(site);
		// As a whole, and then one of its events.
		site.fault = ({ body }, i) => i === 0 || JSON.parse(body).events[0].eventData.i === 3 ? "400" : "ok";
		site.head = '<script src="/config.js"></script>';
		site.files["/config.js"] = `window.millraceConfig = { afterSend: (body, status) =>
			(window.told ??= []).push([JSON.parse(body).events.length, status]) };`;
		const page = await open(context, site);
		await page.evaluate(() => {
			for (let i = 0; i < 10; i++) millrace.track("numbered", { i });
		});
		const rows = await noted(id, 9);
		is(rows.map(({ data }) => data.i).sort(), [0, 1, 2, 4, 5, 6, 7, 8, 9], "costs only what is bad");
		await until(() => site.requests.length >= 11, "the last one").catch(() => {});
		await page.evaluate(() => { millrace.track("numbered", { i: 10 }); millrace.flush(); });
		await noted(id, 10);
		is(site.requests.length, 12, "each is tried once");
		const told = await page.evaluate(() => window.told);
		is(told.filter(([, status]) => status === 400), [[10, 400], [1, 400]], "afterSend is told");
	},

	async "long values"(context, site) {
		const id = fresh(site, { disable: "vitals engagement scroll form" });
		site.body = `<a id="data" download="x.txt" href="data:text/plain,${"secret".repeat(6000)}">Data</a>`;
		const page = await open(context, site);
		await page.evaluate(() => {
			document.title = "t".repeat(31000);
			history.pushState({}, "", `/page/long?q=${"x".repeat(35000)}`);
			millrace.track("one");
			millrace.track("data", { text: "d".repeat(30500), kept: 1 });
			millrace.track("wide", { text: "ä\u0001".repeat(30500), kept: 1 });
			millrace.track("many", Object.fromEntries(
				Array.from({ length: 9 }, (_, i) => [`text${i}`, "ß".repeat(7900)])));
			document.getElementById("data").click();
			millrace.beforeLeave();
			millrace.flush();
		});
		const rows = await noted(id, 7);
		is(rows.map(({ type }) => type).sort(),
			["data", "download", "many", "one", "pageview", "pageview", "wide"], "all arrive");
		const of = (type) => rows.filter((row) => row.type === type).at(-1);
		is([of("pageview").data.title.length, of("pageview").url.length, of("data").data.text.length],
			[8000, 8000, 8000], "a text is cut at 8,000 characters");
		ok([of("one").url, of("data").data.text, of("pageview").data.title].every((text) =>
			text.endsWith("…")), "with a mark");
		is(of("data").data.kept, 1, "what comes after it is kept");
		is(of("download").data.href, "data:text/plain,***", "no page's data are sent as an address");
		ok(site.requests.every(({ body }) => Buffer.byteLength(body) < 60000), "below 60 KB each");
	},

	async "what is given up"(context, site) {
		const id = fresh(site, { more: "data-consent=required" });
		site.head = '<script src="/config.js"></script>';
		site.files["/config.js"] = `window.millraceConfig = { afterSend: (body, status) =>
			(window.told ??= []).push([JSON.parse(body).events.length, status]) };`;
		const page = await open(context, site);
		await page.evaluate((key) => {
			for (let i = 0; i < 5; i++) millrace.track("large", { text: "x".repeat(7000) });
			localStorage[`millrace:${key}:queue:1.1.old`] = '0 {"events":[{}]}';
		}, id);
		is(await page.evaluate(() => window.told), [[1, -1]],
			"afterSend is told of what is too much before consent");
		await page.reload();
		await page.waitForFunction(() => window.told?.length);
		is(await page.evaluate(() => window.told), [[1, -1]], "and of what is too old");
	},

	async "a page that adds headers to fetch"(context, site) {
		const id = fresh(site, { more: `data-endpoint="${secondOrigin(site)}/collect"` });
		site.before(() => {
			const original = window.fetch;
			window.fetch = (url, options) => original(url,
				{ ...options, headers: { ...options?.headers, traceparent: "00-0af7-b7ad-01" } });
		});
		const page = await open(context, site);
		await page.evaluate(() => {
			millrace.track("tried");
			millrace.flush();
		});
		is((await noted(id, 1)).map(({ type }) => type), ["tried"], "its preflight is answered");
	},

	async "a fetch that is refused"(context, site) {
		const id = fresh(site, { more: `data-endpoint="${secondOrigin(site)}/collect"` });
		// As where origins are listed, and the page adds headers that are not.
		site.before(() => {
			window.fetch = () => Promise.reject(new TypeError("Failed to fetch"));
		});
		const page = await open(context, site);
		await page.evaluate(() => {
			millrace.track("tried");
			millrace.flush();
		});
		// The queue is kept when the attempt has failed, and the next one is a while off.
		await page.waitForFunction(() => Object.keys(localStorage).some((key) => /queue/.test(key)));
		is(site.requests.length, 0, "a fetch is not answered");
		await page.goto(`${site.origin}/page?next`);
		is((await noted(id, 1)).map(({ type }) => type), ["tried"], "it leaves with the page");
	},

	async "images instead of fetch"(context, site) {
		const id = fresh(site, { more: 'data-endpoint="/t/e"' });
		site.headers = { "Content-Security-Policy":
			"default-src 'none'; script-src 'self'; img-src 'self'; style-src 'self'" };
		const page = await open(context, site);
		await page.evaluate(() => {
			millrace.track("long", { text: "x".repeat(7000), more: '"'.repeat(7000) });
			millrace.flush();
			millrace.track("none");
			millrace.track("short", { i: 1 });
			millrace.flush();
		});
		const rows = await noted(id, 3);
		is(rows.map(({ type }) => type).sort(), ["long", "none", "short"], "one that is long holds nobody up");
		const paths = [...new Set(site.requests.map(({ url }) => url.replace(/\?.*/, "")))];
		is(paths, ["/t/pixel.gif"], "their address is beside the collector's");
		ok(site.requests.every(({ url }) => url.length < 4100), "and short",
			site.requests.map(({ url }) => url.length).join());
		is(rows.find(({ type }) => type === "none").data, null, "no data are none");
	},

	async "images that are not answered"(context, site) {
		const id = fresh(site);
		site.headers = { "Content-Security-Policy":
			"default-src 'none'; script-src 'self'; img-src 'self'; style-src 'self'" };
		site.fault = ({ url }) => url.includes("eventType=bad") ? "400" : "ok";
		const page = await open(context, site);
		await page.evaluate(() => {
			millrace.track("bad");
			millrace.flush();
			millrace.track("good");
			millrace.flush();
		});
		is((await noted(id, 1)).map(({ type }) => type), ["good"], "the next is not held up");
	},

	async "the early queue"(context, site) {
		const id = fresh(site);
		site.before(() => {
			window.millrace = [["track", "one"], ["no such call"], null, undefined, 7, ["identify", undefined],
				["track", "two", { n: 2 }]];
		});
		const page = await open(context, site);
		const rows = await untilEnd(page, id);
		is(rows.map(({ type }) => type), ["one", "two"], "what is wrong in it costs nothing else");
	},

	async "errors of all kinds"(context, site) {
		const id = fresh(site, { more: "data-errors" });
		const page = await open(context, site);
		await page.evaluate(() => {
			const fail = (message, error) => dispatchEvent(new ErrorEvent("error", { message, error }));
			for (let i = 0; i < 20; i++) fail("ResizeObserver loop completed with undelivered notifications.");
			for (let i = 0; i < 20; i++) fail("again and again");
			const reject = (reason) => dispatchEvent(Object.assign(
				new Event("unhandledrejection"), { reason }));
			reject(Object.create(null));
			reject({ get message() { throw new Error("no"); } });
			reject(undefined);
			fail("real", new TypeError("the real one"));
		});
		const rows = await untilEnd(page, id);
		is(rows.map(({ type, data }) => [type, data.message]), [["error", "again and again"],
			["error", "[object Object]"], ["error", "undefined"], ["error", "the real one"]],
		"the real one is told, and no other twice");
	},

	async "as a module"(context, site) {
		const id = fresh(site);
		const problems = [];
		for (const [name, script] of Object.entries({
			"script type=module": `<script type="module" src="/js/tracking.js" ${site.attributes}></script>`,
			"import": `<script type="module" ${site.attributes}>import "/js/tracking.js";</script>`,
			"a tag manager": `<script>window.millraceConfig = { site: "${id}",
				disable: "pageview vitals engagement scroll" };
				document.head.append(Object.assign(document.createElement("script"),
					{ src: "/js/tracking.js", async: true }));</script>`,
		})) {
			site.script = script;
			const page = await open(context, site, "/t/page");
			await page.evaluate((told) => { millrace.track(told); millrace.flush(); }, name);
			await until(async () => (await events(id, `event_type = '${name}'`)).length, name)
				.catch(() => problems.push(name));
			await page.close();
		}
		is(problems, [], "its settings and its endpoint are found");
		is([...new Set(site.requests.map(({ url }) => url))], ["/t/collect"], "beside the script's folder");
	},

	async "Trusted Types"(context, site) {
		fresh(site);
		site.headers = { "Content-Security-Policy":
			"require-trusted-types-for 'script'; trusted-types millrace" };
		const page = await open(context, site);
		ok(await page.evaluate(() => !!window.millrace.mend), "its second file is loaded");
	},
};

const figures = {
	async "time counts while the page is visible"(context, site) {
		const id = fresh(site, { disable: "pageview scroll" });
		site.before(hide);
		site.before(() => {
			window.isHidden = true;
			window.clock = 1e12;
			Date.now = () => window.clock;
		});
		const page = await open(context, site);
		await page.waitForFunction(() => document.readyState === "complete");
		if (await page.evaluate(() => PerformanceObserver.supportedEntryTypes.includes("paint")))
			await page.waitForFunction(() => performance.getEntriesByType("paint").length > 0);
		await page.evaluate(() => {
			window.clock += 8000;
			window.setHidden(false);
			window.clock += 1500;
			window.setHidden(true);
		});
		const rows = await noted(id, 2);
		const of = (kind) => rows.find(({ type }) => type === kind)?.data;
		is(of("engagement"), { seconds: 1.5 }, "not while it is hidden");
		is([of("web_vitals")?.fcp ?? null, of("web_vitals")?.lcp ?? null], [null, null],
			"a page that was loaded hidden has no paint figures");
	},

	async "a page that was made before it was asked for"(context, site) {
		const id = fresh(site, { disable: "pageview scroll engagement" });
		site.before(hide);
		site.before(() => {
			window.isHidden = false;
			const original = performance.getEntriesByType;
			performance.getEntriesByType = (type) => type === "navigation" ? [{ activationStart: 1e7 }]
				: original.call(performance, type);
		});
		const page = await open(context, site);
		if (await page.evaluate(() => PerformanceObserver.supportedEntryTypes.includes("paint")))
			await page.waitForFunction(() => performance.getEntriesByType("paint").length > 0);
		await page.evaluate(() => { window.setHidden(true); });
		const [{ data }] = await noted(id, 1);
		is(Object.entries(data).filter(([name, value]) => /lcp|fcp|ttfb/.test(name) && value > 0), [],
			"its figures begin when it is shown");
		is(data.ttfb, 0, "ttfb");
	},

	async "scrolling inside the page"(context, site) {
		const id = fresh(site, { disable: "pageview vitals engagement" });
		site.body = `<div id="pane" style="height:100px;overflow:auto"><p style="height:400px">x</p></div>
			<textarea id="area" rows="2">${"line\n".repeat(50)}</textarea>`;
		const inner = () => {
			for (const name of ["pane", "area"]) document.getElementById(name).scrollTop = 1e6;
			return new Promise((done) => {
				document.getElementById("pane").addEventListener("scroll", () => done(), { once: true });
			});
		};
		const page = await open(context, site);
		await page.evaluate(inner);
		await page.evaluate(() => document.getElementById("area").scrollTop > 0);
		is((await untilEnd(page, id)).length, 0, "is not the document's");
		site.attributes += ' data-scroll-root="#pane"';
		const other = await open(context, site);
		await other.evaluate(inner);
		await other.evaluate(() => { scrollTo(0, 1e6); });
		const rows = await until(async () => {
			const found = await untilEnd(other, id);
			return found.length >= 4 && found;
		}, "four steps").catch(() => events(id));
		is(rows.filter(({ type }) => type === "scroll").map(({ data }) => data.depth), [25, 50, 75, 100],
			"unless that element is the one that counts");
	},

	async "what is a page view"(context, site) {
		const routes = () => {
			const go = (kind, url) => history[`${kind}State`]({}, "", url);
			go("replace", "?q=a");
			go("replace", "?q=ab");
			go("replace", "#12.5/48.1");
			location.hash = "anchor";
			go("push", "?page=2");
			go("push", "?page=2#more");
			go("push", "#/route");
			go("push", "#!old");
			go("replace", "/page/other");
			go("push", "/page/last");
		};
		const views = async (more) => {
			const id = fresh(site, { disable: "vitals engagement scroll form click", more });
			const page = await open(context, site);
			await page.evaluate(routes);
			// The event of the hash comes when the script is done.
			await page.evaluate(() => new Promise((done) => { setTimeout(done); }));
			await page.evaluate(() => { millrace.beforeLeave(); });
			const rows = await untilEnd(page, id);
			await page.close();
			return rows.map(({ url }) => url.replace(site.origin, ""));
		};
		is(await views(""), ["/page", "/page?page=2", "/page?page=2#/route", "/page?page=2#!old",
			"/page/other", "/page/last"], "a route, but not what is only said of one");
		is(await views("data-pageviews=path"), ["/page", "/page/other", "/page/last"], "path");
		is(await views("data-pageviews=off"), ["/page"], "off");
		is((await views("data-pageviews=address")).length, 11, "address: each change");
	},

	async "a title that comes late"(context, site) {
		const id = fresh(site, { disable: "vitals engagement scroll form click" });
		const page = await open(context, site);
		await page.evaluate(() => new Promise((done) => {
			document.title = "Old";
			history.pushState({}, "", "/page/next");
			setTimeout(() => {
				document.title = "New";
				done();
			}, 50);
		}));
		const rows = await noted(id, 2);
		is(rows.map(({ url, data }) => [url.replace(site.origin, ""), data.title]),
			[["/page", "Test page"], ["/page/next", "New"]], "is the page view's");
	},

	async "forms"(context, site) {
		const id = fresh(site);
		site.body = `<form id="f" onsubmit="return false"><input name="inside"><button id="press" type="button">
			Press</button><input name="elements"></form>
			<input name="outside" form="f"><button id="go" form="f" name="go">Go</button>`;
		const page = await open(context, site);
		await page.evaluate(() => {
			for (const selector of ["#press", "[name=inside]", "[name=outside]"])
				document.querySelector(selector).focus();
			document.getElementById("go").click();
		});
		const rows = await untilEnd(page, id);
		is(rows.map(({ type, data }) => [type, data]), [
			["form_focus", { form: "f", field: "inside" }], ["form_focus", { form: "f", field: "outside" }],
			["form_submit", { form: "f", fields: ["inside", "elements", "outside", "go"] }]],
		"fields, not buttons; and what belongs to the form without being in it");
	},

	async "a library that gives arrays a toJSON"(context, site) {
		const id = fresh(site);
		site.before(() => {
			Array.prototype.toJSON = function () { return `[${[...this].join(", ")}]`; };
			String.prototype.toJSON = function () { return `"${this}"`; };
		});
		const page = await open(context, site);
		await page.evaluate(() => {
			millrace.track("list", { list: [1, "two", { three: [3] }], text: "x" });
			millrace.track("odd", { list: [1, 2n], text: "x" });
			millrace.flush();
		});
		is((await noted(id, 2)).map(({ data }) => data),
			[{ list: [1, "two", { three: [3] }], text: "x" }, { list: [1, "2"], text: "x" }],
			"they arrive as they are");
	},

	async "listeners"(context, site) {
		fresh(site, { disable: "none" });
		site.before(() => {
			window.waiting = [];
			const original = window.addEventListener;
			window.addEventListener = function (type, listener, options) {
				if (/scroll|touch|wheel|pointer/.test(type) && !options?.passive &&
					Error().stack.includes("/tracking")) window.waiting.push(type);
				return original.call(this, type, listener, options);
			};
		});
		const page = await open(context, site);
		is(await page.evaluate(() => window.waiting), [], "none makes scrolling wait");
	},
};

const secrets = {
	async "secrets in addresses"(context, site) {
		const id = fresh(site, { disable: "vitals engagement scroll form" });
		site.body = `<a id="in" href="https://user:hunter2@host.test/@kept?token=hunter2&amp;kept=1#access_token=hunter2&amp;kept=2">In</a>`;
		site.before(() => addEventListener("click", (event) => event.preventDefault()));
		const page = await open(context, site,
			"/page?code=hunter2&promo_code=kept&X-Amz-Signature=hunter2&PASSWORD=hunter2&utm_source=kept");
		await page.click("#in");
		await page.evaluate(() => {
			history.pushState({}, "", "/page/next?sig=hunter2&reset_token=hunter2");
			history.pushState({}, "", "/page/last");
			millrace.beforeLeave();
		});
		const rows = await untilEnd(page, id);
		is(rows.filter((row) => JSON.stringify(row).includes("hunter2")).map(({ type }) => type), [],
			"none is sent");
		is(rows.find(({ type }) => type === "outbound")?.data.href,
			"https://host.test/@kept?token=***&kept=1#access_token=***&kept=2", "the rest of a link is");
		is(rows[0]?.url.replace(site.origin, ""),
			"/page?code=***&promo_code=kept&X-Amz-Signature=***&PASSWORD=***&utm_source=kept",
			"and of the page's address");
		is(rows.filter(({ type }) => type === "pageview").at(-1)?.data.referrer.replace(site.origin, ""),
			"/page/next?sig=***&reset_token=***", "and of a referrer");
	},

	async "secrets that the page names"(context, site) {
		const id = fresh(site, { disable: "vitals engagement scroll form", more: 'data-secrets="voucher *pin"' });
		const page = await open(context, site, "/page?voucher=hunter2&user-pin=hunter2&token=kept");
		is((await untilEnd(page, id))[0]?.url.replace(site.origin, ""),
			"/page?voucher=***&user-pin=***&token=kept", "are those of its list");
	},
};

export default async (browser, site, name = "") => {
	for (const [title, work] of Object.entries({ ...lost, ...figures, ...secrets })) {
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
