/*
 * The demo: a shop's little behaviour, and beside it what the tracker sent and
 * what the server stored. Loaded before tracking.js, whose settings it makes.
 */
(() => {
	"use strict";

	const site = "demo";
	const maxBatches = 20;
	const maxRows = 30;
	const pollTime = 2000; // ms
	const health = new URL("../health", document.currentScript.src);
	const recent = new URL("../events/recent", document.currentScript.src);
	recent.search = new URLSearchParams({ site, limit: maxRows });

	const $ = (id) => document.getElementById(id);

	const make = (tag, text, className) => {
		const element = document.createElement(tag);
		if (text !== undefined) element.textContent = text;
		if (className) element.className = className;
		return element;
	};

	const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

	const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });

	/* --- what was sent -------------------------------------------------------- */

	const shown = new Map(); // batchId: the batch's entry and its state
	let acknowledged = 0;
	let attempts = 0;

	const outcome = (status) => status === undefined ? ["left with the page", "open"]
		: status === 0 ? ["no answer, will try again", "bad"]
		: status < 0 ? ["given up", "bad"]
		: status < 300 ? [`answered ${status}`, "good"]
		: [`answered ${status}`, "bad"];

	const entryOf = (batch) => {
		const entry = shown.get(batch.batchId);
		if (entry) return entry;
		const item = make("li");
		const head = make("p", undefined, "head");
		const status = make("span", "", "status");
		head.append(make("time", clock(batch.timestamp)), status);
		const types = make("p", undefined, "types");
		for (const event of batch.events.slice(0, 12)) types.append(make("span", event.eventType));
		if (batch.events.length > 12) types.append(`and ${batch.events.length - 12} more`);
		const details = make("details");
		const answer = make("pre", "no answer yet");
		details.append(make("summary", "The batch and the answer"),
			make("pre", JSON.stringify(batch, null, 1)), answer);
		item.append(head, types, details);
		$("sent").prepend(item);
		const made = { item, status, answer, done: false };
		shown.set(batch.batchId, made);
		if (shown.size > maxBatches) {
			const [[oldest, { item: last }]] = shown;
			last.remove();
			shown.delete(oldest);
		}
		return made;
	};

	const afterSend = async (body, status, response) => {
		const batch = JSON.parse(body);
		const entry = entryOf(batch);
		const [text, kind] = outcome(status);
		entry.status.textContent = `${count(batch.events.length, "event")}, ${text}`;
		entry.status.className = `status ${kind}`;
		attempts++;
		if (kind === "good" && !entry.done) {
			entry.done = true;
			acknowledged += batch.events.length;
		}
		$("count").textContent = acknowledged;
		$("sent-summary").textContent =
			`${count(acknowledged, "event")} of this page acknowledged, ${count(attempts, "request")}.`;
		$("latest").textContent = `, the last batch ${text}`;
		if (response?.text) entry.answer.textContent = await response.text();
		if (kind === "good") poll();
	};

	/* --- why nothing is sent ----------------------------------------------------- */

	const choice = () => {
		try {
			return localStorage.getItem(`millrace:${site}:consent`);
		} catch {
			return null; // forbidden: only the browser's wish is known
		}
	};

	const sayWhyNot = () => {
		const asked = navigator.globalPrivacyControl || navigator.doNotTrack === "1";
		const why = !window.millrace?.track ? "tracking.js was not loaded: something holds it back."
			: choice() === "denied" ? "You denied consent: nothing is noted or sent until it is granted."
			: asked && !choice() ? "Your browser asks not to be tracked, so nothing is noted or sent " +
				"unless you press consent(\"granted\")."
			: "";
		$("why-not").textContent = why;
		$("why-not").hidden = !why;
		$("sent-summary").hidden = why !== "" && !attempts;
		return why;
	};

	addEventListener("load", sayWhyNot);
	addEventListener("storage", sayWhyNot);

	window.millraceConfig = {
		afterSend,
		// What happens in the panel is not what the demo is about.
		beforeSend: (event) => event.eventData?.form !== "token" && event,
	};

	/* --- what the server stored ------------------------------------------------ */

	let token = "";
	let newest = -1;
	let asking = false;
	let timer;

	try {
		token = sessionStorage.getItem("millrace-demo-token") ?? "";
	} catch {
		// It is asked for on each page, then.
	}

	// What tells most about an event, which may be anybody's.
	const summaryOf = ({ event_type: type, payload: { eventData, url } }) => {
		if (type === "batch") return "what the events of a batch share";
		if (type === "pageview" && url) return String(url).replace(/^https?:\/\/[^/]*/, "");
		const data = Object(eventData) === eventData ? eventData : { text: eventData };
		const { name, text, depth, field, fields, seconds, message, lcp, href, ...others } = data;
		return [name, text, depth && `${depth} %`, field, fields && String(fields).replaceAll(",", ", "),
			seconds && `${Math.round(seconds)} s`, message, lcp && `LCP ${lcp} ms`, href,
			Object.entries(others).map(([key, value]) => `${key}: ${value}`).join(", ")].find(Boolean) ?? "";
	};

	const showRows = (events) => {
		$("stored").replaceChildren(...events.map((event) => {
			const row = make("tr");
			if (newest >= 0 && event.id > newest) row.className = "new";
			row.append(make("td", event.id), make("td", event.event_type),
				make("td", summaryOf(event)), make("td", clock(event.created_at)));
			return row;
		}));
		newest = events[0]?.id ?? 0;
		$("stored-summary").textContent = events.length
			? `The newest ${count(events.length, "row")} of site ${site} in PostgreSQL.`
			: `No row of site ${site} is stored yet.`;
	};

	const askForToken = (status) => {
		$("token").hidden = false;
		$("stored").replaceChildren();
		$("stored-summary").textContent = !token ? "The server asks for the admin token."
			: status === 401 ? "The server does not take this token."
			: "The server has no admin token and shows events on its own machine only.";
		token = "";
	};

	// Whether no token is needed: /health tells its version to whom the rest is open, and
	// refuses nobody, so that nothing is asked for in vain.
	let isOpen = false;
	const opens = async () => {
		const response = await fetch(health, { headers: { Authorization: "Bearer none" } });
		return Boolean((await response.json()).version);
	};

	const ask = async () => {
		if (!token && !(isOpen ||= await opens())) return askForToken();
		const headers = token ? { Authorization: `Bearer ${token}` } : {};
		const response = await fetch(recent, { headers });
		if (response.status === 401 || response.status === 403) return askForToken(response.status);
		if (!response.ok) throw new Error(`answered ${response.status}`);
		showRows((await response.json()).events);
	};

	// Asks again after a while, unless nobody looks or the server wants a token.
	const poll = async () => {
		if (asking || document.hidden || !$("token").hidden) return;
		asking = true;
		clearTimeout(timer);
		try {
			await ask();
		} catch (error) {
			$("stored-summary").textContent = `The server cannot show events now (${error.message}).`;
		}
		asking = false;
		if ($("token").hidden) timer = setTimeout(poll, pollTime);
	};

	/* --- the shop ---------------------------------------------------------------- */

	const showShelf = () => {
		const shelf = new URLSearchParams(location.search).get("shelf") ?? "all";
		for (const link of $("routes").children) {
			const current = link.search === `?shelf=${shelf}`;
			current ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
		}
		for (const item of $("goods").children)
			item.hidden = shelf !== "all" && item.dataset.kind !== shelf;
	};

	const actions = {
		signup: () => {
			window.millrace.track("signup", { plan: "pro" });
			return "An event of type signup, with a plan, is on its way.";
		},
		burst: () => {
			for (let i = 1; i <= 100; i++) window.millrace.track("burst", { i });
			return "A hundred events leave at once, in batches of ten.";
		},
		identify: () => {
			window.millrace.identify("customer-7");
			return "From now on events say that they are of customer-7.";
		},
		error: () => {
			setTimeout(() => { throw new Error("thrown by the demo, on purpose"); });
			return "A script has failed, and the tracker reports it. The browser's console shows it as well.";
		},
		denied: () => {
			window.millrace.consent("denied");
			return "Nothing is noted any more. What this browser kept is deleted, except for this choice.";
		},
		granted: () => {
			window.millrace.consent("granted");
			return "The tracker notes again what you do.";
		},
	};

	const act = ({ target: { dataset } }) => {
		const action = actions[dataset.do];
		if (!action) return;
		const said = window.millrace?.track && action();
		const why = sayWhyNot();
		$("said").textContent = dataset.do === "denied" ? said : why || said;
	};

	const startShop = () => {
		$("routes").addEventListener("click", (event) => {
			if (!event.target.search) return;
			event.preventDefault();
			history.pushState({}, "", event.target.search);
			showShelf();
		});
		addEventListener("popstate", showShelf);
		showShelf();
		$("try").addEventListener("click", act);
		$("contact").addEventListener("submit", (event) => {
			event.preventDefault();
			event.target.reset();
			$("thanks").textContent = "Thank you. (Nothing was sent but the names of the fields.)";
		});
	};

	$("token").addEventListener("submit", (event) => {
		event.preventDefault();
		token = $("token-value").value.trim();
		try {
			sessionStorage.setItem("millrace-demo-token", token);
		} catch {
			// It is asked for on each page, then.
		}
		$("token-value").value = "";
		$("token").hidden = true;
		poll();
	});
	document.addEventListener("visibilitychange", poll);
	if ($("goods")) startShop();
	poll();
})();
