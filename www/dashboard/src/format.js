// Numbers and times for people, in the browser's language and time zone.

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const small = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit",
	second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric",
	hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const byteFormats = BYTE_UNITS.map((unit) => new Intl.NumberFormat(undefined,
	{ style: "unit", unit, unitDisplay: unit === "byte" ? "long" : "short",
		maximumFractionDigits: unit === "byte" ? 0 : 1 }));

export const NONE = "–";

const unless = (format) => (value) => Number.isFinite(value) ? format(value) : NONE;

export const count = unless((n) => Math.abs(n) < 1e6 ? number.format(n) : compact.format(n));
export const exact = unless((n) => number.format(n));
export const rate = unless((n) => Math.abs(n) < 100 ? small.format(n) : number.format(n));
export const percent = unless((n) => share.format(n));

export const bytes = unless((n) => {
	let unit = 0;
	while (n >= 1000 && unit < BYTE_UNITS.length - 1) {
		n /= 1000;
		unit++;
	}
	return byteFormats[unit].format(n);
});

const SPANS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const spanFormats = new Map(SPANS.map(([unit]) => [unit, new Intl.NumberFormat(undefined,
	{ style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 })]));

// The largest unit and the one below it: "2 hr 5 min".
export const span = unless((seconds) => {
	const first = SPANS.findIndex(([, size]) => seconds >= size);
	if (first < 0) return spanFormats.get("second").format(0);
	const [unit, size] = SPANS[first];
	const text = spanFormats.get(unit).format(Math.floor(seconds / size));
	const rest = SPANS[first + 1] && Math.floor((seconds % size) / SPANS[first + 1][1]);
	return rest ? `${text} ${spanFormats.get(SPANS[first + 1][0]).format(rest)}` : text;
});

const valid = (format) => (time) => {
	const date = new Date(time ?? NaN);
	return Number.isNaN(date.getTime()) ? NONE : format(date);
};

export const timeOfDay = valid((date) => clock.format(date));
export const dateTime = valid((date) => day.format(date));
export const utc = valid((date) => date.toISOString().replace("T", " ").replace("Z", " UTC"));
// With the day as well, unless it is today.
export const moment = valid((date) => date.toDateString() === new Date().toDateString()
	? clock.format(date) : day.format(date));
