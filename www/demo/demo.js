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
	const recent = new URL("../events/recent", document.currentScript.src);
	recent.search = new URLSearchParams({ site, limit: maxRows });

	const $ = (id) => document.getElementById(id);

	const make = (tag, text, className) => {
		const element = document.createElement(tag);
		if (text !== undefined) element.textContent = text;
		if (className) element.className = className;
		return element;
	};

	const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });

	/* --- what was sent -------------------------------------------------------- */

	const shown = new Map(); // batchId: the batch's entry and its state
	let acknowledged = 0;
	let attempts = 0;

	const outcome = (status) => status === undefined ? ["left with the page", "open"]
		: status === 0 ? ["no answer, will try again", "bad"]
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
		entry.status.textContent = `${batch.events.length} event(s), ${text}`;
		entry.status.className = `status ${kind}`;
		attempts++;
		if (kind === "good" && !entry.done) {
			entry.done = true;
			acknowledged += batch.events.length;
		}
		$("count").textContent = acknowledged;
		$("sent-summary").textContent =
			`${acknowledged} event(s) of this page acknowledged, ${attempts} request(s).`;
		if (response?.text) entry.answer.textContent = await response.text();
		if (kind === "good") poll();
	};

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

	const summaryOf = ({ payload: { eventData = {}, events, url, batchId } }) => {
		if (batchId && events === undefined && !url) return `batchId ${String(batchId).slice(0, 8)}…`;
		const { name, href, text, depth, field, fields, seconds, title, message, lcp } = eventData;
		return [name, text, depth && `${depth} %`, field, fields?.join(", "), seconds && `${seconds} s`,
			title, message, lcp && `LCP ${lcp} ms`, href].find(Boolean) ?? "";
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
			? `The newest ${events.length} rows of site ${site} in PostgreSQL.`
			: `No row of site ${site} is stored yet.`;
	};

	const askForToken = (status) => {
		$("token").hidden = false;
		$("stored").replaceChildren();
		$("stored-summary").textContent = status === 401 && token
			? "The server does not take this token."
			: status === 401 ? "The server asks for the admin token."
			: "The server has no admin token and shows events on its own machine only.";
		token = "";
	};

	const ask = async () => {
		const headers = token ? { Authorization: `Bearer ${token}` } : {};
		const response = await fetch(recent, { headers });
		if (response.status === 401 || response.status === 403) return askForToken(response.status);
		if (!response.ok) throw new Error(`answered ${response.status}`);
		$("token").hidden = true;
		showRows((await response.json()).events);
	};

	// Asks again after a while, unless nobody looks or the server wants a token.
	const poll = async () => {
		if (asking || document.hidden) return;
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
		signup: () => window.millrace.track("signup", { plan: "pro" }),
		burst: () => {
			for (let i = 1; i <= 100; i++) window.millrace.track("burst", { i });
		},
		identify: () => window.millrace.identify("customer-7"),
		error: () => setTimeout(() => { throw new Error("thrown by the demo, on purpose"); }),
		denied: () => window.millrace.consent("denied"),
		granted: () => window.millrace.consent("granted"),
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
		$("try").addEventListener("click", ({ target }) => actions[target.dataset.do]?.());
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
		poll();
	});
	document.addEventListener("visibilitychange", poll);
	if ($("goods")) startShop();
	poll();
})();
