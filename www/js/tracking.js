/*
 * millrace's tracker: notes what visitors do and sends it to /collect in batches.
 *
 *   <script defer src="/js/tracking.js" data-site="example-com"></script>
 *
 * Settings are data attributes of the script element, or keys of
 * window.millraceConfig, which win; www/README.md lists them, tracking.d.ts types
 * them. What is noted later and what is rare is in tracking-vitals.js, which is
 * loaded when it is wanted: routes, scrolling, forms, engagement, web vitals,
 * errors; data that is odd or large, batches that were refused or that another
 * page left, images instead of fetch.
 *
 * How a batch is delivered:
 * - It is closed when it has maxBatchSize events or maxBatchBytes, when it is
 *   maxBatchAge old, or when the page is hidden or left.
 * - It has a batchId, which stays the same however often it is sent, and with
 *   which the server stores it once. So it may be sent again whenever nobody
 *   knows what became of it.
 * - A page sends one batch at a time, in order. 2xx: done. 408, 429, 5xx or no
 *   answer: again later. 400 or 413: its events one by one, once, because the
 *   fault may be that of one. Any other answer: it would never be taken; dropped.
 * - What cannot be sent yet waits in localStorage, each batch under a key of
 *   its own, so that tabs write without agreeing on anything. The value starts
 *   with the time until which a page claims the batch. Any page may take over
 *   a batch that nobody claims. Claims are made under a Web Lock; without Web
 *   Locks two pages may take the same batch, and the server stores it once.
 *
 * Everything that the browser or the page calls goes through guard(): nothing
 * that happens in here, or in the page's callbacks, may disturb the page.
 */
