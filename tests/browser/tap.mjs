// TAP output, like tests/harness/tap.py: each check is one point, a case groups some.

let points = 0;
let failed = 0;
let prefix = "";

const show = (value) => {
	const text = JSON.stringify(value) ?? String(value);
	return text.length > 2000 ? `${text.slice(0, 2000)}… (${text.length} characters)` : text;
};

export const diag = (text) => {
	for (const line of String(text).split("\n")) console.log("#", line);
};

export const ok = (good, name, detail) => {
	points++;
	name = (prefix + name).replaceAll("#", "\\#").replaceAll("\n", " ");
	console.log(`${good ? "ok" : "not ok"} ${points} - ${name}`);
	if (!good) {
		failed++;
		if (detail !== undefined) diag(typeof detail === "function" ? detail() : detail);
	}
	return good;
};

export const is = (got, want, name) =>
	ok(show(got) === show(want), name, () => `got  ${show(got)}\nwant ${show(want)}`);

// A group of checks. What is thrown in it is one failed point, and the next group runs.
// A third argument selects cases by a part of their name.
export const test = async (name, work) => {
	if (process.argv[3] && !name.includes(process.argv[3])) return;
	prefix = `${name}: `;
	try {
		await work();
	} catch (error) {
		ok(false, "runs to its end", error.stack);
	}
	prefix = "";
};

export const skip = (name, reason) => {
	points++;
	console.log(`ok ${points} - ${prefix}${name} # SKIP ${reason}`);
};

export const done = () => {
	console.log(`1..${points}`);
	if (failed) diag(`${failed} of ${points} failed`);
	process.exitCode = failed || !points ? 1 : 0;
};

// When a wait is given up. It is there to end what hangs, however slow the machine.
export const DEADLINE_MS = 900000;

// Waits for a condition, never for a time: nothing is asserted about how long it took.
export const until = async (condition, what, deadlineMs = DEADLINE_MS) => {
	const end = Date.now() + deadlineMs;
	for (;;) {
		const value = await condition();
		if (value) return value;
		if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs / 1000} s`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
};
