/*
 * millrace's tracker as a package, for pages that are bundled:
 *
 *   import { init } from "millrace-tracker";
 *   init({ site: "example-com", endpoint: "https://example.com/collect" });
 *
 * What was left in window.millrace before is done when the tracker is there. On a
 * server, where there is no window, nothing happens.
 */
export const init = async (config = {}) => {
	if (typeof window === "undefined") return undefined;
	window.millraceConfig = {
		load: () => import("./tracking-vitals.js").catch(() => {}),
		...window.millraceConfig,
		...config,
	};
	await import("./tracking.js");
	return window.millrace;
};
