// What /metrics says (Prometheus text format 0.0.4), and what follows from the
// differences between two answers.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export const parse = (text) => {
	const samples = new Map();
	for (const line of text.split("\n")) {
		const found = line.startsWith("#") ? null : LINE.exec(line);
		if (!found) continue;
		const labels = Object.fromEntries(Array.from((found[2] ?? "").matchAll(LABEL), (m) => [m[1], m[2]]));
		const value = Number(found[3].replace("Inf", "Infinity"));
		if (!samples.has(found[1])) samples.set(found[1], []);
		samples.get(found[1]).push({ labels, value });
	}
	return new Metrics(samples);
};

export class Metrics {
	constructor(samples) {
		this.samples = samples;
	}

	all(family) {
		return this.samples.get(`millrace_${family}`) ?? [];
	}

	// The sum of those with these labels; NaN when there is none.
	get(family, labels = {}) {
		const found = this.all(family).filter((sample) =>
			Object.entries(labels).every(([name, value]) => sample.labels[name] === value));
		return found.length ? found.reduce((sum, { value }) => sum + value, 0) : NaN;
	}

	// [value of the label, number] pairs of what is not zero, the largest first.
	by(family, label) {
		return this.all(family).filter(({ value }) => value > 0)
			.map(({ labels, value }) => [labels[label], value]).sort((a, b) => b[1] - a[1]);
	}
}

const COUNTERS = {
	stored: ["events_total", { outcome: "stored" }],
	queued: ["events_total", { outcome: "queued" }],
	rejected: ["events_total", { outcome: "rejected" }],
	requests: ["request_events_count"],
	requestEvents: ["request_events_sum"],
	commits: ["commits_total"],
	spooled: ["groups_spooled_total"],
	failed: ["groups_failed_total"],
	unavailable: ["requests_total", { outcome: "unavailable" }],
};

const take = (metrics, at) => {
	const point = { at, buckets: metrics.all("request_duration_seconds_bucket")
		.map(({ labels, value }) => [Number(labels.le.replace("Inf", "Infinity")), value]) };
	for (const [name, request] of Object.entries(COUNTERS)) point[name] = metrics.get(...request) || 0;
	return point;
};

// The value below which the share q of the difference of two histograms lies.
const quantile = (q, before, after) => {
	const rows = after.map(([bound, n], i) => [bound, n - (before[i]?.[1] ?? 0)]);
	const total = rows.at(-1)?.[1] ?? 0;
	if (!(total > 0)) return NaN;
	let low = 0, below = 0;
	for (const [bound, n] of rows) {
		if (n >= q * total)
			return bound === Infinity ? low : low + (bound - low) * (q * total - below) / (n - below || 1);
		low = bound;
		below = n;
	}
	return low;
};

const difference = (before, after) => {
	const seconds = (after.at - before.at) / 1000;
	const d = Object.fromEntries(Object.keys(COUNTERS).map((name) => [name, after[name] - before[name]]));
	const groups = d.commits + d.spooled + d.failed;
	return { ...d, seconds, storedRate: d.stored / seconds, queuedRate: d.queued / seconds,
		batch: d.requests > 0 ? d.requestEvents / d.requests : NaN,
		groups, failureShare: groups > 0 ? (d.spooled + d.failed) / groups : NaN,
		p99: quantile(0.99, before.buckets, after.buckets) };
};

// The counters of the last minutes. A longer silence, or counters that begin anew,
// leave a gap.
export class History {
	constructor(windowMs, gapMs) {
		Object.assign(this, { windowMs, gapMs });
		this.forget();
	}

	forget() {
		this.points = [];  // of the counters, without a gap between them
		this.steps = [];   // { at, storedRate, queuedRate, batch }; NaN is a gap
	}

	add(metrics, at = Date.now()) {
		const point = take(metrics, at);
		const last = this.points.at(-1);
		if (last && (at - last.at > this.gapMs || Object.keys(COUNTERS).some((k) => point[k] < last[k]))) {
			this.points = [];
			this.steps.push({ at: last.at + 1, storedRate: NaN, queuedRate: NaN, batch: NaN });
		} else if (last && at > last.at) {
			this.steps.push({ at, ...difference(last, point) });
		}
		this.points.push(point);
		for (const list of [this.points, this.steps])
			while (list[0]?.at < at - this.windowMs) list.shift();
	}

	// What happened in the last so many milliseconds, or in as many as are known.
	over(ms = this.windowMs) {
		const after = this.points.at(-1);
		const before = after && this.points.find(({ at }) => at >= after.at - ms);
		return before && before !== after ? difference(before, after) : null;
	}
}
