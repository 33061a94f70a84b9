// SPDX-License-Identifier: LGPL-2.1-or-later
/** What things are called. */

import { _ } from "./dom.js";

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

export const groupTitle = (group, devices) => devices.length > 0 ? deviceName(devices[0]) : _("Group $0", group.Number);

export const nameOf = (group, devices) => _("Group $0, $1", group.Number, groupTitle(group, devices));

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

const isSystem = devices => devices.every(device => device.kind === "system");
export const mayBind = (group, devices) => ["native", "partial", "blocked", "drifted"].includes(group.State) && !isSystem(devices);
export const mayRelease = group => ["bound", "partial", "drifted"].includes(group.State);
