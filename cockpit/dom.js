// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Views are functions that return a tree of nodes; patch() makes the document agree and leaves alone what is as before, so that
 * focus, scroll position and what was typed stay. Text reaches the document as text nodes and attributes only.
 */

/** The text in the user's language; with values, these stand in it for $0, $1 and so on. */
export const _ = (text, ...values) => values.length > 0 ? cockpit.format(cockpit.gettext(text), ...values) : cockpit.gettext(text);
export const n_ = (one, many, count) => cockpit.format(cockpit.ngettext(one, many, count), count);

const SVG = "http://www.w3.org/2000/svg";
/** Of these the attribute is only the beginning; what counts now is the property. */
const LIVE = ["value", "checked", "disabled", "open"];

const isText = node => node.text !== undefined;
const isChild = child => child !== null && child !== undefined && child !== false;
const nodesOf = children => children.flat(Infinity).filter(isChild)
	.map(child => typeof child === "object" ? child : { text: String(child) });

/**
 * A node: `tag` with classes, as in CSS, properties if there are any, children. `key` names it among its siblings, `on…` are
 * listeners. The very same object given twice means: nothing has changed below it.
 */
export function h(tag, ...children) {
	const [first] = children;
	const hasProps = isChild(first) && typeof first === "object" && !Array.isArray(first) && !first.children && !isText(first);
	const { key, ...props } = hasProps ? children.shift() : {};
	const [name, ...classes] = tag.split(".");
	if (classes.length > 0)
		props.class = classes.join(" ");
	return { tag: name, key, props, children: nodesOf(children) };
}

function setProp(dom, name, value) {
	if (name.startsWith("on"))
		dom[name] = value || null;
	else if (LIVE.includes(name))
		dom[name] = value ?? false;
	else if (!isChild(value))
		dom.removeAttribute(name);
	else
		dom.setAttribute(name, value === true ? "" : value);
}

function create(node) {
	if (isText(node)) {
		node.dom = document.createTextNode(node.text);
		return node.dom;
	}
	const { tag, props, children } = node;
	node.dom = tag === "svg" || tag === "path" ? document.createElementNS(SVG, tag) : document.createElement(tag);
	node.dom.append(...children.map(create));
	for (const name in props)
		setProp(node.dom, name, props[name]);
	return node.dom;
}

function update(old, next) {
	if (old === next)
		return;
	next.dom = old.dom;
	if (isText(next)) {
		if (next.text !== old.text)
			next.dom.data = next.text;
		return;
	}
	for (const name in old.props)
		if (!(name in next.props))
			setProp(next.dom, name, null);
	updateChildren(next.dom, old.children, next.children);
	for (const name in next.props)
		if (next.props[name] !== old.props[name] || (name !== "open" && LIVE.includes(name)))
			setProp(next.dom, name, next.props[name]);
}

function updateChildren(parent, old, next) {
	const kind = node => isText(node) ? "#" : `${node.tag} ${node.key ?? ""}`;
	const known = Map.groupBy(old, kind);
	const matches = next.map(node => known.get(kind(node))?.shift());
	for (const left of [...known.values()].flat())
		left.dom.remove();
	next.forEach((node, i) => {
		if (matches[i])
			update(matches[i], node);
		const dom = matches[i] ? node.dom : create(node);
		if (parent.childNodes[i] !== dom)
			parent.insertBefore(dom, parent.childNodes[i] || null);
	});
}

const shown = new WeakMap();

/** Makes `parent` have exactly these children. */
export function patch(parent, ...children) {
	const next = nodesOf(children);
	updateChildren(parent, shown.get(parent) || [], next);
	shown.set(parent, next);
}

const CIRCLE = "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z";
const PATHS = {
	ok: `${CIRCLE}m-1 10.2L3.8 8l1.1-1.1L7 9l4.1-4.1L12.2 6z`,
	info: `${CIRCLE}m.9 10.8H7.1V7.2h1.8zm0-6H7.1V4.1h1.8z`,
	error: `${CIRCLE}m.9 10.8H7.1V10h1.8zm0-3H7.1V4.1h1.8z`,
	warning: "M8 1 .6 14.4h14.8zm.9 11.4H7.1v-1.7h1.8zm0-2.7H7.1V6h1.8z",
	busy: "M8 1a7 7 0 0 1 7 7h-2a5 5 0 0 0-5-5z",
	lock: "M4 7V5a4 4 0 1 1 8 0v2h1v8H3V7zm2 0h4V5a2 2 0 1 0-4 0z",
	display: "M1 2h14v9H9.5v2H12v1.5H4V13h2.5v-2H1zm1.6 1.6v5.8h10.8V3.6z",
	network: "M1 2h14v12H1zm3 2v6h2v2h4v-2h2V4z",
	storage: "M2 3h12v10H2zm1.5 1.5v4h9v-4zm7 5.7v1.4H12v-1.4z",
	usb: "M5 1h6v5h1v5a4 4 0 0 1-8 0V6h1zm1.5 1.5V6h3V2.5z",
	other: "M3 3h10v10H3zm2 2v6h6V5zM6 0h1v2H6zm3 0h1v2H9zM6 14h1v2H6zm3 0h1v2H9z",
};

/** A picture that says nothing which the text beside it does not. */
export const icon = name => h(`svg.icon.icon-${name}`, { viewBox: "0 0 16 16", "aria-hidden": "true" },
	h("path", { d: PATHS[name] || PATHS.other, "fill-rule": "evenodd" }));
