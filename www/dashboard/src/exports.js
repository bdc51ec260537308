// Exports by client and destination, and the button that starts one.

import * as api from "./api.js";
import { isLate } from "./alerts.js";
import { $, h, setRows, setText } from "./dom.js";
import * as format from "./format.js";

const RUNS = 20;

const take = ({ client }, config, destination) => ({
	client, frequency: config?.frequency, format: config?.format,
	destination: destination.destination, url: destination.url,
	lagS: destination.lag_seconds, pending: destination.pending_events,
	events: destination.events, bytes: destination.bytes,
	lastSuccess: destination.last_success,
	lastError: destination.last_error, lastErrorAt: destination.last_error_at,
});

// The answers of /export/status and /export/config (or null) in the form that is used
// here. A client that was never exported has no destinations yet.
export const read = (status, config) => {
	const clients = status.clients.map((client) => {
		const configured = config?.clients.find((one) => one.client === client.client);
		return { name: client.client, format: configured?.format, frequency: configured?.frequency,
			destinations: client.destinations.map((one) => take(client, configured, one)) };
	});
	return { exported: status.exported_events, pending: status.pending_events, runs: status.runs,
		strays: status.sites_without_client, clients,
		destinations: clients.flatMap(({ destinations }) => destinations) };
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

const section = ({ name, frequency, format: kind, destinations }) => {
	const id = `client-${name.replace(/\W/g, "-")}`;
	const button = h("button", { type: "button", "aria-describedby": id }, "Export now");
	button.addEventListener("click", () => confirm(name, destinations, button));
	const table = h("table", { class: "stack" }, h("thead", {}, h("tr", {},
		HEADS.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, destinations.map(row)));
	return h("section", { class: "client", "aria-labelledby": id, "data-client": name },
		h("div", { class: "head" },
			h("h3", { id }, name, h("small", {}, [frequency, kind].filter(Boolean).join(", "))),
			h("span", { class: "note", role: "status" }, told.get(name) ?? ""), button),
		destinations.length
			? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Destinations of ${name}` }, table)
			: h("p", { class: "note" }, "Nothing was exported yet."));
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
		tell(client, answer.message ?? answer.status);
	} catch (error) {
		tell(client, `Not started: ${error.message}`);
	}
};

const confirm = (client, destinations, button) => {
	setText($("run-title"), `Export ${client} now?`);
	const where = destinations.map(({ destination, url }) => url ?? destination).join(" and ");
	setText($("run-say"), `What was not exported yet goes to ${where || "its destinations"}.`);
	$("run-yes").onclick = () => {
		$("run").close();
		start(client);
	};
	$("run-no").onclick = () => $("run").close();
	$("run").onclose = () => button.isConnected && button.focus();
	$("run").showModal();
};

// Nothing is rebuilt while it looks the same, so that focus and what is read stay.
let before = "";

const note = ({ exported, pending, strays }) => [`${format.count(exported)} exported`,
	`${format.count(pending)} wait`,
	...(strays > 0 ? [`${format.count(strays)} sites without a client`] : [])].join(", ");

export const show = (exports) => {
	setText($("exports-note"), exports ? note(exports) : "");
	const now = JSON.stringify([exports && exports.clients, new Date().getDate()]);
	if (now === before || $("exports").matches(":focus-within") || $("run").open) return;
	before = now;
	$("exports").replaceChildren(...(exports?.clients ?? []).map(section));
	if (!exports?.clients.length) $("exports").append(h("p", { class: "empty" }, exports === null
		? "This server exports nothing: it has no /export/status."
		: "No client is configured: add a section [client NAME] to millrace.ini."));
};

const runCells = ({ requested_at, started_at, client, status, error, events, bytes }) => [
	format.moment(started_at ?? requested_at), client ?? "all", [status, error].filter(Boolean).join(": "),
	format.count(events), format.bytes(bytes)];

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
