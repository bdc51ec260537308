// The tests of the tracker and its demo: node main.mjs SETTINGS [CASE]. SETTINGS say which
// parts are run, see server.py.

import { settings } from "./browser.mjs";
import { launch } from "./engines.mjs";
import { Site } from "./site.mjs";
import { diag, done } from "./tap.mjs";
import build, { minified } from "./build.mjs";
import capture from "./capture.mjs";
import delivery from "./delivery.mjs";
import demo from "./demo.mjs";
import once from "./once.mjs";
import pages from "./pages.mjs";
import privacy from "./privacy.mjs";

// What is installed is not what the others test.
const installed = async (browser, site) => {
	Object.assign(site.files, minified());
	for (const run of [capture, delivery]) await run(browser, site, "minified: ");
};

const parts = { build, capture, pages, delivery, once, privacy, demo, installed };

const site = await new Site(settings.base).start();
const browser = await launch(settings.engine, site);
try {
	diag(`in ${browser.name}`);
	for (const name of settings.parts) await parts[name](browser, site);
} finally {
	await browser.close();
	site.stop();
}
done();
