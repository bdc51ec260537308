// The browser tests: node main.mjs SETTINGS [CASE], from test_browser.py and its like.

import { settings } from "./browser.mjs";
import { launch } from "./engines.mjs";
import { Site } from "./site.mjs";
import { diag, done } from "./tap.mjs";
import build from "./build.mjs";
import capture from "./capture.mjs";
import delivery from "./delivery.mjs";
import demo from "./demo.mjs";
import once from "./once.mjs";
import pages from "./pages.mjs";
import privacy from "./privacy.mjs";

const everywhere = [capture, pages, delivery, once];

const site = await new Site(settings.base).start();
const browser = await launch(settings.engine, site);
try {
	diag(`in ${browser.name}`);
	if (settings.engine === "chromium") {
		const minified = await build(browser, site);
		for (const run of [...everywhere, privacy, demo]) await run(browser, site);
		// What is installed is not what was tested above.
		if (minified) {
			Object.assign(site.files, minified);
			for (const run of [capture, delivery]) await run(browser, site, "minified: ");
		}
	} else {
		for (const run of everywhere) await run(browser, site);
	}
} finally {
	await browser.close();
	site.stop();
}
done();
