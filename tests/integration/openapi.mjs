// Holds what a worker answered against www/openapi.json, and that against the rules of OpenAPI.
// Reads {srcdir, exchanges} as JSON from standard input; prints the problems as JSON.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { srcdir, exchanges } = JSON.parse(readFileSync(0, "utf8"));
const packages = createRequire(`${srcdir}/www/package.json`);
const { Validator } = await import(packages.resolve("@seriousme/openapi-schema-validator"));
const Ajv = packages("ajv/dist/2020").default;

const api = JSON.parse(readFileSync(`${srcdir}/www/openapi.json`, "utf8"));
const ajv = new Ajv({ strictTypes: false, strictRequired: false, allErrors: true });
const rewritten = (schema) => JSON.parse(JSON.stringify(schema)
	.replaceAll('"#/components/schemas/', '"shared#/$defs/'));
ajv.addSchema({ $id: "shared", $defs: rewritten(api.components.schemas) });

const escape = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");
const unescape = (key) => decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~");
const at = (pointer) => pointer.split("/").slice(1)
	.reduce((value, key) => value?.[unescape(key)], api);

// The place of a key below a pointer, behind the references on the way; null: there is none.
const below = (pointer, ...keys) => {
	let place = pointer;
	for (const key of [null, ...keys]) {
		if (key !== null) place += `/${escape(key)}`;
		while (at(place)?.$ref && !/\/schema$|\/schemas\//.test(place))
			place = at(place).$ref.slice(1);
		if (at(place) === undefined) return null;
	}
	return place;
};

const compiled = new Map();
const check = (pointer, value) => {
	if (!compiled.has(pointer)) compiled.set(pointer, ajv.compile(rewritten(at(pointer))));
	const validate = compiled.get(pointer);
	return validate(value) ? [] : validate.errors.map((e) => `${e.instancePath} ${e.message}`);
};

const headers = (response, exchange) => Object.keys(at(`${response}/headers`) ?? {}).flatMap((name) => {
	const header = below(response, "headers", name);
	const value = exchange.headers[name.toLowerCase()];
	if (value === undefined) return at(header).required ? [`${name} is missing`] : [];
	return check(`${header}/schema`, value).map((problem) => `${name}: ${problem}`);
});

const content = (response, exchange) => {
	const type = exchange.headers["content-type"]?.split(";")[0];
	const kinds = at(response).content;
	if (!kinds) return exchange.body === "" ? [] : ["has a body"];
	const place = below(response, "content", type ?? "none");
	if (place === null) return [`is ${type}, not ${Object.keys(kinds)}`];
	if (!at(place).schema) return [];
	const text = Buffer.from(exchange.body, "base64").toString();
	return check(`${place}/schema`, type === "application/json" ? JSON.parse(text) : text);
};

const seen = new Set();
const judge = (exchange) => {
	const item = below("", "paths", exchange.path);
	if (item === null) return ["is not documented"];
	const operation = below(item, exchange.method.toLowerCase());
	const exact = operation && below(operation, "responses", String(exchange.status));
	if (exact) seen.add(`${operation} ${exchange.status}`);
	// What a path answers to a method that it does not have is said at those that it has.
	const first = operation ?? `${item}/${Object.keys(at(item)).find((key) => at(item)[key].responses?.default)}`;
	const response = exact || (exchange.status >= 400 && [404, 405, 500].includes(exchange.status)
		? below(first, "responses", "default") : null);
	if (!response) return [`${exchange.status} is not documented`];
	return [...headers(response, exchange), ...content(response, exchange),
		...(exchange.sent === undefined ? [] : sent(operation, exchange))];
};

// What was taken has to be what the document asks for.
const sent = (operation, exchange) =>
	check(`${below(operation, "requestBody", "content", "application/json")}/schema`, exchange.sent);

const operations = () => Object.keys(api.paths).flatMap((path) => {
	const item = below("", "paths", path);
	return Object.keys(at(item)).filter((key) => at(item)[key].responses).map((key) => `${item}/${key}`);
});

const unseen = () => [...new Set(operations())].flatMap((operation) =>
	Object.keys(at(operation).responses).filter((status) => status !== "default" && !seen.has(`${operation} ${status}`))
		.map((status) => `${operation} ${status}`));

// Examples, each against the schema that it stands at.
const examples = (pointer) => {
	const value = at(pointer);
	if (value === null || typeof value !== "object") return [];
	const given = value.schema && value.examples ? Object.values(value.examples).map((e) => e.value) : [];
	const own = /\/schemas\/\w+$/.test(pointer) ? value.examples ?? [] : [];
	return [...given.flatMap((e) => check(`${pointer}/schema`, e)), ...own.flatMap((e) => check(pointer, e)),
		...Object.keys(value).flatMap((key) => examples(`${pointer}/${escape(key)}`))]
		.map((problem) => problem.startsWith("#") ? problem : `#${pointer}: ${problem}`);
};

const linted = await new Validator().validate(structuredClone(api));
const problems = exchanges.flatMap((exchange) => judge(exchange).map((problem) =>
	`${exchange.method} ${exchange.path} ${exchange.status}: ${problem}`));
console.log(JSON.stringify({ lint: linted.valid ? [] : linted.errors, examples: examples(""),
	problems, unseen: unseen() }));
