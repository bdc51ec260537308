// The browser tests: node main.mjs SETTINGS [CASE], from test_browser.py.

import { launch, settings } from "./browser.mjs";
import { Site } from "./site.mjs";
import { done } from "./tap.mjs";
import build from "./build.mjs";
import capture from "./capture.mjs";
import delivery from "./delivery.mjs";
import demo from "./demo.mjs";
import once from "./once.mjs";
import privacy from "./privacy.mjs";

const browser = await launch();
const site = await new Site(settings.base).start();
try {
	const minified = await build();
	for (const run of [capture, delivery, once, privacy, demo]) await run(browser, site);
	// What is installed is not what was tested above.
	if (minified) {
		site.files["/js/tracking.js"] = minified;
		await capture(browser, site, "minified: ");
		await delivery(browser, site, "minified: ");
	}
} finally {
	await browser.close();
	site.stop();
}
done();
