// Exports by client and destination, and the button that starts one.

import * as api from "./api.js";
import { isLate } from "./alerts.js";
import { $, h, setRows, setText } from "./dom.js";
import * as format from "./format.js";

const RUNS = 20;

const take = (client, destination) => ({
	client: client.client ?? client.name ?? destination.client ?? "default",
	frequency: destination.frequency ?? client.frequency,
	scheduleS: destination.schedule_s ?? client.schedule_s,
	format: destination.format ?? client.format,
	destination: destination.destination ?? destination.name ?? format.NONE,
	url: destination.url ?? destination.bucket,
	lagS: destination.lag_s ?? destination.lag_seconds ?? NaN,
	events: destination.events ?? NaN, bytes: destination.bytes ?? NaN,
	lastSuccess: destination.last_success, lastError: destination.last_error || null,
	lastErrorAt: destination.last_error_at,
});

// The answer of /export/status in the form that is used here.
export const read = (answer) => {
	const nested = (answer.clients ?? []).flatMap((client) =>
		(client.destinations ?? []).map((destination) => take(client, destination)));
	const flat = (answer.destinations ?? []).map((destination) => take({}, destination));
	return { status: answer.status, exported: answer.exported_events ?? NaN,
		pending: answer.pending_events ?? NaN, runs: answer.runs ?? answer.last_runs ?? [],
		destinations: [...nested, ...flat] };
};

const time = (at) => at ? h("time", { datetime: at, title: format.utc(at) }, format.moment(at)) : format.NONE;

const HEADS = ["Destination", "Behind", "Last success", "Exported", "Last error"];

const row = (destination) => {
	const lag = Number.isFinite(destination.lagS) ? format.span(destination.lagS) : format.NONE;
	const cells = [
		h("th", { scope: "row" }, destination.destination,
			...(destination.url && destination.url !== destination.destination ? [h("small", {}, destination.url)] : [])),
		h("td", { "data-late": isLate(destination) ? "" : null }, lag,
			...(isLate(destination) ? [h("small", {}, "late")] : [])),
		h("td", {}, time(destination.lastSuccess)),
		h("td", {}, `${format.count(destination.events)} events`, h("small", {}, format.bytes(destination.bytes))),
		h("td", { "data-late": destination.lastError ? "" : null }, destination.lastError ?? "none",
			...(destination.lastErrorAt ? [h("small", {}, time(destination.lastErrorAt))] : [])),
	];
	cells.forEach((cell, i) => cell.setAttribute("data-head", HEADS[i]));
	return h("tr", {}, cells);
};

const told = new Map();  // client: what became of the last click

const section = (client, destinations) => {
	const id = `client-${client.replace(/\W/g, "-")}`;
	const button = h("button", { type: "button", "aria-describedby": id }, "Export now");
	button.addEventListener("click", () => confirm(client, destinations, button));
	const [{ frequency, format: kind }] = destinations;
	return h("section", { class: "client", "aria-labelledby": id, "data-client": client },
		h("div", { class: "head" }, h("h3", { id }, client,
			h("small", {}, [frequency, kind].filter(Boolean).join(", "))),
		h("span", { class: "note", role: "status" }, told.get(client) ?? ""), button),
		h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Destinations of ${client}` },
			h("table", { class: "stack" }, h("thead", {}, h("tr", {},
				HEADS.map((text) => h("th", { scope: "col" }, text)))),
			h("tbody", {}, destinations.map(row)))));
};

const tell = (client, text) => {
	told.set(client, text);
	const found = [...$("exports").children].find(({ dataset }) => dataset.client === client);
	if (found) setText(found.querySelector("[role=status]"), text);
};

const start = async (client) => {
	tell(client, "Starting …");
	try {
		const answer = await api.exportRun(client);
		tell(client, answer.run_id ? `Started: ${answer.run_id}` : `${answer.status ?? "Started"}`);
	} catch (error) {
		tell(client, `Not started: ${error.message}`);
	}
};

const confirm = (client, destinations, button) => {
	setText($("run-title"), `Export ${client} now?`);
	setText($("run-say"), `What was not exported yet goes to ${
		destinations.map(({ destination }) => destination).join(" and ")}.`);
	$("run-yes").onclick = () => {
		$("run").close();
		start(client);
	};
	$("run-no").onclick = () => $("run").close();
	$("run").onclose = () => button.isConnected && button.focus();
	$("run").showModal();
};

const group = (destinations) => {
	const clients = new Map();
	for (const destination of destinations)
		clients.set(destination.client, [...(clients.get(destination.client) ?? []), destination]);
	return clients;
};

// Nothing is rebuilt while it looks the same, so that focus and what is read stay.
let before = "";

export const show = (exports) => {
	const text = exports ? `${format.count(exports.exported)} exported, ${format.count(exports.pending)} wait` : "";
	setText($("exports-note"), text);
	const now = JSON.stringify([exports && exports.destinations, new Date().getDate()]);
	if (now === before || $("exports").matches(":focus-within") || $("run").open) return;
	before = now;
	const clients = group(exports?.destinations ?? []);
	$("exports").replaceChildren(...[...clients].map(([client, list]) => section(client, list)));
	if (!clients.size) $("exports").append(h("p", { class: "empty" }, exports === null
		? "This server exports nothing: it has no /export/status."
		: "No client is configured: add a section [client NAME] to millrace.ini."));
};

const runCells = (run) => [format.moment(run.started_at ?? run.started), run.client ?? format.NONE,
	[run.status ?? format.NONE, run.error].filter(Boolean).join(": "), format.count(run.events ?? NaN),
	format.bytes(run.bytes ?? NaN)];

export const showRuns = (exports) => {
	const runs = exports?.runs ?? [];
	$("runs").hidden = runs.length === 0;
	setRows($("runs-rows"), runs.slice(0, RUNS).map(runCells));
};

export const failed = (error) => setText($("exports-note"), error.status === 503
	? "the database does not answer" : error.message);

export const forget = () => {
	before = "";
	told.clear();
	$("exports").replaceChildren();
};
