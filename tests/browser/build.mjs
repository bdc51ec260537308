// What is built of the tracker: its types, its package, its size, its source map.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { events, settings } from "./browser.mjs";
import { diag, is, ok, skip, test, until } from "./tap.mjs";

const www = join(settings.srcdir, "www");
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
const zipped = (data) => gzipSync(data, { level: 9 }).length;

// Sizes of the tracker in the table of www/README.md.
const told = () => readFileSync(join(www, "README.md"), "utf8").split("\n")
	.filter((line) => /^\|.*`tracking(-vitals)?\.js` \|/.test(line))
	.map((line) => line.split("|")[2].trim());

const USE = `/// <reference path="DECLARATIONS" />
const early: Pick<import("DECLARATIONS").Millrace, "push"> = (window.millrace ??= [] as never);
early.push(["track", "signup", { plan: "pro" }], ["consent", "granted"], ["flush"]);
window.millraceConfig = {
	site: "example-com", maxBatchSize: 5, disable: "scroll form", cookieless: true,
	pageviews: "path", scrollRoot: "#main", secrets: "token *pin",
	beforeSend: (event) => event.eventType === "click" ? null : { ...event, url: "" },
	afterSend(body, status, answer) { body.length + (status ?? 0); answer?.headers.get("x"); },
};
window.millrace.track("signup", { plan: "pro", n: 1 });
window.millrace.identify();
window.millrace.identify((undefined as { id: string } | undefined)?.id);
window.millrace.consent("denied");
window.millrace.flush();
// @ts-expect-error: neither granted nor denied
window.millrace.consent("perhaps");
// @ts-expect-error: a name is text
window.millrace.track(7);
// @ts-expect-error: no such call
window.millrace.push(["trakc", "signup"]);
// @ts-expect-error: no such setting
window.millraceConfig.sites = "x";
`;

const types = () => test("types", () => {
	const folder = mkdtempSync(join(tmpdir(), "mr-types-"));
	try {
		const file = join(folder, "use.ts");
		writeFileSync(file, USE.replaceAll("DECLARATIONS", join(www, "js/tracking.d.ts")));
		const tsc = join(www, "node_modules/typescript/bin/tsc");
		let output = "";
		try {
			execFileSync(process.execPath, [tsc, "--noEmit", "--strict", "--target", "es2022",
				"--module", "esnext", "--lib", "es2022,dom", file], { encoding: "utf8" });
		} catch (error) {
			output = error.stdout + error.stderr;
		}
		is(output, "", "tsc --strict takes their use, and refuses what is wrong");
	} finally {
		rmSync(folder, { recursive: true });
	}
});

const APP = `import { init } from "millrace-tracker";
import type { Millrace, MillraceConfig } from "millrace-tracker";
const config: MillraceConfig = { site: "package.test", endpoint: "/collect", disable: "vitals" };
const started: Promise<Millrace | undefined> = init(config);
started.then((millrace) => millrace?.track("bundled", { plan: "pro" }));
// @ts-expect-error: no such setting
init({ sites: "x" });
`;

// What npm pack makes is installed, typed, bundled, and loaded by a page.
const packed = (browser, site) => test("package", async () => {
	const folder = mkdtempSync(join(tmpdir(), "mr-package-"));
	try {
		const run = (program, ...args) => execFileSync(program, args,
			{ cwd: folder, encoding: "utf8", env: { ...process.env, HOME: folder } });
		const [{ filename }] = JSON.parse(run("npm", "pack", www, "--json"));
		writeFileSync(join(folder, "package.json"), "{}");
		run("npm", "install", "--offline", "--no-audit", "--no-fund", `./${filename}`);
		writeFileSync(join(folder, "app.ts"), APP);
		const bin = join(www, "node_modules/.bin");
		let output = "";
		try {
			run(join(bin, "tsc"), "--noEmit", "--strict", "--target", "es2022", "--module", "esnext",
				"--moduleResolution", "bundler", "--lib", "es2022,dom", "app.ts");
		} catch (error) {
			output = error.stdout;
		}
		is(output, "", "is typed");
		run(join(bin, "esbuild"), "app.ts", "--bundle", "--splitting", "--format=esm", "--outdir=js",
			"--log-level=warning");
		site.reset("package.test");
		site.script = '<script type="module" src="/js/app.js"></script>';
		for (const name of readdirSync(join(folder, "js")))
			site.files[`/js/${name}`] = readFileSync(join(folder, "js", name), "utf8");
		const context = await browser.newContext();
		const page = await context.newPage();
		await page.goto(`${site.origin}/page`);
		await page.waitForFunction(() => !!window.millrace?.mend);
		await page.evaluate(() => { millrace.flush(); });
		await until(async () => (await events("package.test")).length >= 2, "its events").catch(() => {});
		is((await events("package.test")).map(({ type, data }) => [type, data.plan ?? null]),
			[["pageview", null], ["bundled", "pro"]], "is bundled, and sends; its second part is there");
		await context.close();
	} finally {
		rmSync(folder, { recursive: true });
	}
});

// Path of a file that is made of the tracker, or undefined.
const built = (name) => [settings.builddir, settings.srcdir]
	.map((folder) => join(folder, "www/js", name)).find(existsSync);

// The minified files by the paths of those that they stand for.
export const minified = () => Object.fromEntries(["tracking", "tracking-vitals"].map((name) =>
	[`/js/${name}.js`, readFileSync(built(`${name}.min.js`), "utf8")]));

export default async (browser, site) => {
	await types();
	await packed(browser, site);
	const source = readFileSync(join(www, "js/tracking.js"), "utf8");
	await test("names", () => {
		for (const name of ["eventBatch", "addToBatch", "maxBatchSize"])
			ok(source.includes(name), `${name} is in the source`);
	});
	await test("minified", () => {
		if (!built("tracking.min.js")) return skip("size", "terser was not there when it was built");
		const [first, second] = Object.values(minified());
		const size = zipped(first);
		const vitals = zipped(second);
		diag(`tracking.js ${size} bytes, tracking-vitals.js ${vitals} bytes, with gzip`);
		is(told(), [size, size + vitals].map(kilobytes), "www/README.md tells the sizes");
		ok(size <= 3000, "tracking.js has at most 3.0 KB", `${size} bytes`);
		for (const name of ["eventBatch", "addToBatch", "maxBatchSize"])
			ok(first.includes(name), `${name} is still in it`);
		ok(first.endsWith("//# sourceMappingURL=tracking.js.map"), "names its source map");
		const map = JSON.parse(readFileSync(`${built("tracking.min.js")}.map`));
		is(map.sourcesContent[0] === source, true, "which holds the source");
		return undefined;
	});
};
