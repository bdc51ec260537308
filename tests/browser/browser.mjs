// What the browser tests share: the settings from server.py, Chromium, SQL.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";

import { DEADLINE_MS } from "./tap.mjs";

export const settings = JSON.parse(process.argv[2]);

// The packages lie beside what they are for, not beside the tests.
const packages = createRequire(`${settings.srcdir}/www/package.json`);
export const axeSource = () => packages("axe-core").source;

// Chromium, which gives nothing up before the deadline. more: options of playwright's launch().
export const launch = async (more = {}) => {
	const browser = await packages("playwright-core").chromium.launch({
		executablePath: settings.browser,
		args: process.getuid() === 0 ? ["--no-sandbox"] : [],
		timeout: DEADLINE_MS,
		...more,
	});
	const newContext = browser.newContext.bind(browser);
	browser.newContext = async (...options) => {
		const context = await newContext(...options);
		context.setDefaultTimeout(DEADLINE_MS);
		return context;
	};
	return browser;
};

// One psql for all that is asked, one thing after the other: to start one takes longer than
// most answers, and many are asked for until there is something.
const END = "-- that was all --\n";
let psql;
let asked = Promise.resolve();

const start = () => {
	const process = spawn("sh", ["-c", 'exec "$0" "$@" 2>&1', settings.psql, "-XqAt", settings.dsn]);
	process.stdin.on("error", () => {});    // its end is seen by that of its output
	process.stdout.setEncoding("utf8");
	process.stdout.on("close", () => psql = undefined);
	return process;
};

const ask = (sql) => new Promise((resolve, reject) => {
	psql ??= start();
	const { stdin, stdout } = psql;
	const parts = [];
	const listen = (part) => {
		parts.push(part);
		if (parts.slice(-END.length).join("").endsWith(END)) end();
	};
	const end = () => {
		stdout.off("data", listen).off("close", end);
		// It must not keep node alive when the tests are over.
		for (const handle of [stdin, stdout, psql]) handle?.unref();
		const text = parts.join("");
		text.endsWith(END) ? resolve(text.slice(0, -END.length)) : reject(new Error(text));
	};
	psql.ref();
	stdout.ref();
	stdout.on("data", listen).on("close", end);
	stdin.write(`${sql};\n\\echo ${END}`);
});

// Rows of one SELECT, as objects.
export const query = (sql) => {
	const text = `SELECT coalesce(json_agg(row_to_json(found)), '[]') FROM (${sql}) AS found`;
	// A server that was started anew has ended the connection.
	const answer = asked.then(() => ask(text)).catch(() => ask(text)).then((found) => {
		try {
			return JSON.parse(found);
		} catch {
			throw new Error(found);
		}
	});
	asked = answer.catch(() => {});
	return answer;
};

// Events of a site without the batches' envelopes, in the order of their ids.
export const events = (site, where = "true") => query(
	`SELECT event_type AS type, session_id AS session, visitor_id AS visitor, client_ip, user_agent,
	payload->'eventData' AS data, payload->>'url' AS url, payload FROM events
	WHERE site_id = '${site}' AND event_type <> 'batch' AND ${where} ORDER BY id`);

// Collects what a page must never say.
export const watch = (page) => {
	const problems = [];
	page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
	page.on("console", (message) => {
		if (message.type() === "error") problems.push(`console: ${message.text()}`);
	});
	return problems;
};
