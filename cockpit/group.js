// SPDX-License-Identifier: LGPL-2.1-or-later
/** All about one group. */

import { bindDialog, releaseDialog } from "./actions.js";
import { ROOT } from "./bus.js";
import { EXPORTERS, doctor, exported, marks } from "./ctl.js";
import { _, h, icon, n_ } from "./dom.js";
import { alert, badge, button, card, deviceName, empty, facts, groupLink, groupTitle, ids, isTrouble, language, leaseText, mark, mayBind, mayRelease,
	meta, mono, panel, refusal, said, shortAddress, spinner, stateOf, toDo, toneOf, troubleOf, wordsOf } from "./parts.js";

const known = promise => promise.catch(() => null); // a help, without which the page does

export class GroupView {
	#app;
	#path;
	#asked = ""; // of which state of the group what follows is the answer
	#check = null; // what stands against it, or { error }
	#remedies = new Map();
	#marks = null;
	#program = "qemu";
	#export = null; // what the program is to be told, or { error }
	#copied = "";

	constructor(app, number) {
		this.#app = app;
		this.#path = `${ROOT}/group/${number}`;
		this.changed();
	}

	get #group() { return this.#app.bus.group(this.#path) }

	title() { return this.#group ? groupTitle(this.#group) : _("No such group") }

	changed() {
		const { State, Devices, Holders, Blockers, Node } = this.#group || {};
		const asked = JSON.stringify([State, Devices, Holders, Blockers, Node]);
		if (asked !== this.#asked) {
			this.#asked = asked;
			this.#ask();
		}
	}

	#ask() {
		this.#check = this.#export = null;
		this.#copied = "";
		if (!this.#group)
			return;
		this.#askMarks();
		if (mayBind(this.#group))
			this.#askCheck();
		if (this.#group.State === "bound")
			this.#askExport();
	}

	async #askCheck() {
		const asked = this.#asked;
		const diagnosis = known(doctor(`group/${this.#group.Number}`));
		const check = await this.#app.bus.check(this.#path, {}).catch(error => ({ error }));
		if (asked !== this.#asked)
			return;
		this.#check = check;
		this.#app.render();
		const findings = (await diagnosis)?.findings || [];
		this.#remedies = new Map(findings.map(({ topic, device, remedy }) => [`${topic} ${device}`, remedy]));
		this.#app.render();
	}

	async #askMarks() {
		this.#marks ||= await known(marks());
		this.#app.render();
	}

	async #askExport() {
		const asked = this.#asked + this.#program;
		const text = await exported(`group/${this.#group.Number}`, this.#program).catch(error => ({ error }));
		if (asked === this.#asked + this.#program)
			this.#export = text;
		this.#app.render();
	}

	render() {
		const group = this.#group;
		if (!group)
			return empty(_("There is no such group now. What is unplugged is shown here again when it is back."));
		const { devices } = group;
		return [
			h("div.toolbar", { key: "toolbar" }, h("p.lead", _("Group $0", group.Number), badge(group)), h("div.buttons",
				mayBind(group) && button(_("Hand over"), () => bindDialog(this.#app, this.#path), "primary", { key: "bind", id: "bind" }),
				mayRelease(group) && button(_("Give back"), () => releaseDialog(this.#app, this.#path), "secondary", { key: "release", id: "release" }))),
			isTrouble(group) && h("div", { key: "trouble", role: "alert", "data-trouble": group.Number },
				alert(toneOf(group), stateOf(group)[3] ? stateOf(group)[0] : _("The last attempt failed"), said(troubleOf(group)))),
			this.#job(this.#app.bus.jobs.get(group.Job)),
			mayBind(group) && this.#against(),
			card(n_("$0 device", "$0 devices", devices.length), h("ul.devices", devices.map(device => this.#device(device)))),
			this.#held(group),
			group.State === "bound" && this.#exports(),
			card(_("The group"), facts({
				[_("Rule")]: group.Rule, [_("Wanted driver")]: group.Driver, [_("Node")]: group.Node, [_("Translation")]: group.Type,
				[_("A VM could open it")]: group.Viable ? _("yes") : _("no"),
			})),
		];
	}

	#job(job) {
		return job && panel("job", [job.Kind === "bind" ? _("Handing over") : _("Giving back"),
			meta(_("since $0", new Date(job.Started / 1000).toLocaleTimeString(language)))],
			h("ol.job", { "aria-live": "polite" }, job.Steps.map(([step, result], i) => {
				const hangs = result === "running" && job.State === "stuck";
				return h(hangs ? "li.job-stuck" : "li", { key: i }, icon(hangs ? "error" : result === "running" ? "busy" : "ok"),
					mono(step), meta(hangs ? _("hangs in the kernel") : result));
			})));
	}

	#against() {
		const { error, blockers } = this.#check || {};
		return panel("against",
			[_("What stands against handing it over"), button(_("Look again"), () => this.#ask(), "link", { id: "look-again" })],
			error ? refusal(error) : !blockers ? spinner() : blockers.length === 0 ? alert("ok", _("Nothing stands against it."))
				: h("div.alerts", blockers.map(([code, address, sentence]) => h("div", { key: code + address, "data-blocker": code },
					alert("warning", sentence, h("p", toDo(this.#remedies.get(`${code} ${address}`)), meta(mono(code))))))));
	}

	#device(device) {
		const { kind, msi, "msi-x": msix } = this.#marks?.get(device.Address) || {};
		const { bus } = this.#app;
		const physical = bus.devices.get(device.PhysicalFunction);
		const owner = bus.group(physical?.Group);
		const functions = device.VirtualFunctions.length;
		return h("li", { key: device.path, "data-device": device.Address },
			h("h3", icon(device.kind), deviceName(device), kind && meta(kind)),
			h("p.marks",
				device.ResetMethods.length > 0 ? mark("ok", _("reset: $0", device.ResetMethods.join(", "))) : mark("warning", _("no reset")),
				msi && mark("ok", "MSI"), msix && mark("ok", "MSI-X"), msi === false && !msix && mark("warning", _("no MSI")),
				device.BootVga && mark("warning", _("boot display"))),
			facts({
				[_("Address")]: mono(shortAddress(device)), [_("Id")]: mono(ids(device)), [_("Driver")]: device.Driver || _("no driver"),
				[_("Override")]: device.DriverOverride, [_("Driver on the host")]: device.NativeModules.join(", "),
				[_("VFIO device")]: device.VfioDevice, [_("NUMA node")]: device.NumaNode >= 0 && `${device.NumaNode}`,
				[_("Place")]: mono(device.Path), [_("Virtual functions")]: functions > 0 && `${functions}`,
				[_("Function of")]: physical && (owner ? groupLink(owner) : shortAddress(physical)),
			}));
	}

	#held({ Holders, leases }) {
		return Holders.length + leases.length > 0 && panel("held", _("Who has it"), h("ul.files",
			Holders.map(([pid, command]) => h("li", { key: pid }, _("$0 has it open (process $1)", command, pid))),
			leases.map(lease => h("li", { key: lease }, leaseText(lease)))));
	}

	#exports() {
		const { error, text, notes } = this.#export || {};
		return panel("export", _("For a VM or a container"),
			h("div.toolbar",
				h("label", _("Program"), " ", h("select", { id: "program", value: this.#program,
					onchange: event => { this.#program = event.target.value; this.#export = null; this.#copied = ""; this.#askExport() } },
				EXPORTERS.map(value => h("option", { key: value, value }, value)))),
				button(_("Copy"), () => this.#copy(text), "secondary", { id: "copy", disabled: !text })),
			h("p", { role: "status" }, meta(this.#copied)),
			error ? alert("warning", _("There is no such text now"), said(wordsOf(error))) : text === undefined ? spinner()
				: [h("pre", { id: "export-text", tabindex: 0, "aria-label": _("What the program is to be told") }, text),
					notes.map(note => alert("info", note))]);
	}

	/** Without https a browser has no clipboard for pages. */
	async #copy(text) {
		const copy = navigator.clipboard?.writeText(text) || Promise.reject(new Error("no clipboard"));
		this.#copied = await copy.then(() => _("Copied"), () => _("The browser does not allow it: mark the text and copy it."));
		this.#app.render();
	}
}
