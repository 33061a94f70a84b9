// SPDX-License-Identifier: LGPL-2.1-or-later
/** What things are called, and the pieces that several views are made of. */

import { _, h, icon } from "./dom.js";

export const KINDS = {
	display: _("Graphics cards"), network: _("Network"), storage: _("Disks and controllers"), usb: _("USB controllers"),
	other: _("Others"), system: _("Bridges and parts of the chipset"),
};
const RANK = Object.keys(KINDS);

/** PCI's classes of what is part of the machine: memory, bridges, timers, processors, and the SMBus. */
const SYSTEM = [0x05, 0x06, 0x08, 0x0b, 0x0c05];
const SORTS = { 0x01: "storage", 0x02: "network", 0x03: "display", 0x0c03: "usb" };

function kindOf({ Class }) {
	const [base, sub] = [Class >> 16, Class >> 8];
	return SYSTEM.includes(base) || SYSTEM.includes(sub) ? "system" : SORTS[sub] || SORTS[base] || "other";
}

/** A group is of the kind of its member that matters most, which comes first. */
export const sorted = devices => devices.map(device => ({ ...device, kind: kindOf(device) }))
	.sort((a, b) => RANK.indexOf(a.kind) - RANK.indexOf(b.kind) || (a.Address < b.Address ? -1 : 1));

const hex = number => number.toString(16).padStart(4, "0");
export const ids = device => `${hex(device.Vendor)}:${hex(device.Device)}`;

export const deviceName = ({ VendorName, DeviceName, ...device }) => DeviceName ? `${VendorName} ${DeviceName}`
	: _("$0 device $1", VendorName || _("Unknown"), ids(device));

/** The domain is left out where it says nothing, as lspci does. */
export const shortAddress = device => device.Address.replace(/^0000:/, "");

export const groupTitle = ({ devices: [first], Number }) => first ? deviceName(first) : _("Group $0", Number);

export const nameOf = group => _("Group $0, $1", group.Number, groupTitle(group));

/** How each state looks: word, picture, colour; and, where someone has to look, what it means. */
export const STATES = {
	native: [_("With the host"), "ok", "plain"],
	bound: [_("Handed over"), "ok", "ok"],
	binding: [_("Handing over"), "busy", "busy"],
	releasing: [_("Giving back"), "busy", "busy"],
	partial: [_("Partly handed over"), "warning", "warning",
		_("Some of its devices are with VFIO and some are not, so no VM can open it.")],
	blocked: [_("Blocked"), "lock", "warning", _("A rule wants it, and it is in use.")],
	stuck: [_("Stuck in the kernel"), "error", "danger",
		_("A step hangs in the kernel. It cannot be cancelled; it ends when the driver lets go, or at a reboot.")],
	drifted: [_("Changed by another program"), "warning", "warning",
		_("Another program has changed a driver. Handing the group over again sets it right.")],
};

export const stateOf = group => STATES[group.State] || [group.State, "info", "plain"];

/** Whether someone has to look at the group, and how bad it is. */
export const isTrouble = group => stateOf(group).length > 3 || group.LastError !== "";
export const toneOf = group => group.State === "stuck" || group.LastError ? "danger" : "warning";

/** What is wrong with the group, in the daemon's words as far as it has some. */
export const troubleOf = group => group.LastError || group.Blockers.map(([, , sentence]) => sentence).join("\n") || stateOf(group)[3];

export const mayBind = group => ["native", "partial", "blocked", "drifted"].includes(group.State) && group.kind !== "system";
export const mayRelease = group => ["bound", "partial", "drifted"].includes(group.State);

export const language = cockpit.language.replace("_", "-");

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
export const leaseText = ([uid, since, what]) =>
	_("user $0 holds a lease since $1", uid, new Date(since / 1000).toLocaleString(language)) + (what ? `: ${what}` : "");
export const toDo = remedy => remedy && [h("strong", _("To do:"), " "), remedy, " "];

export function badge(group) {
	const [label, picture, tone] = stateOf(group);
	return h(`span.badge.tone-${tone}`, { "data-state": group.State }, icon(picture), label);
}

const groupHref = group => `#/group/${group.Number}`;
export const titleLink = group => h("a.first", { href: groupHref(group) }, groupTitle(group));
export const groupLink = group => h("a", { href: groupHref(group) }, nameOf(group));

export const button = (label, onclick, kind, props) => h(`button.button.${kind}`, { type: "button", ...props, onclick }, label);

export const panel = (id, title, ...body) => h("section.card", { key: id, id }, h("h2", title), body);

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
