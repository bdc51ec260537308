/*
 * The second part of millrace's tracker, which tracking.js loads: what is noted
 * later, what is rare, and what is odd.
 *
 * - Page views of routes, how long a page is used, scrolling, forms, errors.
 * - Web vitals. One event says, when the page is hidden for the first time:
 *     lcp   ms until the largest element was painted
 *     inp   ms of the slowest interaction, of every 50 the worst left out
 *     cls   the largest burst of layout shifts: at most 5 s, gaps below 1 s
 *     fcp   ms until something was painted
 *     ttfb  ms until the first byte of the page arrived
 *   What a browser does not measure, or what did not happen, is left out. The
 *   definitions are those of https://web.dev/articles/vitals.
 * - Events and ids that the server would refuse as they are, batches that it has
 *   refused, images where fetch is forbidden, batches that another page left.
 *
 * As in tracking.js everything goes through guard(): nothing disturbs the page.
 */
(() => {
	"use strict";

	const millrace = window.millrace;
	if (!millrace?.track || millrace.mend) return;

	const guard = (work) => (...args) => {
		try {
			return work(...args);
		} catch {
			// The page goes on.
		}
	};

	const { config, queue, endpoint } = millrace;
	const isOn = (value) => String(value ?? false) !== "false";
	const wants = (kind) => !String(config.disable).includes(kind);

	const maxText = 8000; // these four as in tracking.js
	const maxKey = 100;
	const maxDepth = 20;
	const maxEventBytes = 3e4;
	const maxAddress = 4000; // characters; web servers take 8 KB with all headers
	const maxErrors = 10;    // of one page; an error in a loop must not flood anybody
	const maxStack = 2000;
	const maxStoredAge = 864e5; // ms, this and what follows
	const claimTime = 6e4;
	const idleTime = 3e4;
	const titleTime = 500;

	const on = (types, listener) => types.split(" ").forEach((type) =>
		addEventListener(type, guard(listener), { capture: true, passive: true }));

	/* --- what the server would not take as it is ------------------------------ */

	// Within the limits: what is too long, too deep or too much is cut, which a "…"
	// marks; what JSON cannot hold is left out. room: for how many characters.
	const plain = (event, room) => {
		const cut = (text, most) =>
			text.length > most ? `${text.slice(0, Math.max(0, most - 1))}…` : text;
		const tell = (value, above) => {
			room -= 4;
			if (typeof value === "bigint") value = String(value);
			if (typeof value === "string") {
				const text = cut(value, Math.max(1, Math.min(maxText, room)));
				room -= text.length;
				return text;
			}
			if (typeof value !== "object" || !value) return value;
			if (above.length >= maxDepth || above.includes(value)) return "…";
			const path = [...above, value];
			const isArray = Array.isArray(value);
			if (!isArray && typeof value.toJSON === "function") return tell(value.toJSON(), path);
			const parts = [];
			for (const key of Object.keys(value)) {
				if (room < 0) {
					parts.push(["…", "…"]);
					break;
				}
				guard(() => {
					room -= isArray ? 0 : key.length;
					parts.push([cut(key, maxKey), tell(value[key], path)]);
				})();
			}
			return isArray ? parts.map(([, part]) => part) : Object.fromEntries(parts);
		};
		return tell(event, []);
	};

	// An event as JSON that the server takes, and is at most so many bytes.
	const mend = (event, isSmall = (json) => new Blob([json]).size <= maxEventBytes) => {
		for (let room = maxEventBytes; ; room /= 2) {
			const json = millrace.toJson(plain(event, room));
			if (room < 1 || isSmall(json)) return json;
		}
	};

	// 128 bits that stand for an id that is too long.
	const digest = (id) => `hash_${[1, 2, 3, 4].map((hash) => {
		for (const character of id) {
			hash = Math.imul(hash ^ character.codePointAt(), 0x5bd1e995);
			hash ^= hash >>> 15;
		}
		return (hash >>> 0).toString(16).padStart(8, 0);
	}).join("")}`;

	// Of a batch that was refused each event may be sent once more, by itself.
	const split = ({ body }) => {
		const { events, ...head } = JSON.parse(body);
		if (events.length < 2) return;
		events.forEach((event, i) => millrace.enqueue(millrace.toBatch(
			{ ...head, batchId: `${head.batchId}-${i}` }, [millrace.toJson(event)])));
		millrace.flush();
	};

	/* --- without fetch: each event is an image --------------------------------- */

	// Beside the collector, whatever that is called.
	const pixel = new URL("pixel.gif", endpoint);

	const addressOf = (head, event) => {
		const { eventData, ...rest } = event;
		return `${pixel}?${new URLSearchParams({ ...head, ...rest,
			...eventData && { eventData: JSON.stringify(eventData) } })}`;
	};

	const sendPixels = (body) => {
		const { events, ...head } = JSON.parse(body);
		return Promise.all(events.map((event, i) => {
			const image = new Image();
			const id = { ...head, batchId: `${head.batchId}.${i}` };
			const address = (json) => addressOf(id, JSON.parse(json));
			image.src = address(mend(event, (json) => address(json).length <= maxAddress));
			return image.decode(); // waits for the answer
		})).then(() => ({ status: 200 }));
	};

	on("securitypolicyviolation", ({ blockedURI }) => {
		if (blockedURI === endpoint) millrace.sendPixels = sendPixels;
	});

	/* --- batches that another page left ---------------------------------------- */

	let storage;
	guard(() => {
		if (!isOn(config.cookieless)) storage = window.localStorage;
	})();

	// Takes over what no page claims, and throws away what is too old.
	const takeOver = guard(() => {
		for (const key of Object.keys(storage).filter((name) => name.startsWith(queue))) {
			const value = String(storage.getItem(key));
			const body = value.replace(/\S* /, "");
			if (!(Date.now() - key.slice(queue.length).split(".")[0] < maxStoredAge)) {
				storage.removeItem(key);
				guard(() => config.afterSend?.(body, -1))();
			} else if (Date.now() > parseFloat(value)) {
				storage.setItem(key, `${Date.now() + claimTime} ${body}`);
				millrace.enqueue({ key, body });
			}
		}
		millrace.flush();
	});

	const adopt = guard(() => {
		if (!storage || !Object.keys(storage).some((key) => key.startsWith(queue))) return;
		if (!navigator.locks) return takeOver();
		navigator.locks.request(queue, { ifAvailable: true }, (lock) => lock && takeOver())
			.catch(() => {});
	});

	on("online", () => millrace.flush(true));
	const consent = queue.replace(/queue:$/, "consent");
	on("storage", ({ key, newValue }) => {
		if (key === consent) millrace.consent(newValue);
	});

	/* --- page views of routes ----------------------------------------------------- */

	let page = millrace.page; // address of the last page view
	let view;                 // one whose title may still come
	let viewTimer;

	// What makes an address another page.
	const routeOf = ({ href, pathname, search, hash }) =>
		config.pageviews === "off" ? ""
		: config.pageviews === "path" ? pathname
		: config.pageviews === "address" ? href
		: pathname + search + (/^#[/!]/.test(hash) ? hash : "");

	let route = routeOf(new URL(page));
	let { pathname } = new URL(page);

	const sendView = () => {
		clearTimeout(viewTimer);
		if (view) millrace.addPageview(view.referrer, page, view.time);
		view = undefined;
	};

	const addView = (referrer) => {
		sendView();
		addEngagement();
		view = { referrer, time: new Date() };
		page = location.href;
		depth = 0;
		fields.clear();
		viewTimer = setTimeout(guard(sendView), titleTime);
	};

	// A replaced address is another page where its path is another, unless told otherwise.
	const noteRoute = (replaced) => {
		const next = routeOf(location);
		const isView = next !== route &&
			(config.pageviews || !replaced || location.pathname !== pathname);
		route = next;
		pathname = location.pathname;
		if (isView) addView(page);
	};

	for (const name of ["pushState", "replaceState"]) {
		const original = history[name];
		history[name] = (...args) => {
			const result = original.apply(history, args);
			guard(noteRoute)(name === "replaceState");
			return result;
		};
	}
	on("popstate hashchange", () => noteRoute());

	/* --- for how long a page is used ------------------------------------------------ */

	let engaged = 0;    // ms
	let lastActive = 0; // 0: the page is hidden

	// Time counts for as long as something happens, and a while after.
	const noteActivity = () => {
		if (lastActive) engaged += Math.min(Date.now() - lastActive, idleTime);
		lastActive = document.hidden ? 0 : Date.now();
	};

	const addEngagement = () => {
		noteActivity();
		if (engaged >= 1000 && wants("engagement"))
			millrace.addToBatch("engagement", { seconds: engaged / 1000 }, page);
		engaged = 0;
	};

	const entries = (type) => performance.getEntriesByType(type);

	// Since tracking.js has asked for this file, if the page was visible then.
	guard(() => {
		noteActivity();
		const [asked] = performance.getEntriesByName(document.currentScript?.src);
		const shown = entries("visibility-state").pop();
		if (lastActive && asked) lastActive -= Math.max(0, performance.now() -
			Math.max(asked.startTime, shown?.startTime ?? 0));
	})();
	on("scroll keydown pointerdown pointermove", noteActivity);
	on("pageshow", ({ persisted }) => {
		lastActive = 0;
		noteActivity();
		if (!persisted) return;
		// It comes back, and heard nothing while it was away.
		guard(() => millrace.consent(storage.getItem(consent)))();
		addView(document.referrer);
		sendView();
	});

	/* --- how far it is read ------------------------------------------------------------ */

	let depth = 0; // percent, in steps

	const onScroll = ({ target }) => {
		const element = config.scrollRoot ? target.matches?.(config.scrollRoot) && target
			: target === document && document.scrollingElement;
		if (!element) return;
		const reached = (element.scrollTop + element.clientHeight + 2) * 100 / element.scrollHeight;
		while (depth < 100 && reached >= depth + 25) millrace.addToBatch("scroll", { depth: depth += 25 });
	};

	if (wants("scroll")) {
		on("scroll", onScroll);
		if (scrollY > 0) guard(onScroll)({ target: document });
	}

	/* --- forms, but never what is in them ------------------------------------------------ */

	const fields = new Set(); // that were focused

	// Attributes, because a field that is called "id" hides the form's property.
	const nameOf = (element) => element.getAttribute("name") || element.getAttribute("id");

	const onSubmit = guard(({ target }) => millrace.onField(target));

	// A submit event does not leave the shadow root that it is in.
	const hearRoot = (node) => {
		const root = node.getRootNode();
		if (root !== document) root.addEventListener("submit", onSubmit, true);
	};

	// node: a field that is focused, or a form that is sent.
	millrace.onField = (node) => {
		if (node instanceof HTMLFormElement) {
			millrace.addToBatch("form_submit", {
				form: nameOf(node),
				fields: [...new Set([...Reflect.get(HTMLFormElement.prototype, "elements", node)]
					.map((field) => field.getAttribute("name")).filter(Boolean))],
			});
			return;
		}
		hearRoot(node);
		if (!node.form || fields.has(node) || /^(button|submit|reset|image)$/.test(node.type)) return;
		fields.add(node);
		millrace.addToBatch("form_focus", { form: nameOf(node.form), field: nameOf(node) });
	};

	if (wants("form")) on("click", (event) => hearRoot(event.composedPath()[0]));

	/* --- web vitals ------------------------------------------------------------------------- */

	const vitals = {};
	const observers = [];

	const observe = (type, handle, options) => {
		try {
			const observer = new PerformanceObserver((list) => list.getEntries().forEach(handle));
			observer.observe({ type, buffered: true, ...options });
			observers.push([observer, handle]);
		} catch {
			// This browser does not measure it.
		}
	};

	const rounded = (value, digits = 0) => Math.round(value * 10 ** digits) / 10 ** digits;

	// A page that was made before anybody asked for it begins when it is shown.
	const begin = entries("navigation")[0]?.activationStart ?? 0;
	const since = (time) => rounded(Math.max(0, time - begin));

	// What is painted after the page was hidden says when it was looked at, not how fast it is.
	let hiddenAt = document.hidden ? 0 : Infinity;
	for (const { name, startTime } of entries("visibility-state"))
		if (name === "hidden" && startTime >= begin) hiddenAt = Math.min(hiddenAt, startTime);
	on("visibilitychange", ({ timeStamp }) => {
		if (document.hidden) hiddenAt = Math.min(hiddenAt, timeStamp);
	});

	/* cumulative layout shift: the worst burst */

	let burst = 0;
	let burstStart = 0;
	let lastShift = 0;

	const onShift = ({ value, startTime, hadRecentInput }) => {
		if (hadRecentInput) return;
		if (startTime - lastShift >= 1000 || startTime - burstStart >= 5000) {
			burst = 0;
			burstStart = startTime;
		}
		burst += value;
		lastShift = startTime;
		vitals.cls = Math.max(vitals.cls ?? 0, rounded(burst, 4));
	};

	/* interaction to next paint */

	const longest = new Map(); // id of the interaction: its longest duration
	const maxLongest = 10;     // enough for a page of 500 interactions

	const onInteraction = ({ interactionId, duration }) => {
		if (!interactionId) return;
		longest.set(interactionId, Math.max(longest.get(interactionId) ?? 0, duration));
		if (longest.size > maxLongest) {
			const [[shortest]] = [...longest].sort((a, b) => a[1] - b[1]);
			longest.delete(shortest);
		}
	};

	const inp = () => {
		const durations = [...longest.values()].sort((a, b) => b - a);
		const skipped = Math.floor((performance.interactionCount ?? 0) / 50);
		return durations[Math.min(skipped, durations.length - 1)];
	};

	if (wants("vitals")) {
		observe("largest-contentful-paint", ({ startTime }) => {
			if (startTime < hiddenAt) vitals.lcp = since(startTime);
		});
		observe("paint", ({ name, startTime }) => {
			if (name === "first-contentful-paint" && startTime < hiddenAt) vitals.fcp = since(startTime);
		});
		observe("layout-shift", onShift);
		observe("event", onInteraction, { durationThreshold: 40 });
		observe("first-input", onInteraction);
		observe("navigation", ({ responseStart }) => { vitals.ttfb = since(responseStart); });
		if (PerformanceObserver.supportedEntryTypes?.includes("layout-shift")) vitals.cls = 0;
	}

	let reported = !wants("vitals");
	const addVitals = () => {
		if (reported) return;
		reported = true;
		for (const [observer, handle] of observers) {
			observer.takeRecords().forEach(handle);
			observer.disconnect();
		}
		if (longest.size) vitals.inp = rounded(inp());
		millrace.track("web_vitals", vitals);
	};

	/* --- errors ---------------------------------------------------------------------------- */

	const seen = new Set();

	const textOf = (value) => {
		try {
			return String(value);
		} catch {
			return Object.prototype.toString.call(value); // it has no way to be a text
		}
	};

	const report = (kind, error, more) => {
		const message = textOf(guard(() => error.message)() ?? error).slice(0, 500);
		const stack = guard(() => error.stack && textOf(error.stack).slice(0, maxStack))();
		// Not an error, and told at each frame.
		if (message.startsWith("ResizeObserver loop")) return;
		const key = message + stack;
		if (seen.has(key) || seen.size >= maxErrors) return;
		seen.add(key);
		millrace.track("error", { kind, message, stack, ...more });
	};

	if (isOn(config.errors)) {
		on("error", ({ error, message, filename, lineno, colno }) => {
			if (message) report("error", error ?? message, { file: filename, line: lineno, column: colno });
		});
		on("unhandledrejection", ({ reason }) => report("rejection", reason));
	}

	/* --- with tracking.js --------------------------------------------------------------------- */

	// Called when the page is hidden or left, before it sends.
	millrace.beforeLeave = () => {
		for (const work of [noteRoute, sendView, addEngagement, addVitals]) guard(work)();
	};

	on("visibilitychange", noteActivity);

	Object.assign(millrace, { digest, mend, split });
	millrace.later.splice(0).forEach((work) => guard(work)());
	noteRoute(); // it may be another since the first page view
	adopt();
	setInterval(adopt, claimTime);
})();
