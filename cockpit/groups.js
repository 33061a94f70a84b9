// SPDX-License-Identifier: LGPL-2.1-or-later
/** The list of the groups, by what they are. */

import { bindDialog, releaseDialog } from "./actions.js";
import { doctor } from "./ctl.js";
import { _, h, icon, n_ } from "./dom.js";
import { KINDS, alert, badge, button, deviceLine, deviceName, empty, groupLink, groupTitle, ids, isTrouble, mayBind, meta, number, said, sorted,
	titleLink, toDo, toneOf, troubleOf } from "./parts.js";

const PAGE = 60; // rows that a section begins with
const TROUBLES = 5;

const wordsOf = group => [`group ${group.Number}`, group.Rule, group.State,
	...group.devices.flatMap(device => [device.Address, deviceName(device), ids(device), device.Driver])].join("\n").toLowerCase();

export class GroupsView {
	#app;
	#search = "";
	#limits = {};
	#entries = new Map(); // by path: what is shown of a group, kept while nothing of it changes
	#open = new Set();
	#findings = [];

	constructor(app) {
		this.#app = app;
		if (app.bus.manager.Iommu === "none")
			this.#askDoctor();
	}

	title() { return _("PCI passthrough") }

	changed(dirty) {
		for (const path of dirty)
			this.#entries.delete(path);
	}

	/** What the page says by itself is enough to go on where nobody can be asked. */
	async #askDoctor() {
		this.#findings = await doctor().then(({ findings }) => findings.filter(({ topic }) => topic === "iommu"), () => []);
		this.#app.render();
	}

	render() {
		const { groups, manager } = this.#app.bus;
		if (manager.Iommu === "none" && groups.size === 0)
			return [this.#withoutIommu(), this.#groupless()];
		const words = this.#search.toLowerCase().split(/\s+/).filter(word => word);
		const found = [...groups.keys()].map(path => this.#entry(path)).filter(entry => words.every(word => wordsOf(entry).includes(word)))
			.sort((a, b) => a.Number - b.Number);
		const kinds = Map.groupBy(found, entry => entry.kind);
		return [
			this.#troubles(),
			this.#searchBox(found.length),
			Object.keys(KINDS).map(kind => kinds.has(kind) && this.#section(kind, kinds.get(kind))),
			found.length === 0 && empty(this.#search ? _("Nothing is called “$0”.", this.#search) : _("This machine has no IOMMU group.")),
			this.#groupless(),
		];
	}

	#entry(path) {
		if (!this.#entries.has(path))
			this.#entries.set(path, this.#app.bus.group(path));
		return this.#entries.get(path);
	}

	#searchBox(found) {
		return h("div.toolbar", { key: "search" },
			h("label.search", h("span.spoken", _("Search by name, address, id, driver or rule")),
				h("input", { type: "search", id: "search", placeholder: _("Name, address, id, driver or rule"), value: this.#search,
					oninput: event => { this.#search = event.target.value.trimStart(); this.#app.render() } })),
			h("p", { role: "status" }, meta(n_("$0 group", "$0 groups", found))));
	}

	#troubles() {
		const paths = [...this.#app.bus.groups].filter(([, group]) => isTrouble(group)).map(([path]) => path);
		return paths.length > 0 && h("div.alerts", { key: "troubles", role: "region", "aria-label": _("What needs you") },
			paths.slice(0, TROUBLES).map(path => {
				const group = this.#entry(path);
				return h("div", { key: path, "data-trouble": group.Number }, alert(toneOf(group),
					groupLink(group), said(troubleOf(group))));
			}),
			paths.length > TROUBLES && h("p", _("and $0 more", paths.length - TROUBLES)));
	}

	#section(kind, entries) {
		const heading = [KINDS[kind], number(entries.length)];
		if (kind !== "system")
			return h("section.card", { key: kind, "data-kind": kind }, h("h2", icon(kind), heading), this.#list(kind, entries));
		const open = this.#search !== "" || this.#open.has(kind);
		return h("details.card", { key: kind, "data-kind": kind, open, ontoggle: event => {
			if (event.target.open !== open) {
				this.#open[event.target.open ? "add" : "delete"](kind);
				this.#app.render();
			}
		} }, h("summary", heading), open && this.#list(kind, entries));
	}

	#list(kind, entries) {
		const limit = this.#limits[kind] || PAGE;
		const rest = entries.length - limit;
		return [
			h("ul.rows", entries.slice(0, limit).map(entry => entry.row ??= this.#row(entry))),
			rest > 0 && button(_("Show $0 of $1 more", Math.min(rest, 4 * PAGE), rest),
				() => { this.#limits[kind] = limit + 4 * PAGE; this.#app.render() }, "link", { "data-more": kind }),
		];
	}

	#row(group) {
		return h("li.row", { key: group.path, "data-group": group.Number },
			h("div",
				titleLink(group),
				group.devices.map((device, i) => deviceLine(device, i === 0 ? null : undefined))),
			h("div.row-group", _("Group $0", group.Number), group.Rule && meta(_("Rule $0", group.Rule))),
			h("div.row-state", badge(group)),
			h("div.row-action", group.kind !== "system" && this.#action(group)));
	}

	/** One button, so that the focus stays on it while the group changes. */
	#action(group) {
		const title = groupTitle(group);
		const [label, words, act] = group.State === "bound" ? [_("Give back"), _("Give back $0", title), () => releaseDialog(this.#app, group.path)]
			: mayBind(group) ? [_("Hand over"), _("Hand over $0", title), () => bindDialog(this.#app, group.path)]
				: [_("Watch"), _("Watch $0", title), () => cockpit.location.go(["group", group.Number])];
		return button(label, act, "secondary", { "aria-label": words });
	}

	#groupless() {
		const devices = [...this.#app.bus.devices.values()].filter(device => device.Group === "/");
		return devices.length > 0 && h("details.card", { key: "groupless", "data-kind": "groupless" },
			h("summary", _("In no IOMMU group, so no VM can have them"), number(devices.length)),
			h("ul.rows", sorted(devices).slice(0, 4 * PAGE).map(device => h("li.row", { key: device.path }, deviceLine(device)))));
	}

	#withoutIommu() {
		return h("section.card.empty-state", { key: "no-iommu" }, icon("lock"),
			h("h2", _("This machine has no IOMMU that is switched on")),
			h("p", _("Without one, a device could write to any memory of the machine, so none can be given to a VM.")),
			h("ol",
				h("li", _("In the firmware's setup, switch on VT-d (Intel), AMD-Vi or “IOMMU” (AMD), SMMU (ARM).")),
				h("li", _("On Intel, add this to the kernel's command line:"), " ", h("code", "intel_iommu=on")),
				h("li", _("Restart the machine, and look here again."))),
			this.#findings.map(({ sentence, remedy }) => h("div", { key: sentence, "data-finding": "" },
				alert("info", sentence, h("p", toDo(remedy))))));
	}
}
