/*
 * The second part of millrace's tracker, which tracking.js loads: web vitals,
 * and with data-errors the page's JavaScript errors.
 *
 * One event `web_vitals` says, when the page is hidden for the first time:
 *   lcp   ms until the largest element was painted
 *   inp   ms of the slowest interaction, of every 50 the worst left out
 *   cls   the largest burst of layout shifts: at most 5 s, gaps below 1 s
 *   fcp   ms until something was painted
 *   ttfb  ms until the first byte of the page arrived
 * What a browser does not measure, or what did not happen, is left out.
 * The definitions are those of https://web.dev/articles/vitals.
 */
(() => {
	"use strict";

	const millrace = window.millrace;
	if (!millrace?.track || millrace.beforeLeave) return;

	const maxErrors = 10; // of one page; an error in a loop must not flood anybody
	const maxStack = 2000;
	const wanted = !(millrace.config.disable + "").includes("vitals");
	const errorsWanted = (millrace.config.errors ?? "false") + "" !== "false";
	const vitals = {};
	const observers = [];

	const observe = (type, handle, options) => {
		try {
			const observer = new PerformanceObserver((list) => list.getEntries().forEach(handle));
			observer.observe({ type, buffered: true, ...options });
			observers.push([observer, handle]);
		} catch {
			// This browser does not measure it.
		}
	};

	const rounded = (value, digits = 0) => Math.round(value * 10 ** digits) / 10 ** digits;

	/* --- cumulative layout shift: the worst burst --------------------------- */

	let burst = 0;
	let burstStart = 0;
	let lastShift = 0;

	const onShift = ({ value, startTime, hadRecentInput }) => {
		if (hadRecentInput) return;
		if (startTime - lastShift >= 1000 || startTime - burstStart >= 5000) {
			burst = 0;
			burstStart = startTime;
		}
		burst += value;
		lastShift = startTime;
		vitals.cls = Math.max(vitals.cls ?? 0, rounded(burst, 4));
	};

	/* --- interaction to next paint ------------------------------------------ */

	const longest = new Map(); // id of the interaction: its longest duration
	const maxLongest = 10;     // enough for a page of 500 interactions

	const onInteraction = ({ interactionId, duration }) => {
		if (!interactionId) return;
		longest.set(interactionId, Math.max(longest.get(interactionId) ?? 0, duration));
		if (longest.size > maxLongest) {
			const [[shortest]] = [...longest].sort((a, b) => a[1] - b[1]);
			longest.delete(shortest);
		}
	};

	const inp = () => {
		const durations = [...longest.values()].sort((a, b) => b - a);
		const skipped = Math.floor((performance.interactionCount ?? 0) / 50);
		return durations[Math.min(skipped, durations.length - 1)];
	};

	if (wanted) {
		observe("largest-contentful-paint", ({ startTime }) => { vitals.lcp = rounded(startTime); });
		observe("paint", ({ name, startTime }) => {
			if (name === "first-contentful-paint") vitals.fcp = rounded(startTime);
		});
		observe("layout-shift", onShift);
		observe("event", onInteraction, { durationThreshold: 40 });
		observe("first-input", onInteraction);
		observe("navigation", ({ responseStart }) => { vitals.ttfb = rounded(responseStart); });
		if (PerformanceObserver.supportedEntryTypes?.includes("layout-shift")) vitals.cls = 0;
	}

	// Called by tracking.js when the page is hidden or left, before it sends.
	let reported = !wanted;
	millrace.beforeLeave = () => {
		if (reported) return;
		reported = true;
		for (const [observer, handle] of observers) {
			observer.takeRecords().forEach(handle);
			observer.disconnect();
		}
		if (longest.size) vitals.inp = rounded(inp());
		millrace.track("web_vitals", vitals);
	};

	/* --- errors ---------------------------------------------------------------- */

	let errors = 0;

	const report = (kind, error, more) => {
		if (errors++ >= maxErrors) return;
		millrace.track("error", {
			kind,
			message: String(error?.message ?? error).slice(0, 500),
			stack: error?.stack && String(error.stack).slice(0, maxStack),
			...more,
		});
	};

	if (errorsWanted) {
		addEventListener("error", ({ error, message, filename, lineno, colno }) => {
			if (message) report("error", error ?? message, { file: filename, line: lineno, column: colno });
		});
		addEventListener("unhandledrejection", ({ reason }) => report("rejection", reason));
	}
})();
