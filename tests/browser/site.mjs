// The site under test: pages with the tracker in them, and between them and the
// real server a proxy that can be told to go wrong.

import http from "node:http";

// What may become of a request to the collector:
//   ok    it is handed on
//   503   it is refused without being handed on, with Retry-After
//   400   it is refused for good
//   drop  the connection is cut before it is handed on
//   hold  it is not answered
//   cut   it is handed on, and the connection is cut when the answer is there
const REFUSALS = { 503: "Service Unavailable", 400: "Bad Request", 429: "Too Many Requests" };

const COLLECTOR = /\/(collect|pixel\.gif)(\?|$)/;

// The site that a request to the collector is about.
const siteOf = (url, body) => body ? JSON.parse(body).siteId
	: new URL(url, "http://x").searchParams.get("siteId");

const article = Array.from({ length: 60 }, (_, i) => `<p>Paragraph ${i} of a long text.</p>`).join("");

const page = (script, head, body) => `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Test page</title><link rel="icon" href="data:,">
${head}${script}</head>
<body><h1>Test page</h1>
<p><a id="inside" href="#part">inside</a> <a id="next" href="/page?next">next</a>
<a id="outside" href="http://other.test/there">other</a>
<a id="file" href="/files/paper.pdf">paper</a>
<button id="button" data-track="buy">Buy</button></p>
<form id="contact" action="/page"><input name="email" id="email"><input type="password" name="secret">
<textarea name="text"></textarea><button id="send" name="id" value="v">Send</button></form>
${body}${article}</body></html>`;

export class Site {
	// upstream: base URL of the real server.
	constructor(upstream) {
		this.upstream = new URL(upstream);
		this.files = {};          // path: JavaScript, in place of the server's
		this.open = 0;            // requests to the collector that are under way
		this.reset();
	}

	// id: of the site whose requests may go wrong and are listed. Any other's are handed on: a
	// page that was closed in an earlier case may still send something.
	// more: attributes of the pages' script.
	reset(id = "site.test", more = "") {
		this.id = id;
		this.attributes = `data-site="${id}" ${more}`;
		this.fault = () => "ok";  // (request, number) => see above
		this.retryAfter = "1";
		this.head = "";           // more of the page's <head>
		this.body = "";           // and of its <body>
		this.script = undefined;  // in place of the element that loads the tracker
		this.first = [];          // functions that the page runs before anything else
		this.headers = {};        // more of the page's headers
		this.away = false;        // cuts every connection, and lists nothing
		this.requests = [];       // to the collector: { method, url, body, type, at, outcome }
	}

	// What a page does before anything else, under any policy that allows its own scripts.
	before(work) {
		this.first.push(`(${work})();\n`);
	}

	async start() {
		this.server = http.createServer((request, response) => this.#serve(request, response));
		await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
		this.origin = `http://127.0.0.1:${this.server.address().port}`;
		return this;
	}

	stop() {
		this.server.closeAllConnections();
		this.server.close();
	}

	#serve(request, response) {
		if (this.away) {
			request.socket.destroy();
			return;
		}
		const parts = [];
		request.on("data", (part) => parts.push(part));
		request.on("error", () => {});
		response.on("error", () => {});
		request.on("end", () => {
			const path = request.url.replace(/^\/t\//, "/");
			if (path.startsWith("/page")) {
				response.writeHead(200, { "Content-Type": "text/html", ...this.headers });
				const first = this.first.length ? '<script src="/first.js"></script>' : "";
				const script = this.script ??
					`<script defer src="/js/tracking.js" ${this.attributes}></script>`;
				response.end(page(script.replace("/js/",
					request.url.startsWith("/t/") ? "/t/js/" : "/js/"), first + this.head, this.body));
			} else if (path === "/first.js") {
				response.writeHead(200, { "Content-Type": "text/javascript" }).end(this.first.join(""));
			} else if (path === "/empty") {
				response.writeHead(200, { "Content-Type": "text/html" }).end("<!DOCTYPE html>");
			} else if (path.startsWith("/files/")) {
				response.writeHead(204).end();
			} else if (this.files[path]) {
				response.writeHead(200, { "Content-Type": "text/javascript" }).end(this.files[path]);
			} else {
				this.#collect(request, path, Buffer.concat(parts), response);
			}
		});
	}

	#collect(request, path, body, response) {
		const { method, url } = request;
		const text = body.toString();
		let outcome = "ok";
		if (COLLECTOR.test(path) && method !== "OPTIONS" && siteOf(url, text) === this.id) {
			const entry = { method, url, body: text, type: request.headers["content-type"],
				referer: request.headers.referer, at: Date.now() };
			outcome = entry.outcome = this.fault(entry, this.requests.length);
			this.requests.push(entry);
			this.open++;
			response.on("close", () => this.open--);
		}
		if (outcome === "drop") {
			request.socket.destroy();
		} else if (outcome === "hold") {
			// The browser gives up, or the page is left.
		} else if (REFUSALS[outcome]) {
			// With the headers that the worker sends.
			response.writeHead(+outcome, { "Retry-After": this.retryAfter,
				"Access-Control-Expose-Headers": "Retry-After",
				"Access-Control-Allow-Origin": "*" }).end(REFUSALS[outcome]);
		} else {
			this.#forward(request, path, body, response, outcome === "cut");
		}
	}

	#forward(request, path, body, response, cut) {
		const { hostname, port } = this.upstream;
		const options = { hostname, port, path, method: request.method,
			headers: { ...request.headers, connection: "close" } };
		http.request(options, (answer) => {
			const parts = [];
			answer.on("data", (part) => parts.push(part));
			answer.on("end", () => {
				if (cut) return request.socket.destroy();
				response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(parts));
			});
		}).on("error", () => response.writeHead(502).end()).end(body);
	}

	// Batches that were sent, as objects.
	batches() {
		return this.requests.filter(({ method }) => method === "POST")
			.map(({ body }) => JSON.parse(body));
	}
}
