// The dashboard: asks for the token when one is needed, then keeps asking the
// server how it is. It uses what the server offers to every administrator: /health,
// /metrics, /events/recent and /export/.

import { BATCH, judge } from "./alerts.js";
import * as api from "./api.js";
import { Chart } from "./chart.js";
import { $, setText } from "./dom.js";
import * as events from "./events.js";
import * as exportsView from "./exports.js";
import * as format from "./format.js";
import { History, parse } from "./metrics.js";
import * as numbers from "./numbers.js";
import { Poller, setPaused } from "./poll.js";

const COUNT_MS = 2000;
const EVENTS_MS = 3000;
const EXPORTS_MS = 15000;
const NOTHING_MS = 300000;   // until an endpoint that a server lacks is tried again
const WINDOW_MS = 300000;
const GAP_MS = 15000;
const MINUTE_MS = 60000;

const history = new History(WINDOW_MS, GAP_MS);
// undefined: not known yet; null: this server has none.
let last = { health: undefined, metrics: undefined, exports: undefined };
let charts = null;

const makeCharts = () => ({
	rate: new Chart("rate", { least: 1, windowMs: WINDOW_MS, series: [
		{ label: "stored", color: "--accent", fill: "--tint", unit: "/s", read: ({ storedRate }) => storedRate },
		{ label: "to the spool", color: "--open", dash: [6, 4], unit: "/s", read: ({ queuedRate }) => queuedRate },
	] }),
	batch: new Chart("batch", { least: 8, windowMs: WINDOW_MS, series: [
		{ label: "events a request", color: "--accent", unit: "", read: ({ batch }) => batch },
	], limit: { label: `alert below ${BATCH}`, color: "--bad", dash: [3, 4], at: BATCH } }),
});

const show = () => {
	const recent = last.metrics ? history.over() : null;
	numbers.showAlerts(judge({ ...last, recent }), recent);
	numbers.showTiles(last.metrics, history.over(MINUTE_MS));
	numbers.showWorkers(last.metrics, last.health);
	charts.rate.show(history.steps);
	charts.batch.show(history.steps);
};

// null when the server has no such endpoint.
const orNone = async (answer) => {
	try {
		return await answer;
	} catch (error) {
		if (error.status === 404) return null;
		throw error;
	}
};

// An endpoint that was not there is left alone for a while.
const seldom = (answers) => {
	let none = -Infinity;
	return async () => {
		if (Date.now() - none < NOTHING_MS) return null;
		const answer = await orNone(answers());
		if (answer === null) none = Date.now();
		return answer;
	};
};
const metrics = seldom(api.metrics);
const exportStatus = seldom(api.exportStatus);
const exportConfig = seldom(api.exportConfig);

const count = async (current) => {
	const [health, text] = await Promise.all([api.health(), metrics()]);
	if (!current()) return;
	const was = last.health?.database;
	last.health = health;
	last.metrics = text === null ? null : parse(text);
	if (last.metrics) history.add(last.metrics);
	// What waited for the database need not wait longer.
	if (was === "disconnected" && health.database !== was) for (const poller of pollers.slice(1)) poller.start();
	numbers.showHealth(health);
	show();
	setText($("updated"), format.timeOfDay(Date.now()));
};

const askExports = async (current) => {
	const status = await exportStatus();
	const config = status && await exportConfig();
	if (!current()) return;
	last.exports = status && exportsView.read(status, config);
	exportsView.show(last.exports);
	exportsView.showRuns(last.exports);
};

// A token that was good may have been changed on the server.
const unlessRefused = (tell) => (error) => {
	if (error.status === 401 || error.status === 403) signIn(error.message);
	else tell(error);
};

const countFailed = (error) => {
	numbers.showHealth(null, `${error.message[0].toUpperCase()}${error.message.slice(1)}. Trying again.`);
};

// Where the database is known to be away, nothing that needs it is asked for.
const withDatabase = (work) => async (current) => {
	if (last.health?.database === "disconnected") throw new api.Failure(503, "the database is away");
	return work(current);
};

const pollers = [
	new Poller(count, COUNT_MS, unlessRefused(countFailed)),
	new Poller(withDatabase(events.poll), EVENTS_MS, unlessRefused(events.failed)),
	new Poller(withDatabase(askExports), EXPORTS_MS, unlessRefused(exportsView.failed)),
];

const only = (id) => {
	for (const part of ["starting", "signin", "board"]) $(part).hidden = part !== id;
	$("pause").hidden = id !== "board";
	$("forget").hidden = id !== "board" || !api.hasToken();
	$("updated").parentElement.hidden = id !== "board";
};

const signIn = (why) => {
	for (const poller of pollers) poller.stop();
	api.setToken("");
	history.forget();
	last = { health: undefined, metrics: undefined, exports: undefined };
	events.forget();
	exportsView.forget();
	setText($("updated"), format.NONE);
	setText($("signin-error"), why ?? "");
	only("signin");
	$("token").value = "";
	$("token").focus();
};

const open = () => {
	only("board");
	charts ??= makeCharts();
	show();
	for (const poller of pollers) poller.start();
};

const REFUSALS = {
	wrong: "The server does not take this token. Compare it with the one that token_sha256 was made of.",
	closed: "No admin token is configured on the server, so it answers only on the machine itself. Set token_sha256 in millrace.ini.",
};

// Opens the board if the server lets us; else says why not.
const enter = async () => {
	try {
		const result = await api.tryToken();
		if (result === "ok") open();
		else signIn(REFUSALS[result]);
	} catch (failure) {
		signIn(`That did not work: ${failure.message}.`);
	}
};

$("signin-form").addEventListener("submit", (event) => {
	event.preventDefault();
	setText($("signin-error"), "");
	api.setToken($("token").value.trim());
	enter();
});

$("forget").addEventListener("click", () => {
	signIn();
	setText($("announce"), "The token is forgotten.");
});

$("pause").addEventListener("click", () => {
	const pause = $("pause").getAttribute("aria-pressed") !== "true";
	$("pause").setAttribute("aria-pressed", String(pause));
	setPaused(pause);
	if (pause) setText($("updated"), "paused");
});

events.wire(() => pollers[1].start());
setText($("place"), location.host);
enter();
