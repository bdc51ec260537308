/** Types of window.millrace and window.millraceConfig; see www/README.md. */

/** What beforeSend gets to see, and may change. */
export interface MillraceEvent {
	eventType: string;
	/** RFC 3339, in UTC. */
	timestamp: string;
	/** The page's address. */
	url: string;
	/** Whatever JSON can hold; what it cannot is left out, and what is too long is cut. */
	eventData?: Record<string, unknown>;
	/** More keys are stored with the event. */
	[key: string]: unknown;
}

/** What the tracker notes by itself. */
export type MillraceKind = "pageview" | "click" | "scroll" | "form" | "engagement" | "vitals";

/** Each key is also a data attribute of the script element: maxBatchSize is data-max-batch-size. */
export interface MillraceConfig {
	/** siteId of the events; the page's host name by default. */
	site?: string;
	/** Where to send; "../collect" beside the script's folder by default. */
	endpoint?: string;
	/** Events in a batch at most; 10 by default. */
	maxBatchSize?: number | string;
	/** Store nothing in the browser and send no visitorId. */
	cookieless?: boolean | "" | "true" | "false";
	/** "required": hold events back, and store nothing, until millrace.consent("granted"). */
	consent?: "required";
	/** Kinds that are not wanted, separated by spaces. */
	disable?: MillraceKind | (string & {});
	/**
	 * Which changes of the address are page views. Without it: another path or query, also one
	 * that was replaced when its path is another, and a hash that begins with #/ or #!.
	 * "address": every change. "path": another path. "off": none.
	 */
	pageviews?: "address" | "path" | "off";
	/** Selector of the one element whose scrolling counts, in place of the document's. */
	scrollRoot?: string;
	/**
	 * Names of the parameters whose values are not sent in an address, separated by spaces; a
	 * star stands for any letters.
	 */
	secrets?: string;
	/** Loads tracking-vitals.js, where it does not lie beside tracking.js. */
	load?: () => unknown;
	/** Also report JavaScript errors. */
	errors?: boolean | "" | "true" | "false";
	/** Called with each event. The event that it returns is sent; nothing is, if it returns none or throws. */
	beforeSend?: (event: MillraceEvent) => MillraceEvent | false | null | undefined;
	/**
	 * Called after each attempt to send a batch: with its body, the HTTP status (0: no
	 * answer, undefined: handed to the browser as the page went away, -1: given up without an
	 * attempt), and the answer.
	 */
	afterSend?: (body: string, status?: number, answer?: Response) => void;
}

export interface Millrace {
	/** Notes an event of this type. */
	track(name: string, data?: Record<string, unknown>): void;
	/**
	 * From now on events carry this visitorId; identify() makes a new random one. Nothing happens
	 * for undefined, null and "", which a page says when it does not know who it is. Of more than
	 * 255 bytes a hash is sent.
	 */
	identify(visitorId?: string | number | null): void;
	/** "denied" deletes what waits or is stored, except for this choice, which is remembered. */
	consent(state: "granted" | "denied"): void;
	/** Sends what waits, without waiting for the batch to be full or old. */
	flush(): void;
	/** Calls by name: push(["track", "signup", { plan: "pro" }]). */
	push(...calls: MillraceCall[]): void;
	/** Data attributes and millraceConfig together. */
	readonly config: MillraceConfig;
}

export type MillraceCall =
	| ["track", string, Record<string, unknown>?]
	| ["identify", (string | number | null)?]
	| ["consent", "granted" | "denied"]
	| ["flush"];

declare global {
	interface Window {
		/**
		 * The tracker. Before it has loaded, an array of calls that it will make, of
		 * which only push may be used: (window.millrace ??= [] as never).push(...)
		 */
		millrace: Millrace;
		millraceConfig?: MillraceConfig;
	}
}
