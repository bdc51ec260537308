// The latest events, as they arrive. Rows hold still while somebody points at them.

import * as api from "./api.js";
import { $, h, setText } from "./dom.js";
import * as format from "./format.js";

const ROWS = 50;
const DEEP = 500;        // the server's most: looked through when a type is asked for
const TYPING_MS = 350;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let fetched = [];        // as the server told them, the newest first
let shown = [];
let known = null;        // ids that were shown before; null: nothing was
let slots = [];
let must = false;        // show what comes next, whoever points at the rows

const site = () => $("site").value.trim();
const type = () => $("type").value.trim().toLowerCase();

const wanted = () => fetched.filter(({ event_type }) => event_type.toLowerCase().includes(type()))
	.slice(0, ROWS);

const short = (text, length) => text.length > length ? `${text.slice(0, length - 1)}…` : text;

// What tells most about an event.
const what = ({ event_type, payload }) => {
	if (event_type === "batch") return "the envelope of a batch";
	const data = payload?.eventData;
	const told = payload?.url ?? payload?.page ?? data?.url ?? payload?.path;
	const more = data && typeof data === "object"
		? Object.entries(data).filter(([, value]) => typeof value !== "object")
			.map(([key, value]) => `${key} ${value}`).join(", ") : "";
	return short([more, told].filter((part) => typeof part === "string" && part).join(" · "), 120);
};

const makeSlot = (index) => {
	const time = h("time");
	const button = h("button", { type: "button", class: "link", "aria-haspopup": "dialog" });
	button.addEventListener("click", () => open(shown[index]));
	const cells = [h("td", {}, time), h("th", { scope: "row" }, button), h("td"),
		h("td", { class: "wide" }), h("td", { class: "wide what" })];
	return { row: $("events-rows").appendChild(h("tr", {}, cells)), time, button, cells };
};

const fill = (slot, event) => {
	slot.row.hidden = !event;
	if (!event) return;
	slot.time.dateTime = event.created_at;
	slot.time.title = format.utc(event.created_at);
	setText(slot.time, format.moment(event.created_at));
	setText(slot.button, event.event_type);
	setText(slot.cells[2], event.site_id);
	setText(slot.cells[3], short(event.visitor_id ?? event.session_id ?? format.NONE, 24));
	setText(slot.cells[4], what(event) || format.NONE);
	if (known && !known.has(event.id) && !calm.matches)
		slot.row.animate([{ backgroundColor: "var(--tint)" }, { backgroundColor: "transparent" }],
			{ duration: 2500, easing: "ease-out" });
};

const setOptions = (list, values) => {
	const names = [...new Set(values)].sort().slice(0, 100);
	if (names.join("\n") !== [...list.children].map(({ value }) => value).join("\n"))
		list.replaceChildren(...names.map((value) => h("option", { value })));
};

const emptyText = () => {
	if (type() && fetched.length)
		return `None of the newest ${format.count(fetched.length)} events is of this type.`;
	if (site()) return "No event of this site. The name has to be complete.";
	return "No event yet. Send one to /collect, and it stands here.";
};

const render = () => {
	shown = wanted();
	while (slots.length < shown.length) slots.push(makeSlot(slots.length));
	slots.forEach((slot, i) => fill(slot, shown[i]));
	known = new Set(shown.map(({ id }) => id));
	setText($("events-empty"), shown.length ? "" : emptyText());
	$("events-empty").hidden = shown.length > 0;
	showHeld(0);
};

const showHeld = (n) => {
	$("held").disabled = n === 0;
	setText($("held"), n === 0 ? "Up to date" : `Show ${format.count(n)} new`);
};

const inUse = () => $("events").matches(":hover, :focus-within") || $("event").open;

// New events come when nobody points at the old ones.
const arrive = () => {
	const fresh = wanted().filter(({ id }) => !known?.has(id)).length;
	if (fresh && shown.length && inUse() && !must) showHeld(fresh);
	else render();
	must = false;
};

const facts = (event) => [
	["Site", event.site_id], ["Session", event.session_id], ["Visitor", event.visitor_id],
	["IP address", event.client_ip], ["User agent", event.user_agent], ["Id", String(event.id)],
];

const times = (event) => [["Happened", event.event_time], ["Received", event.received_at],
	["Stored", event.created_at]];

const pair = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));

const open = (event) => {
	if (!event) return;
	setText($("event-title"), event.event_type);
	$("event-facts").replaceChildren(
		...times(event).filter(([, at]) => at).map(([name, at]) => pair(name,
			h("time", { datetime: at, title: format.utc(at) }, `${format.dateTime(at)}:${at.slice(17, 23)}`),
			h("small", {}, format.utc(at)))),
		...facts(event).filter(([, text]) => text).map(([name, text]) => pair(name, text)));
	setText($("event-payload"), event.payload ? JSON.stringify(event.payload, null, 2)
		: `too large to be shown: ${format.count(event.payload_bytes)} bytes`);
	$("event").showModal();
};

export const poll = async (current) => {
	const answer = await api.events(type() ? DEEP : ROWS, site());
	if (!current()) return;
	fetched = answer.events;
	setOptions($("sites"), [...[...$("sites").children].map(({ value }) => value),
		...fetched.map(({ site_id }) => site_id)]);
	setOptions($("types"), fetched.map(({ event_type }) => event_type));
	arrive();
	const among = type() ? `among the newest ${format.count(fetched.length)}, ` : "";
	setText($("events-note"), `${among}as they arrive`);
};

export const failed = (error) => {
	setText($("events-note"), error.status === 503 ? "the database does not answer; these are from before"
		: error.message);
	if (!shown.length) setText($("events-empty"), "Nothing to show yet.");
};

export const forget = () => {
	fetched = [];
	known = null;
	render();
	$("event").close();
};

// refetch: asks anew at once.
export const wire = (refetch) => {
	let typing = 0;
	const change = () => {
		clearTimeout(typing);
		known = null;
		if (type()) render();
		typing = setTimeout(() => {
			must = true;
			refetch();
		}, TYPING_MS);
	};
	$("filters").addEventListener("input", change);
	$("filters").addEventListener("submit", (event) => {
		event.preventDefault();
		change();
	});
	$("held").addEventListener("click", render);
	$("events").addEventListener("mouseleave", () => inUse() || render());
	$("events").addEventListener("focusout", () => queueMicrotask(() => inUse() || render()));
	$("event-close").addEventListener("click", () => $("event").close());
	$("event").addEventListener("click", (event) => event.target === $("event") && $("event").close());
};
