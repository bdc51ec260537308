// Health at a glance, the alerts, and the numbers.

import { $, h, setState, setText } from "./dom.js";
import * as format from "./format.js";

const OLD_S = 900;   // events that wait longer in the spool than this are told

const HEALTH = {
	healthy: ["Healthy", "Events are committed to the database as they come."],
	degraded: ["Degraded", "The database is away. Events are kept in the spool and stored when it is back."],
	unhealthy: ["Unhealthy", "Neither database nor spool can take events: senders get 503."],
	unknown: ["No answer", "The server cannot be reached."],
};

let spoken = null;
const lit = new Set();

const announce = (text) => setText($("announce"), text);

const setFact = (name, text) => setText($(`fact-${name}`), text);

// answer: of /health; null when there was none. why: what to say then.
export const showHealth = (answer, why) => {
	const state = HEALTH[answer?.status] ? answer.status : "unknown";
	const [word, say] = HEALTH[state];
	setState($("health"), state);
	setText($("health-word"), word);
	const spooling = answer?.database === "not used" && state === "healthy";
	setText($("health-say"), why ?? (spooling ? "Events are kept in the spool; cron stores them." : say));
	setText($("health-error"), answer?.error ?? "");
	if (spoken !== state) announce(`${word}. ${why ?? say}`);
	spoken = state;
	setFact("database", answer?.database ?? format.NONE);
	if (answer?.version) setFact("version", answer.version);
	document.title = state === "healthy" ? "millrace dashboard" : `${word} – millrace dashboard`;
};

// Without /metrics, /health tells at least of the worker that answered.
export const showWorkers = (metrics, answer) => {
	const now = Date.now() / 1000;
	const started = metrics?.get("oldest_worker_start_time_seconds") ?? NaN;
	const workers = metrics?.get("workers") ?? NaN;
	setFact("workers", format.count(workers));
	setFact("uptime", format.span(Number.isFinite(started) ? now - started : answer?.uptime_s));
	const build = metrics?.all("build_info")[0]?.labels.version;
	if (build) setFact("version", build);
};

const ALERT_WORDS = { lit: "Alert", fine: "Fine", off: "Off", waiting: "Waiting" };

const makeAlert = ({ id }) => h("li", { id: `alert-${id}`, "data-state": "waiting" },
	h("span", { class: "lamp", "aria-hidden": "true" }),
	h("div", {}, h("h3"), h("p"), h("small")), h("span", { class: "tag" }));

// How far back numbers go: no further than to when the page was opened.
const back = (recent, s, whole) => {
	if (!recent) return "from now on";
	return recent.seconds > 0.9 * s ? whole : `over the last ${format.span(Math.round(recent.seconds))}`;
};

export const showAlerts = (alerts, recent) => {
	setText($("alerts-note"), back(recent, 300, "over the last 5 minutes"));
	for (const alert of alerts) {
		const item = $(`alert-${alert.id}`) ?? $("alerts").appendChild(makeAlert(alert));
		setState(item, alert.state);
		setText(item.querySelector("h3"), alert.title);
		setText(item.querySelector("small"), `lights ${alert.rule}`);
		setText(item.querySelector("p"), alert.say);
		setText(item.querySelector(".tag"), ALERT_WORDS[alert.state]);
		if (alert.state === "lit" && !lit.has(alert.id)) announce(`Alert: ${alert.title}, ${alert.say}`);
		if (alert.state !== "lit" && lit.has(alert.id)) announce(`${alert.title}: over`);
		if (alert.state === "lit") lit.add(alert.id);
		else lit.delete(alert.id);
	}
};

const REASONS = {
	invalid: "invalid", database: "refused by the database", malformed: "not JSON or not valid",
	no_length: "without a length", too_large: "too large", encoding: "unknown encoding",
};

const list = (pairs) => pairs.map(([reason, n]) => `${format.count(n)} ${REASONS[reason] ?? reason}`).join(", ");

const spoolSay = (metrics) => {
	const put = metrics.get("spool_quarantine_files");
	const damaged = put > 0 ? `, ${format.count(put)} damaged put aside` : "";
	if (!(metrics.get("spool_segments") > 0)) return `nothing waits${damaged}`;
	return `${format.bytes(metrics.get("spool_bytes"))}, oldest ${
		format.span(metrics.get("spool_oldest_age_seconds"))}${damaged}`;
};

// [id, title, (metrics, minute) => [value, what it says, state]]
const TILES = [
	["rate", "Events per second", (m, minute) => {
		const queued = minute?.queuedRate > 0 ? `, ${format.rate(minute.queuedRate)} of them to the spool` : "";
		return [format.rate(minute ? minute.storedRate + minute.queuedRate : NaN), `${back(minute, 60, "over the last minute")}${queued}`];
	}],
	["stored", "Events stored", (m) => [format.count(m.get("events_total", { outcome: "stored" })),
		`${format.count(m.get("commits_total"))} commits`]],
	["queued", "Sent to the spool", (m) => [format.count(m.get("events_total", { outcome: "queued" })),
		`events, in ${format.count(m.get("groups_spooled_total"))} groups`]],
	["spool", "Waiting in the spool", (m) => m.all("spool_bytes").length
		? [format.count(m.get("spool_records")), spoolSay(m),
			m.get("spool_oldest_age_seconds") > OLD_S || m.get("spool_quarantine_files") > 0 ? "bad"
				: m.get("spool_records") > 0 ? "open" : null]
		: [format.NONE, "no spool is configured"]],
	["rejected", "Events rejected", (m) => [format.count(m.get("events_total", { outcome: "rejected" })),
		list(m.by("events_rejected_total", "reason")) || "none"]],
	["refused", "Requests refused", (m) => {
		const away = m.get("requests_total", { outcome: "unavailable" });
		const reasons = list(m.by("requests_rejected_total", "reason")) || "none";
		return [format.count(m.get("requests_total", { outcome: "rejected" })),
			away > 0 ? `${reasons}; ${format.count(away)} answered 503` : reasons];
	}],
];

// metrics: null where the server has none, undefined before they came.
export const showTiles = (metrics, minute) => {
	for (const [id, title, read] of TILES) {
		const tile = $(`tile-${id}`) ?? $("tiles").appendChild(h("div", { id: `tile-${id}` },
			h("dt", {}, title), h("dd", { class: "value" }), h("dd", { class: "say" })));
		const [value, say, state] = metrics ? read(metrics, minute)
			: [format.NONE, metrics === null ? "this server has no /metrics" : " "];
		setText(tile.children[1], value);
		setText(tile.children[2], say);
		setState(tile, state ?? "plain");
	}
};
