// Elements, made and found. Text only ever gets into the page as text.

export const $ = (id) => document.getElementById(id);

// A new element: attributes by name (null: left out), then children or text.
export const h = (tag, attributes, ...children) => {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes ?? {}))
		if (value !== null && value !== undefined) element.setAttribute(name, value);
	element.append(...children.flat());
	return element;
};

// Changes the page only where it differs, so that nothing is announced twice.
export const setText = (element, text) => {
	if (element.textContent !== text) element.textContent = text;
};

export const setState = (element, state) => {
	if (element.dataset.state !== state) element.dataset.state = state;
};

// Fills the rows of a table; those that are the same stay.
export const setRows = (body, rows) => {
	rows.forEach((cells, i) => {
		const row = body.rows[i] ?? body.appendChild(h("tr"));
		cells.forEach((text, k) => setText(row.cells[k] ??
			row.appendChild(k ? h("td") : h("th", { scope: "row" })), text));
	});
	while (body.rows.length > rows.length) body.deleteRow(-1);
};
