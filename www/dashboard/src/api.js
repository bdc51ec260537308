// The server's endpoints, which lie beside the page's folder, and the admin token.

const KEY = "millrace-dashboard-token";
const TIMEOUT_MS = 15000;
const root = new URL("../", document.baseURI);

// An answer that is no success; status 0: there was none.
export class Failure extends Error {
	constructor(status, message, retryAfterS = 0) {
		super(message);
		this.status = status;
		this.retryAfterS = retryAfterS;
	}
}

// Where storage is forbidden, the token lasts as long as the page.
let token = "";
try {
	token = sessionStorage.getItem(KEY) ?? "";
} catch { /* as if it were empty */ }

export const hasToken = () => token !== "";

export const setToken = (value) => {
	token = value;
	try {
		if (value) sessionStorage.setItem(KEY, value);
		else sessionStorage.removeItem(KEY);
	} catch { /* see above */ }
};

const parse = (text) => {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
};

// One request. accept: statuses besides 2xx that carry an answer.
const ask = async (path, { method = "GET", query = {}, accept = [] } = {}) => {
	const url = new URL(path, root);
	for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
	// The header is there without a token, too: it is what asks /health for more.
	const headers = { Authorization: `Bearer ${token || "none"}` };
	let response, text;
	try {
		response = await fetch(url, { method, headers, cache: "no-store", credentials: "omit",
			referrerPolicy: "no-referrer", signal: AbortSignal.timeout(TIMEOUT_MS) });
		text = await response.text();
	} catch (error) {
		throw new Failure(0, error.name === "TimeoutError" ? "the server does not answer in time"
			: "the server cannot be reached");
	}
	if (!response.ok && !accept.includes(response.status))
		throw new Failure(response.status, parse(text)?.message ?? `the server answers ${response.status}`,
			Number(response.headers.get("Retry-After")) || 0);
	return text;
};

const json = async (...request) => {
	const answer = parse(await ask(...request));
	if (answer === null) throw new Failure(0, "the server's answer is not JSON");
	return answer;
};

export const health = () => json("health", { accept: [503] });
export const metrics = () => ask("metrics");
export const events = (limit, site) => json("events/recent", { query: { limit, site } });
export const exportStatus = () => json("export/status");
export const exportConfig = () => json("export/config");
export const exportRun = (client) => json("export/run", { method: "POST", query: { client } });

// Whether the token, or none, opens the doors: "ok", "wrong", "closed" (no token
// would), or "none" (there is none, and the server wants one). /health tells more
// to whom it opens, so nothing is refused that nobody asked for.
export const tryToken = async () => {
	const answer = await health();
	if (answer.version) return "ok";
	if (!token) return "none";
	try {
		await ask("metrics", { accept: [404] });
		return "ok";
	} catch (failure) {
		if (failure.status === 401) return "wrong";
		if (failure.status === 403) return "closed";
		throw failure;
	}
};
