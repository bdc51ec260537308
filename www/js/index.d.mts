import type { Millrace, MillraceConfig } from "./tracking.js";

export type * from "./tracking.js";

/**
 * Starts the tracker with these settings, which win over window.millraceConfig. A second call
 * changes nothing. On a server there is no tracker, and the promise is for nothing.
 */
export declare const init: (config?: MillraceConfig) => Promise<Millrace | undefined>;
