// Pictures of the pages, at the widths of a phone and a desktop, light and dark:
// node screenshots.mjs SETTINGS, from screenshots.py.

import { join } from "node:path";

import { launch, settings } from "./browser.mjs";

const sizes = { 390: { width: 390, height: 844 }, 1280: { width: 1280, height: 800 } };

// In a picture of the whole page, what is fixed to the screen's edge stands at the end.
const lowerBar = () => {
	const bar = document.querySelector(".to-panel");
	if (!bar || getComputedStyle(bar).position !== "fixed") return;
	document.body.style.position = "relative";
	bar.parentElement.style.position = "static";
	bar.style.position = "absolute";
};

// Batches of what a few people do within one step; more at some times than at others.
const STEPS = 90;
const STEP_MS = 2000;
const AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36";
const DEEDS = [["pageview", {}], ["scroll", { depth: 50 }], ["click", { element: "add quiet-pond" }],
	["form_focus", { field: "email" }], ["engagement", { seconds: 18 }], ["scroll", { depth: 100 }]];
const SHOPS = ["shop.example", "tea.example", "docs.example"];
const PATHS = ["", "teas", "cups", "contact", "blog/mill"];
const pick = (list, n) => list[n % list.length];
const visitors = (step) => Array.from({ length: 4 + Math.round(3 * Math.sin(step / 9)) + step % 2 }, (_, k) => {
	const site = pick(SHOPS, step + k);
	return { eventType: "batch", siteId: site, visitorId: `vis_${(7919 * (step + 3 * k)).toString(16)}`,
		sessionId: `sess_${(104729 * (step + k)).toString(16)}`,
		events: Array.from({ length: 6 + (step * 5 + k * 3) % 5 }, (__, n) => {
			const [eventType, eventData] = pick(DEEDS, step + n + k);
			return { eventType, eventData, url: `https://${site}/${pick(PATHS, step + k)}` };
		}) };
});

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
		whole: true,
		// Its clock goes as far as the charts need while some visitors come by.
		before: (page) => page.clock.install({ time: Date.now() - STEPS * STEP_MS }),
		async prepare(page) {
			await page.waitForSelector("#health[data-state=healthy]");
			for (let i = 0; i < STEPS; i++) {
				await Promise.all(visitors(i).map((body) => fetch(`${settings.base}/collect`,
					{ method: "POST", headers: { "User-Agent": AGENT }, body: JSON.stringify(body) })));
				const answer = page.waitForResponse("**/metrics");
				await page.clock.runFor(STEP_MS);
				await answer;
				if (i === STEPS - 12)
					await fetch(`${settings.base}/export/run?client=acme`, { method: "POST" });
			}
			await page.waitForSelector("#exports time");
			await page.waitForFunction(() => document.querySelectorAll("#events-rows tr").length > 9);
		},
	},
};

const browser = await launch();
try {
	for (const [name, { path, whole, before, prepare }] of Object.entries(pages)) {
		if (name === "dashboard" && !settings.dashboard) {
			console.error("no dashboard: it is not built");
			continue;
		}
		for (const colorScheme of ["light", "dark"]) {
			for (const [width, viewport] of Object.entries(sizes)) {
				const context = await browser.newContext({ viewport, colorScheme,
					reducedMotion: "reduce", deviceScaleFactor: 1 });
				const page = await context.newPage();
				await before?.(page);
				await page.goto(settings.base + path);
				await prepare(page);
				const file = join(settings.output, `${name}-${width}-${colorScheme}.png`);
				await page.evaluate(lowerBar);
				await page.screenshot({ path: file, fullPage: whole || width === "390" });
				console.log(file);
				await context.close();
			}
		}
	}
} finally {
	await browser.close();
}
