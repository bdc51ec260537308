// What the browser tests share: the settings from test_browser.py, Chromium, SQL.

import { execFile } from "node:child_process";
import { createRequire } from "node:module";

import { DEADLINE_MS } from "./tap.mjs";

export const settings = JSON.parse(process.argv[2]);

// The packages lie beside what they are for, not beside the tests.
const packages = createRequire(`${settings.srcdir}/www/package.json`);
export const axeSource = () => packages("axe-core").source;

export const launch = async () => {
	const browser = await packages("playwright-core").chromium.launch({
		executablePath: settings.chromium,
		args: process.getuid() === 0 ? ["--no-sandbox"] : [],
		timeout: DEADLINE_MS,
	});
	const newContext = browser.newContext.bind(browser);
	browser.newContext = async (...options) => {
		const context = await newContext(...options);
		context.setDefaultTimeout(DEADLINE_MS);
		return context;
	};
	return browser;
};

// Rows of one SELECT, as objects.
export const query = (sql) => new Promise((resolve, reject) => {
	const text = `SELECT coalesce(json_agg(row_to_json(found)), '[]') FROM (${sql}) AS found`;
	execFile(settings.psql, ["-XqAt", "-v", "ON_ERROR_STOP=1", settings.dsn, "-c", text],
		{ maxBuffer: 1 << 28 },
		(error, out, err) => error ? reject(new Error(err)) : resolve(JSON.parse(out)));
});

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
