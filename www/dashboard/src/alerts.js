// The four alerts that the manual of the FastAPI backend lists, with the numbers
// that they are judged by.

import * as format from "./format.js";

const FAILURES = 0.01;
export const BATCH = 5;
const WAIT_S = 1;
const FEW = 20;          // requests that say something about an average
const SCHEDULE_S = { realtime: 300, hourly: 3600, daily: 86400 };
const RUN_S = 300;       // what an export may take once it is due

const lit = (say) => ({ state: "lit", say });
const fine = (say) => ({ state: "fine", say });
const off = (say) => ({ state: "off", say });
const waiting = (say) => ({ state: "waiting", say });

const failures = ({ health, recent }) => {
	if (health?.database === "not used") return off("every group goes to the spool here");
	if (!recent) return waiting("nothing seen yet");
	if (!recent.groups) return fine("no inserts in this time");
	const say = `${format.percent(recent.failureShare)} of ${format.count(recent.groups)} inserts`;
	return recent.failureShare > FAILURES ? lit(say) : fine(say);
};

const batches = ({ recent }) => {
	if (!recent) return waiting("nothing seen yet");
	if (!recent.requests) return fine("no requests in this time");
	if (recent.requests < FEW) return fine(`${format.count(recent.requests)} requests, too few to judge`);
	const say = `${format.rate(recent.batch)} events a request`;
	return recent.batch < BATCH ? lit(say) : fine(say);
};

const connections = ({ health, metrics, recent }) => {
	if (health?.database === "not used") return off("requests do not wait for the database here");
	if (metrics.get("database_up") === 0 || health?.database === "disconnected")
		return lit("the database does not answer");
	if (!Number.isFinite(recent?.p99)) return fine("the database answers");
	const say = `99 of 100 requests within ${format.rate(recent.p99 * 1000)} ms`;
	return recent.p99 > WAIT_S ? lit(say) : fine(say);
};

// How late a destination may be; NaN when nothing says so.
const allowedLag = ({ frequency }) => (SCHEDULE_S[frequency] ?? NaN) + RUN_S;

export const isLate = (destination) => destination.lagS > allowedLag(destination);

const lag = ({ exports }) => {
	if (exports === null) return off("this server exports nothing");
	if (!exports) return waiting("not known yet");
	if (!exports.clients.length) return off("no client is configured");
	const late = exports.destinations.filter(isLate);
	if (late.length)
		return lit(`${late.map(({ client }) => client).filter((name, i, all) => all.indexOf(name) === i)
			.join(", ")}: ${format.span(Math.max(...late.map(({ lagS }) => lagS)))} behind`);
	const worst = Math.max(...exports.destinations.map(({ lagS }) => lagS).filter(Number.isFinite));
	return fine(Number.isFinite(worst) ? `at most ${format.span(worst)} behind` : "nothing waits");
};

const RULES = [
	{ id: "failures", title: "Insert failures", rule: "above 1 %", judge: failures, counts: true },
	{ id: "batches", title: "Small batches", rule: "below 5 events", judge: batches, counts: true },
	{ id: "connections", title: "Database connections", rule: "above 1 s, or without an answer", judge: connections, counts: true },
	{ id: "lag", title: "Export lag", rule: "beyond the schedule", judge: lag },
];

// what: { health, metrics, recent, exports }; metrics is undefined before the first
// answer and null where the server has none; so is exports.
export const judge = (what) => RULES.map(({ id, title, rule, judge: say, counts }) => {
	const unknown = counts && !what.metrics;
	return { id, title, rule, ...(unknown ? what.metrics === null ? off("this server has no /metrics")
		: waiting("not known yet") : say(what)) };
});
