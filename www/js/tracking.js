/*
 * millrace's tracker: notes what visitors do and sends it to /collect in batches.
 *
 *   <script defer src="/js/tracking.js" data-site="example-com"></script>
 *
 * Settings are data attributes of the script element, or keys of
 * window.millraceConfig, which win; www/README.md lists them, tracking.d.ts types
 * them. Web vitals and errors are in tracking-vitals.js, which is loaded later.
 *
 * How a batch is delivered:
 * - It is closed when it has maxBatchSize events or maxBatchBytes, when it is
 *   maxBatchAge old, or when the page is hidden or left.
 * - It has a batchId, which stays the same however often it is sent, and with
 *   which the server stores it once. So it may be sent again whenever nobody
 *   knows what became of it.
 * - A page sends one batch at a time, in order. 2xx: done. 408, 429, 5xx or no
 *   answer: again later. Any other answer: it would never be taken; dropped.
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

	const script = document.currentScript || {};
	const config = { ...script.dataset, ...window.millraceConfig };
	const isOn = (value) => (value ?? false) + "" != "false";
	const wants = (kind) => !(config.disable + "").includes(kind);

	const maxBatchSize = +config.maxBatchSize || 10; // events
	const maxBatchBytes = 3e4;                       // browsers let 64 KiB leave with a page
	const maxBatchAge = 3000;                        // ms, this and what follows
	const maxOutbox = 2000;                          // batches that wait in memory
	const maxStoredEvents = 100;
	const maxStored = 5e4;                           // characters
	const maxStoredAge = 864e5;
	const maxBackoff = 6e4;
	const claimTime = 6e4;
	const sessionTime = 18e5;
	const idleTime = 3e4;

	const siteId = config.site || location.hostname;
	// Beside the script's folder, so that it works below any prefix.
	const endpoint = new URL(config.endpoint || "../collect", script.src || location).href;

	const cookieless = isOn(config.cookieless);
	const prefix = "millrace:" + siteId + ":";
	const queue = prefix + "queue:";

	let storage; // stays undefined where it is forbidden or not wanted
	guard(() => cookieless || (storage = window.localStorage))();
	const read = guard((key) => storage.getItem(key));
	const write = guard((key, value) => storage.setItem(key, value));
	const erase = guard((key) => storage.removeItem(key));
	const keys = (start) => Object.keys({ ...storage }).filter((key) => key.startsWith(start));

	const newId = () => crypto.getRandomValues(new Uint32Array(4)).join("");
	const now = Date.now;

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

	const identify = (id) => {
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
	let pixelOnly;

	const addToBatch = guard((eventType, eventData, url = location.href) => {
		let event = { eventType, timestamp: new Date().toISOString(), url, eventData };
		if (config.beforeSend) event = config.beforeSend(event);
		if (permission == "denied" || !event) return;
		const json = JSON.stringify(event);
		const bytes = new Blob([json]).size;
		if (bytes > maxBatchBytes) return;
		if (eventBytes + bytes > maxBatchBytes) {
			if (!permission) return;
			flush();
		}
		eventBytes += bytes;
		if (eventBatch.push(json) >= maxBatchSize) flush();
		else batchTimer = batchTimer || setTimeout(flush, maxBatchAge);
	});

	const closeBatch = () => {
		if (permission != "granted" || !eventBatch.length) return;
		const batchId = newId();
		const body = JSON.stringify({
			eventType: "batch", batchId, timestamp: new Date().toISOString(), ...identity(),
		}).slice(0, -1) + ',"events":[' + eventBatch + "]}";
		// The key tells what the bounds of the storage are about: its age, its events.
		if (outbox.length < maxOutbox)
			outbox.push({ key: queue + [now(), eventBatch.length, batchId].join("."), body });
		clearTimeout(batchTimer);
		eventBatch = [];
		eventBytes = batchTimer = 0;
	};

	const flush = guard(() => {
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
	const transmit = async (body) => pixelOnly ? sendPixels(body) : fetch(endpoint, {
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
			persist();
		} else {
			failures = notBefore = 0;
			outbox = outbox.filter((other) => other != batch);
			erase(batch.key);
			deliver();
		}
		notify(batch.body, status, answer);
	};

	const notify = guard((body, status, answer) => config.afterSend?.(body, status, answer));

	// For pages whose Content-Security-Policy forbids fetch: each event is an image.
	const sendPixels = (body) => {
		const { events, ...head } = JSON.parse(body);
		return Promise.all(events.map((event, i) => {
			const image = new Image();
			image.src = endpoint.replace(/collect$/, "pixel.gif?") + new URLSearchParams({
				...head, ...event, eventData: JSON.stringify(event.eventData),
				batchId: head.batchId + "." + i,
			});
			return image.decode(); // waits for the answer
		})).then(() => ({ status: 200 }));
	};

	/* --- the queue in localStorage ------------------------------------------ */

	const partOf = (key, i) => +key.slice(queue.length).split(".")[i];

	// Each waiting batch that is there already, or still fits. A page that was left
	// claims none: nobody hears the answers, so whoever comes first sends again.
	const persist = () => {
		const claimedUntil = left ? 0 : claimTime + Math.max(notBefore, now());
		let events = 0;
		let size = 0;
		for (const key of keys(queue)) {
			events += partOf(key, 1);
			size += (read(key) + "").length;
		}
		for (const { key, body } of outbox)
			if (read(key) || ((events += partOf(key, 1)) <= maxStoredEvents &&
				(size += body.length) <= maxStored))
				write(key, claimedUntil + " " + body);
	};

	// Takes over what no page claims, and throws away what is too old.
	const takeOver = guard(() => {
		for (const key of keys(queue)) {
			const value = read(key) + "";
			const body = value.replace(/\S* /, "");
			if (!(now() - partOf(key, 0) < maxStoredAge)) {
				erase(key);
			} else if (now() > parseFloat(value) && !outbox.some((batch) => batch.key == key)) {
				write(key, now() + claimTime + " " + body);
				outbox.push({ key, body });
			}
		}
		deliver();
	});

	const adopt = guard(() => permission != "granted" ? 0
		: !navigator.locks ? takeOver()
		: navigator.locks.request(queue, { ifAvailable: true }, (lock) => lock && takeOver())
			.catch(() => {}));

	/* --- the page goes away ------------------------------------------------- */

	let left; // for good, as far as anybody knows: pageshow tells otherwise

	const leave = (forGood) => {
		if (left) return;
		left = forGood;
		addPageview();
		addEngagement();
		guard(() => api.beforeLeave?.())();
		closeBatch();
		persist(); // a hidden page, too, may end unnoticed, as on phones
		// A fetch with keepalive outlives a hidden page, and is heard if it stays.
		if (!left) return deliver();
		for (const { key, body } of outbox)
			if (inFlight?.key != key && !(now() < notBefore && read(key)) &&
				navigator.sendBeacon(endpoint, body)) notify(body);
	};

	/* --- what visitors do ---------------------------------------------------- */

	let page;            // address of the last page view
	let depth;           // percent scrolled, in steps
	let fields;          // form fields that were focused
	let engaged = 0;     // ms
	let lastActive = 0;  // 0: the page is hidden

	const addPageview = () => {
		if (page == location.href) return;
		const referrer = page || document.referrer;
		addEngagement();
		page = location.href;
		depth = 0;
		fields = new Set();
		if (wants("pageview")) addToBatch("pageview", {
			title: document.title, referrer, language: navigator.language,
			screen: screen.width + "x" + screen.height,
			viewport: innerWidth + "x" + innerHeight,
		});
	};

	// Time counts for as long as something happens, and a while after.
	const noteActivity = () => {
		if (lastActive) engaged += Math.min(now() - lastActive, idleTime);
		lastActive = document.hidden ? 0 : now();
	};

	const addEngagement = () => {
		noteActivity();
		if (engaged >= 1000 && wants("engagement"))
			addToBatch("engagement", { seconds: engaged / 1000 }, page);
		engaged = 0;
	};

	const onClick = ({ target, button }) => {
		const link = target.closest("a[href]");
		const tracked = target.closest("[data-track]");
		if (button > 1 || !(link || tracked)) return;
		addToBatch(link?.hasAttribute("download") ||
			/\.(pdf|zip|gz|dmg|exe|csv|xlsx?|docx?|pptx?|mp[34])$/i.test(link?.pathname) ? "download"
			: /^http/.test(link) && link.host != location.host ? "outbound" : "click", {
			name: tracked?.dataset.track, href: link?.href,
			text: (link || tracked).innerText.slice(0, 100),
		});
	};

	const onScroll = () => {
		const seen = (scrollY + innerHeight + 2) * 100 / document.documentElement.scrollHeight;
		while (depth < 100 && seen >= depth + 25) addToBatch("scroll", { depth: depth += 25 });
	};

	// Attributes, because a field that is called "id" hides the form's property.
	const nameOf = (element) => element.getAttribute("name") || element.getAttribute("id");

	const onFocus = ({ target }) => {
		if (!target.form || fields.has(target)) return;
		fields.add(target);
		addToBatch("form_focus", { form: nameOf(target.form), field: nameOf(target) });
	};

	const onSubmit = ({ target }) => addToBatch("form_submit", {
		form: nameOf(target),
		fields: [...new Set(Array.from(target.querySelectorAll("[name]"), nameOf))],
	});

	// While they are captured, the document's events pass the window, too.
	const on = (types, listener) => types.split(" ").forEach((type) =>
		addEventListener(type, guard(listener), { capture: true, passive: true }));

	const start = guard(() => {
		addPageview();
		for (const name of ["pushState", "replaceState"]) {
			const original = history[name];
			history[name] = (...args) => {
				setTimeout(guard(addPageview)); // when the page has set its new title
				return original.apply(history, args);
			};
		}
		on("popstate hashchange", addPageview);
		on("scroll keydown pointerdown pointermove", noteActivity);
		if (wants("click")) on("click auxclick", onClick);
		if (wants("scroll")) on("scroll", onScroll);
		if (wants("form")) {
			on("focusin", onFocus);
			on("submit", onSubmit);
		}
		on("visibilitychange", () => document.hidden ? leave() : noteActivity());
		on("pagehide", leave);
		on("pageshow", () => {
			left = false;
			lastActive = now();
		});
		on("online", () => {
			if (unanswered) notBefore = 0;
			deliver();
		});
		on("securitypolicyviolation", ({ blockedURI }) => {
			if (blockedURI == endpoint) pixelOnly = true;
		});
		on("storage", ({ key, newValue }) => {
			if (key == prefix + "consent") setPermission(newValue);
		});
		adopt();
		setInterval(adopt, claimTime);
		if (wants("vitals") || isOn(config.errors)) {
			const more = document.createElement("script");
			more.src = new URL("tracking-vitals.js", script.src);
			more.nonce = script.nonce;
			document.head.append(more);
		}
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
		track: guard((name, data) => addToBatch(name + "", data)),
		identify: guard((id) => {
			flush();
			identify(id || "vis_" + newId());
		}),
		consent: guard(setPermission),
		flush,
		push: guard((...calls) => calls.forEach(([name, ...args]) => api[name](...args))),
	};

	const early = window.millrace;
	window.millrace = api;
	if (document.prerendering) on("prerenderingchange", start);
	else start();
	if (Array.isArray(early)) api.push(...early);
})();
