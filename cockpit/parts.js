// SPDX-License-Identifier: LGPL-2.1-or-later
/** Pieces that several views are made of. */

import { _, h, icon } from "./dom.js";
import { deviceName, groupTitle, ids, nameOf, shortAddress, stateOf } from "./words.js";

const TONES = {
	danger: ["error", _("Error:")], warning: ["warning", _("Warning:")], ok: ["ok", _("Good:")], info: ["info", _("Note:")],
	busy: ["busy", _("Wait:")], denied: ["lock", _("Not allowed:")],
};

/** A box that says something; `tone` is one of TONES. */
export const alert = (tone, title, ...body) => h(`div.alert.tone-${tone}`, icon(TONES[tone][0]),
	h("div.alert-text", h("p.alert-title", h("span.spoken", TONES[tone][1], " "), title), body));

export const said = text => text && h("p.pre", text);
export const meta = (...text) => h("span.meta", text);
export const mono = (...text) => h("span.mono", text);
export const number = count => h("span.number", count);
export const empty = text => h("p.empty", text);
export const spinner = () => h("p.wait", { role: "status" }, icon("busy"), _("Looking …"));
export const mark = (tone, text) => h(`span.mark.tone-${tone}`, { key: text }, text);
export const toDo = remedy => remedy && [h("strong", _("To do:"), " "), remedy, " "];

export function badge(group) {
	const [label, picture, tone] = stateOf(group);
	return h(`span.badge.tone-${tone}`, { "data-state": group.State }, icon(picture), label);
}

const groupHref = group => `#/group/${group.Number}`;
export const titleLink = (group, devices) => h("a.first", { href: groupHref(group) }, groupTitle(group, devices));
export const groupLink = (group, devices) => h("a", { href: groupHref(group) }, nameOf(group, devices));

export const button = (label, onclick, kind, props) => h(`button.button.${kind}`, { type: "button", ...props, onclick }, label);

export const card = (title, ...body) => h("section.card", { key: title }, h("h2", title), body);

/** A device in a list: its name as `first` has it, and how it can be told from others. */
export const deviceLine = (device, name = h("span", deviceName(device))) => h("div.device", { key: device.path }, name,
	meta(mono(shortAddress(device)), mono(ids(device)), h("span", device.Driver || _("no driver")),
		device.BootVga && mark("warning", _("boot display"))));

/** Pairs of a word and what is to be said; those that say nothing are left out. */
export const facts = pairs => h("dl.facts", Object.entries(pairs).filter(([, value]) => value)
	.map(([name, value]) => h("div", { key: name }, h("dt", name), h("dd", value))));

const REFUSALS = {
	AccessDenied: ["denied", _("You may not do this")],
	InteractiveAuthorizationRequired: ["denied", _("You may not do this without a password")],
	Busy: ["busy", _("The group is being worked on")],
	InUse: ["warning", _("The group is in use")],
	Blocked: ["warning", _("The host still uses it")],
	NotViable: ["warning", _("The group cannot be handed over as it stands")],
	KernelRefused: ["danger", _("The kernel refused")],
};

export const wordsOf = error => error.message || error.problem || String(error);

/** How an error of a call looks. */
export function refusal(error) {
	const code = (error.name || "").split(".").pop();
	const [tone, title] = REFUSALS[code] || ["danger", _("This did not work")];
	return h("div", { key: "refusal", role: "alert", "data-refusal": code }, alert(tone, title, said(wordsOf(error)),
		tone === "denied" && h("p", _("Switch on administrative access at the top of Cockpit, or ask who administers this machine."))));
}
