// SPDX-License-Identifier: LGPL-2.1-or-later
/** Handing over and giving back: the dialogs that say beforehand what will be done. */

import { allowableCodes } from "./ctl.js";
import { _, h, patch } from "./dom.js";
import { alert, button, deviceName, groupTitle, leaseText, meta, mono, number, refusal, shortAddress, spinner } from "./parts.js";

const idOf = ([code, address]) => `${code} ${address}`;

/** What both dialogs have: the frame, the choice, the call and how it is answered. */
class Dialog {
	allow = new Set();
	#persist = false;
	#busy = false;
	#element = document.createElement("dialog");
	error = null;

	/** `words` are heading, what it means, what the tick that keeps it does, and the verb. */
	constructor(app, path, method, words) {
		Object.assign(this, { app, path, method, words });
	}

	open() {
		this.#element.setAttribute("aria-labelledby", "dialog-title");
		this.#element.addEventListener("close", () => {
			this.app.dialog = null;
			this.#element.remove();
		});
		document.body.append(this.#element);
		this.app.dialog = this;
		this.allowChanged();
		this.render();
		this.#element.showModal();
	}

	get group() { return this.app.bus.group(this.path) }

	render() {
		if (!this.group || this.app.bus.state !== "live")
			return this.#element.close();
		const [heading, meaning, keeping, verb] = this.words;
		patch(this.#element, h("form", { onsubmit: event => { event.preventDefault(); this.#submit() } },
			h("h2", { id: "dialog-title" }, _(heading, groupTitle(this.group))),
			h("div.dialog-body",
				h("p", meaning),
				h("ul.files", this.group.devices.map(device =>
					h("li", { key: device.path }, mono(shortAddress(device)), " ", deviceName(device), " ", meta(device.Driver)))),
				this.body(),
				this.#tick("persist", this.#persist, value => { this.#persist = value }, keeping),
				this.error && refusal(this.error)),
			h("div.dialog-foot",
				h(`button.button.${this.allow.size > 0 ? "danger" : "primary"}`, { id: "go", disabled: this.#busy || !this.ready },
					verb),
				button(_("Cancel"), () => this.#element.close(), "link", { id: "cancel" }))));
	}

	#tick(name, checked, change, ...label) {
		return h("label.tick", { key: name }, h("input", { type: "checkbox", name, checked, disabled: this.#busy,
			onchange: event => { change(event.target.checked); this.render() } }), h("span", label));
	}

	/** One reason that may be taken on oneself, with a tick of its own. */
	allowTick(code, sentence) {
		return this.#tick(`allow-${code}`, this.allow.has(code), value => {
			this.allow[value ? "add" : "delete"](code);
			this.allowChanged();
		}, h("strong", _("Do it all the same:"), " "), sentence, " ", meta(mono(code)));
	}

	/** Another answer is to be expected now. */
	allowChanged() {}

	refused() {}

	allowed() { return this.allow.size > 0 ? { allow: { t: "as", v: [...this.allow] } } : {} }

	async #submit() {
		this.#busy = true;
		this.error = null;
		this.render();
		this.app.follow(this.path, this.method);
		try {
			const options = { ...this.allowed(), ...(this.#persist && { persist: { t: "b", v: true } }) };
			const [job] = await this.app.bus.call(this.path, this.method, [options], "a{sv}");
			if (job === "/") {
				this.app.unfollow(this.path);
				this.app.toast("info", () => _("Nothing was to be done: all is as wanted."));
			}
			this.#element.close();
		} catch (error) {
			this.app.unfollow(this.path);
			this.error = error;
			this.#busy = false;
			this.refused(error);
			this.render();
		}
	}
}

class BindDialog extends Dialog {
	#codes = new Set();
	#found = null;
	#known = new Map(); // what is ticked is no longer found, but its tick stays
	#turn = 0;

	get ready() { return this.#found?.possible === true }

	async allowChanged() {
		const turn = ++this.#turn;
		try {
			const [found, codes] = await Promise.all([this.app.bus.check(this.path, this.allowed()), allowableCodes()]);
			if (turn !== this.#turn)
				return;
			this.#found = found;
			this.#codes = codes;
			for (const blocker of found.blockers)
				this.#known.set(idOf(blocker), blocker);
		} catch (error) {
			this.#found = null;
			this.error = error;
		}
		this.render();
	}

	body() {
		if (!this.#found)
			return !this.error && spinner();
		const { blockers, steps } = this.#found;
		const now = new Set(blockers.map(idOf));
		const all = [...this.#known.values()].filter(blocker => now.has(idOf(blocker)) || this.allow.has(blocker[0]));
		const firm = all.filter(([code]) => !this.#codes.has(code));
		// One code may stand against several devices, and is allowed for all of them.
		const byCode = Map.groupBy(all.filter(([code]) => this.#codes.has(code)), ([code]) => code);
		return [
			all.length === 0 && h("div", { key: "free" }, alert("ok", _("Nothing stands against it."))),
			firm.length > 0 && h("div", { key: "firm", id: "firm" }, alert("danger", _("This cannot be allowed:"),
				h("ul", firm.map(blocker => h("li", { key: idOf(blocker) }, blocker[2], " ", meta(mono(blocker[0]))))))),
			byCode.size > 0 && h("fieldset", { key: "allow" }, h("legend", _("The host still uses it")),
				[...byCode].map(([code, same]) => this.allowTick(code, same.map(([, , sentence]) => sentence).join("; ")))),
			steps.length > 0 && h("details.steps", { key: "steps" },
				h("summary", _("What will be done"), number(steps.length)),
				h("ol", { tabindex: 0 }, steps.map((step, i) => h("li.mono", { key: i }, step)))),
		];
	}
}

class ReleaseDialog extends Dialog {
	#refusals = {};

	get ready() { return this.#held.every(([code]) => this.allow.has(code)) }

	/** By code, who has it: as the daemon says when it refuses, or knew before. */
	get #held() {
		return Object.entries({
			leased: this.group.leases.map(leaseText).join("; "),
			"held-by-vm": this.group.Holders.map(([pid, command]) => `${command} (${pid})`).join(", "),
			...this.#refusals,
		}).filter(([, who]) => who);
	}

	refused({ name, message }) {
		if (name?.endsWith(".InUse"))
			this.#refusals[message.split(":")[0]] = message;
	}

	body() {
		const { Rule } = this.group;
		const held = this.#held;
		return [
			held.length > 0 && h("fieldset", { key: "held" }, h("legend", _("The group is in use")), held.map(([code, who]) => [
				h("p", code === "leased" ? _("It goes back by itself when its last lease has ended.")
					: _("The kernel waits until the program lets go, and nothing can stop the wait. End the program first.")),
				this.allowTick(code, who)])),
			this.app.bus.rules.get(Rule)?.when === "always" && h("p", { key: "rule" },
				meta(_("Rule $0 takes it again when the configuration changes or the machine restarts.", Rule))),
		];
	}
}

export const bindDialog = (app, path) => new BindDialog(app, path, "Bind", [_("Hand over $0"),
	_("The whole group goes to VFIO, or nothing of it. The host can then not use these devices."),
	_("Keep it so after a restart (writes a rule to /etc/vfio-bind.d)"), _("Hand over")]).open();

export const releaseDialog = (app, path) => new ReleaseDialog(app, path, "Release", [_("Give back $0"),
	_("The devices go back to the host's own drivers."),
	_("Keep it so after a restart (takes the rule out of /etc/vfio-bind.d)"), _("Give back")]).open();
