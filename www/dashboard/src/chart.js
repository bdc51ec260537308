// A live line chart with uPlot, its legend, and the same figures as a table.

import uPlot from "uplot";
import { $, h, setRows, setText } from "./dom.js";
import * as format from "./format.js";

const TABLE_ROWS = 20;
const HEIGHT = 200;
const LEAST_MS = 60000;

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Distances of the labels at the side: none that one decimal would round.
const DISTANCES = [0.1, 0.2, 0.5, 1].concat(...Array.from({ length: 8 }, (_, i) =>
	[2, 5, 10].map((n) => n * 10 ** i)));

// So few that they do not touch on a phone.
const ticks = (u, values) => values.map((s) => format.timeOfDay(s * 1000).slice(0, 5));

const axes = () => {
	const common = { stroke: style("--soft"), font: `12px ${style("--font")}`,
		grid: { stroke: style("--line"), width: 1 }, ticks: { show: false } };
	return [
		{ ...common, size: 26, gap: 6, values: ticks, space: 60, grid: { show: false },
			incrs: [60, 120, 300] },
		{ ...common, size: 46, space: 36, incrs: DISTANCES, values: (u, values) => values.map(format.rate) },
	];
};

const drawn = ({ label, color, dash, fill }) => ({ label, width: dash ? 1.5 : 2, dash, spanGaps: false,
	points: { show: false }, stroke: style(color), fill: fill ? style(fill) : undefined });

export class Chart {
	#plot = null;

	// id: "rate" has the elements rate-plot, rate-legend, rate-head, rate-table.
	// series: [{ label, color, read, unit, dash?, fill? }]; limit: { label, color, dash, at },
	// a line across; least: the highest value on the axis is never below it.
	constructor(id, { series, limit, least, windowMs }) {
		Object.assign(this, { id, series, limit, least, windowMs, steps: [],
			data: [[], ...series.map(() => [])] });
		this.box = $(`${id}-plot`);
		this.legend = [...series, ...(limit ? [limit] : [])].map((line) => this.#explain(line));
		$(`${id}-head`).append(...["Time", ...series.map(({ label }) => label)]
			.map((text) => h("th", { scope: "col" }, text)));
		new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.box);
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
	}

	// Adds a line to the legend; returns where its value stands.
	#explain({ label, color, dash }) {
		const value = h("b");
		$(`${this.id}-legend`).append(h("li", { "data-color": color.slice(2),
			"data-dash": dash ? "" : null }, label, " ", value));
		return value;
	}

	#size() {
		return { width: this.box.clientWidth, height: HEIGHT };
	}

	#draw() {
		this.#plot?.destroy();
		this.#plot = new uPlot({
			...this.#size(), padding: [8, 20, 0, 0], legend: { show: false },
			cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
			scales: {
				x: { time: true, range: () => this.range },
				y: { range: (u, low, high) => [0, Math.max(this.least, (high || 0) * 1.15)] },
			},
			axes: axes(), series: [{}, ...this.series.map(drawn)],
			hooks: { setCursor: [() => this.#showLegend()], draw: [(u) => this.#drawLimit(u)] },
		}, this.data, this.box);
	}

	#drawLimit({ ctx, bbox, valToPos }) {
		if (!this.limit) return;
		const y = Math.round(valToPos(this.limit.at, "y", true));
		ctx.save();
		ctx.strokeStyle = style(this.limit.color);
		ctx.lineWidth = 1.5 * devicePixelRatio;
		ctx.setLineDash(this.limit.dash.map((n) => n * devicePixelRatio));
		ctx.beginPath();
		ctx.moveTo(bbox.left, y);
		ctx.lineTo(bbox.left + bbox.width, y);
		ctx.stroke();
		ctx.restore();
	}

	// What lies under the pointer, else the newest.
	#showLegend() {
		const at = this.#plot?.cursor.idx ?? this.steps.length - 1;
		this.series.forEach(({ unit }, i) => setText(this.legend[i],
			`${format.rate(this.data[i + 1][at] ?? NaN)}${unit}`));
	}

	// steps: of a History. The window grows from a minute to its full length.
	show(steps, now = Date.now()) {
		const from = Math.min(steps[0]?.at ?? now, now - LEAST_MS);
		this.range = [Math.max(from, now - this.windowMs) / 1000, now / 1000];
		this.steps = steps;
		const value = (x) => Number.isFinite(x) ? x : null;
		this.data = [steps.map(({ at }) => at / 1000), ...this.series.map(({ read }) =>
			steps.map((step) => value(read(step))))];
		if (this.#plot) this.#plot.setData(this.data);
		else this.#draw();
		this.#showLegend();
		setRows($(`${this.id}-table`), steps.slice(-TABLE_ROWS).reverse().map((step) =>
			[format.timeOfDay(step.at), ...this.series.map(({ read }) => format.rate(read(step)))]));
	}
}