(() => {
	"use strict";

	if (window.millrace?.track) return; // the page has it twice

	const guard = (work) => (...args) => {
		try {
			return work(...args);
		} catch {
			// The page goes on.
		}
	};

	// A module has no currentScript: it is found by its address, which the stack of
	// each browser tells, or by data-site.
	const [self] = /https?:.*?(?=:\d+:\d)/.exec(Error().stack) || [];
	const script = document.currentScript ||
		[...document.scripts].find(({ src, dataset }) => src == self || dataset.site) || {};
	const source = script.src || self || location.href;
	const config = { ...script.dataset, ...window.millraceConfig };
	const wants = (kind) => !(config.disable + "").includes(kind);

	const maxBatchSize = +config.maxBatchSize || 10; // events
	const maxBatchBytes = 3e4;                       // browsers let 64 KiB leave with a page
	const maxBatchAge = 3000;                        // ms, this and what follows
	const maxOutbox = 2000;                          // batches that wait in memory
	const maxStoredEvents = 100;
	const maxStored = 5e4;                           // characters
	const maxBackoff = 6e4;
	const maxText = 8000;                            // characters of one text
	const maxKey = 100;                              // and of the name of a value
	const maxDepth = 20;                             // the server takes 32, the batch's among them
	const maxId = 255;                               // bytes, as the server has it
	const claimTime = 6e4;
	const sessionTime = 18e5;

	const siteId = config.site || location.hostname;
	// Beside the script's folder, so that it works below any prefix.
	const endpoint = new URL(config.endpoint || "../collect", source).href;

	const cookieless = (config.cookieless ?? false) + "" != "false";
	const prefix = "millrace:" + siteId + ":";
	const queue = prefix + "queue:";

	let storage; // stays undefined where it is forbidden or not wanted
	guard(() => cookieless || (storage = window.localStorage))();
	const read = guard((key) => storage.getItem(key));
	const write = guard((key, value) => storage.setItem(key, value));
	const erase = guard((key) => storage.removeItem(key));
	const keys = (start) => Object.keys(storage || {}).filter((key) => key.startsWith(start));

	const newId = () => crypto.getRandomValues(new Uint32Array(4)).join("");
	const now = Date.now;

	/* --- what may be sent ---------------------------------------------------- */

	const bytes = (text) => new Blob([text]).size;

	// What must not leave the page in an address: who is named before the host, the
	// values of these parameters, and what a data: address holds.
	const secret = RegExp("(^\\w+://)[^/?#]*@|(^data:[^,]*,|[?&#;](" +
		(config.secrets || "*token *passw* *secret *signature *api*key sig code otp jwt")
			.replace(/[^\w*-]+/g, "|").replaceAll("*", "[\\w-]*") + ")=)[^&#;]+", "gi");

	// Throws where the data has what the server would not take or JSON cannot hold;
	// tracking-vitals.js mends it. A toJSON that a page's library gives to arrays or
	// texts is not asked.
	const toJson = (event) => {
		const depths = new Map();
		return JSON.stringify(event, function (key, value) {
			const own = this[key];
			const depth = depths.get(this) + 1 || 0;
			const isOwn = typeof own != "object" || Array.isArray(own);
			if (isOwn) value = own;
			if (depth > maxDepth || key.length > maxKey || isOwn && own?.length > maxText) throw 0;
			depths.set(value, depth);
			return /^(url|href|refer|file)/.test(key) && value?.replace
				? value.replace(secret, (all, host, name) => host || name + "***") : value;
		});
	};

	/* --- who: nothing is made or stored before consent ---------------------- */

	// "granted", "denied", or "": not asked yet.
	let permission = read(prefix + "consent") ||
		(navigator.globalPrivacyControl || navigator.doNotTrack == 1 ? "denied"
			: config.consent == "required" ? "" : "granted");
	let visitorId;
	let sessionId;
	let sessionEnd = 0;

	const identity = () => {
		const [storedId, storedEnd] = (read(prefix + "session") + "").split(" ");
		if (storedEnd > sessionEnd) [sessionId, sessionEnd] = [storedId, storedEnd];
		if (now() > sessionEnd) sessionId = "sess_" + newId();
		sessionEnd = now() + sessionTime;
		write(prefix + "session", sessionId + " " + sessionEnd);
		if (!cookieless && !visitorId) identify(read(prefix + "visitor") || "vis_" + newId());
		return { siteId, sessionId, visitorId };
	};

	// The server refuses a long id, and with it all that comes with it.
	const identify = (id) => {
		if (bytes(id) > maxId) return withMore(() => identify(api.digest(id)));
		visitorId = id;
		if (permission == "granted") write(prefix + "visitor", id);
	};

	/* --- batches ------------------------------------------------------------ */

	let eventBatch = []; // events of the open batch, each as JSON
	let eventBytes = 0;
	let batchTimer;
	let outbox = [];     // closed batches: { key, body }, see below
	let inFlight;
	let failures = 0;
	let unanswered;      // the last failure was no answer at all
	let notBefore = 0;   // when the server may be asked again

	const addToBatch = guard((eventType, eventData, url = location.href, time = new Date()) => {
		let event = { eventType, timestamp: time.toISOString(), url, eventData };
		if (config.beforeSend) event = config.beforeSend(event);
		if (!event) return;
		const json = guard(toJson)(event);
		if (json && bytes(json) <= maxBatchBytes) addJson(json);
		else withMore(() => addJson(api.mend(event)));
	});

	const addJson = (json) => {
		if (permission == "denied") return;
		const size = bytes(json);
		if (eventBytes + size > maxBatchBytes) {
			if (!permission) return notify(toBatch({ siteId }, [json]).body, -1);
			flush();
		}
		eventBytes += size;
		if (eventBatch.push(json) >= maxBatchSize) flush();
		else batchTimer = batchTimer || setTimeout(flush, maxBatchAge);
	};

	// The key tells what the bounds of the storage are about: its age, its events.
	const toBatch = (head, events) => ({
		key: queue + [now(), events.length, head.batchId].join("."),
		body: toJson(head).slice(0, -1) + ',"events":[' + events + "]}",
	});

	const closeBatch = () => {
		if (permission != "granted" || !eventBatch.length) return;
		enqueue(toBatch({
			eventType: "batch", batchId: newId(), timestamp: new Date().toISOString(), ...identity(),
		}, eventBatch));
		clearTimeout(batchTimer);
		eventBatch = [];
		eventBytes = batchTimer = 0;
	};

	const enqueue = (batch) => {
		if (permission != "granted" || outbox.some(({ key }) => key == batch.key)) return;
		if (outbox.length < maxOutbox) outbox.push(batch);
		else notify(batch.body, -1);
	};

	const flush = guard((again) => {
		if (again && unanswered) notBefore = 0;
		closeBatch();
		deliver();
	});

	const deliver = guard(() => {
		const [batch] = outbox;
		if (!batch || inFlight || now() < notBefore) return;
		inFlight = batch;
		transmit(batch.body).then(guard((answer) => settle(batch, answer.status, answer)),
			guard(() => settle(batch, 0)));
	});

	// A string goes as text/plain, for which no browser asks the server first.
	const transmit = async (body) => api.sendPixels?.(body) || fetch(endpoint, {
		method: "POST", body, keepalive: true,
		signal: AbortSignal.timeout?.(3e4),
	});

	const settle = (batch, status, answer) => {
		inFlight = null;
		unanswered = !status;
		if (unanswered || status == 408 || status == 429 || status > 499) {
			const after = answer?.headers.get("retry-after");
			notBefore = now() + Math.max(
				Math.min(1000 * 2 ** failures++, maxBackoff) * (1 + Math.random()) / 2,
				after * 1000 || Date.parse(after) - now() || 0);
			setTimeout(deliver, notBefore - now() + 1);
			// Nobody knows why an image failed: the others need not wait for it.
			if (api.sendPixels && outbox[1]) outbox.push(outbox.shift());
			persist();
			withMore(); // which knows another way
		} else {
			failures = notBefore = 0;
			outbox = outbox.filter((other) => other != batch);
			erase(batch.key);
			// Only one of its events may be bad.
			if (status == 400 || status == 413) withMore(() => api.split(batch));
			deliver();
		}
		notify(batch.body, status, answer);
	};

	const notify = guard((body, status, answer) => config.afterSend?.(body, status, answer));

	/* --- the queue in localStorage ------------------------------------------ */

	const eventsOf = (key) => +key.split(".").slice(-2)[0];

	// Each waiting batch that is there already, or still fits. A page that was left
	// claims none: nobody hears the answers, so whoever comes first sends again.
	const persist = () => {
		const claimedUntil = left ? 0 : claimTime + Math.max(notBefore, now());
		let events = 0;
		let size = 0;
		for (const key of keys(queue)) {
			events += eventsOf(key);
			size += (read(key) + "").length;
		}
		for (const { key, body } of outbox)
			if (read(key) || ((events += eventsOf(key)) <= maxStoredEvents &&
				(size += body.length) <= maxStored))
				write(key, claimedUntil + " " + body);
	};

	/* --- the page goes away ------------------------------------------------- */

	let left; // for good, as far as anybody knows: pageshow tells otherwise

	const leave = (forGood) => {
		if (left) return;
		left = forGood;
		api.beforeLeave?.();
		closeBatch();
		persist(); // a hidden page, too, may end unnoticed, as on phones
		// A fetch with keepalive outlives a hidden page, and is heard if it stays.
		if (!left) return deliver();
		// A beacon may get through where a fetch that the page has changed does not.
		for (const { key, body } of outbox)
			if ((inFlight?.key != key || failures) && navigator.sendBeacon(endpoint, body))
				notify(body);
	};

	/* --- what visitors do ---------------------------------------------------- */

	const addPageview = (referrer, url, time) => wants("pageview") && addToBatch("pageview", {
		title: document.title, referrer, language: navigator.language,
		screen: screen.width + "x" + screen.height,
		viewport: innerWidth + "x" + innerHeight,
	}, url, time);

	const onClick = (event) => {
		// The path leads into open shadow roots.
		const find = (selector) =>
			event.composedPath().find((node) => node.matches?.(selector));
		const link = find("a[*|href],area[href]");
		const tracked = find("[data-track]");
		const shown = link || tracked;
		const control = find("label,:enabled")?.control;
		// The click on a label is followed by one on its control.
		if (event.button > 1 || !shown || (!link && shown.contains(control) && !control.disabled))
			return;
		const target = document.createElement("a");
		if (link) target.href = link.href.baseVal ?? link.href;
		addToBatch(link?.hasAttribute("download") ||
			/\.(pdf|zip|gz|dmg|exe|csv|xlsx?|docx?|pptx?|mp[34])$/i.test(target.pathname) ? "download"
			: /^http/.test(target) && target.host != location.host ? "outbound" : "click", {
			name: tracked?.dataset.track, href: link && target.href,
			text: (shown.innerText ?? shown.textContent).slice(0, 100),
		});
	};

	// While they are captured, the document's events pass the window, too.
	const on = (types, listener) => types.split(" ").forEach((type) =>
		addEventListener(type, guard(listener), true));

	// What needs tracking-vitals.js: at once, when it is there. The first loads it.
	const withMore = (work = () => {}) => {
		if (api.mend) return work();
		if (api.later.push(work) > 1) return;
		if (config.load) return config.load();
		const more = document.createElement("script");
		const url = new URL("tracking-vitals.js", source).href;
		more.src = guard(() => trustedTypes.createPolicy("millrace",
			{ createScriptURL: () => url }).createScriptURL(url))() || url;
		more.nonce = script.nonce;
		document.head.append(more);
	};

	const start = guard(() => {
		addPageview(document.referrer);
		if (wants("click")) on("click auxclick", onClick);
		if (wants("form")) on("focusin submit", (event) => {
			const [node] = event.composedPath();
			withMore(() => api.onField(node));
		});
		on("visibilitychange", () => document.hidden && leave());
		on("pagehide", leave);
		on("pageshow", () => {
			left = false;
		});
		withMore();
	});

	/* --- window.millrace ------------------------------------------------------ */

	const setPermission = (state) => {
		if (state == permission) return; // or tabs would tell each other for ever
		if (state == "denied") {
			eventBatch = [];
			outbox = [];
			visitorId = undefined;
			sessionEnd = eventBytes = batchTimer = 0;
			keys(prefix).forEach(erase);
		} else if (state != "granted") {
			return;
		}
		permission = state;
		write(prefix + "consent", state);
		if (visitorId) identify(visitorId); // who was named before consent
		flush();
	};

	const api = {
		config,
		track: guard((name, data) => addToBatch(String(name), data)),
		// What a page says when it does not know who it is, is no name.
		identify: guard((...ids) => {
			const id = ids.length ? ids[0] + "" : "vis_" + newId();
			if (/^(|undefined|null|\[.*)$/.test(id)) return;
			flush();
			identify(id);
		}),
		consent: guard(setPermission),
		flush,
		push: (...calls) => calls.forEach(guard(([name, ...args]) => api[name](...args))),

		// For tracking-vitals.js alone.
		endpoint, queue, toJson, toBatch, addToBatch, addPageview, enqueue,
		page: location.href,
		later: [],
	};

	const early = window.millrace;
	window.millrace = api;
	if (document.prerendering) on("prerenderingchange", start);
	else start();
	if (Array.isArray(early)) api.push(...early);
})();
