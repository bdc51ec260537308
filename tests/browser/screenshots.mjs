// Pictures of the pages, at the widths of a phone and a desktop, light and dark:
// node screenshots.mjs SETTINGS, from screenshots.py.

import { existsSync } from "node:fs";
import { join } from "node:path";

import { launch, settings } from "./browser.mjs";

const sizes = { 390: { width: 390, height: 844 }, 1280: { width: 1280, height: 800 } };

// Each page, and what is done on it before its picture is taken.
const pages = {
	demo: {
		path: "/",
		async prepare(page) {
			await page.click("#routes a:nth-child(2)");
			await page.click("[data-track='add quiet-pond']");
			await page.click("[data-do=signup]");
			await page.fill("#email", "someone@example.com");
			await page.evaluate(() => { millrace.flush(); scrollTo(0, 0); });
			await page.waitForSelector("#sent .good");
			await page.click("#routes a:nth-child(1)");
			await page.waitForFunction(() => document.querySelectorAll("#stored tr").length > 5);
			await page.evaluate(() => scrollTo(0, 0));
		},
	},
	dashboard: {
		path: "/dashboard/",
		prepare: (page) => page.waitForLoadState("networkidle"),
	},
};

const browser = await launch();
try {
	for (const [name, { path, prepare }] of Object.entries(pages)) {
		if (!existsSync(join(settings.srcdir, "www", path, path.endsWith("/") ? "index.html" : "")))
			continue;
		for (const colorScheme of ["light", "dark"]) {
			for (const [width, viewport] of Object.entries(sizes)) {
				const context = await browser.newContext({ viewport, colorScheme,
					reducedMotion: "reduce", deviceScaleFactor: 1 });
				const page = await context.newPage();
				await page.goto(settings.base + path);
				await prepare(page);
				const file = join(settings.output, `${name}-${width}-${colorScheme}.png`);
				await page.screenshot({ path: file, fullPage: width === "390" });
				console.log(file);
				await context.close();
			}
		}
	}
} finally {
	await browser.close();
}
