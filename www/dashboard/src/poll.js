// Asks for something again and again: not while nobody looks, and less often while
// it fails.

const LONGEST_MS = 60000;

const pollers = new Set();
let paused = false;

const idle = () => paused || document.hidden;

export class Poller {
	#timer = 0;
	#run = 0;      // of start(): what an earlier one still awaits is of no interest
	#failures = 0;

	// work: async; failed(error) is told when it throws.
	constructor(work, intervalMs, failed) {
		Object.assign(this, { work, intervalMs, failed });
		pollers.add(this);
	}

	start() {
		this.stop();
		this.running = true;
		this.#failures = 0;
		this.#step(this.#run);
	}

	stop() {
		this.running = false;
		this.#run++;
		clearTimeout(this.#timer);
	}

	async #step(run) {
		if (idle()) return;
		let least = 0;
		try {
			await this.work(() => run === this.#run);
			this.#failures = 0;
		} catch (error) {
			if (run !== this.#run) return;
			this.#failures++;
			least = (error.retryAfterS ?? 0) * 1000;
			this.failed(error);
		}
		if (run === this.#run) this.#timer = setTimeout(() => this.#step(run), this.#delay(least));
	}

	// Twice as long after each failure, and not all pages at once.
	#delay(least) {
		if (!this.#failures) return this.intervalMs;
		const longer = Math.min(LONGEST_MS, this.intervalMs * 2 ** this.#failures);
		return Math.max(least, longer * (0.75 + Math.random() / 2));
	}
}

const resume = () => {
	if (idle()) return;
	for (const poller of pollers) if (poller.running) poller.start();
};

export const setPaused = (value) => {
	paused = value;
	resume();
};

document.addEventListener("visibilitychange", resume);
