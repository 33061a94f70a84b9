// SPDX-License-Identifier: LGPL-2.1-or-later
/** The machine's state of health, in the doctor's words. */

import { doctor } from "./ctl.js";
import { _, h } from "./dom.js";
import { alert, button, card, mono, said, spinner, toDo, wordsOf } from "./parts.js";

const TONES = { error: "danger", warning: "warning", note: "info", ok: "ok" }; // the worst first
const LEVELS = Object.keys(TONES);

export class HealthView {
	#app;
	#diagnosis = null;
	#error = null;

	constructor(app) {
		this.#app = app;
		this.#ask();
	}

	title() { return _("Health") }

	changed() {}

	async #ask() {
		this.#diagnosis = this.#error = null;
		this.#app.render();
		try {
			this.#diagnosis = await doctor();
		} catch (error) {
			this.#error = error;
		}
		this.#app.render();
	}

	render() {
		const { Warnings } = this.#app.bus.manager;
		return [
			h("div.toolbar", h("p.lead", { role: "status" }, this.#verdict()),
				button(_("Examine again"), () => this.#ask(), "secondary", { id: "examine" })),
			Warnings.length > 0 && card(_("What needs you"), h("div.alerts",
				Warnings.map(sentence => h("div", { key: sentence, "data-warning": "" }, alert("warning", sentence))))),
			card(_("Examination"), this.#findings()),
		];
	}

	#verdict() {
		if (!this.#diagnosis)
			return "";
		if (this.#diagnosis.possible)
			return _("This machine can pass devices through.");
		return this.#diagnosis.certain ? _("This machine cannot pass devices through as it stands.")
			: _("Some things only an administrator can see.");
	}

	#findings() {
		if (this.#error)
			return alert("danger", _("vfio-bindctl could not examine the machine"), said(wordsOf(this.#error)));
		if (!this.#diagnosis)
			return spinner();
		const worstFirst = this.#diagnosis.findings.toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
		return h("div.alerts", worstFirst.map(({ level, sentence, device, remedy }, i) => h("div", { key: i, "data-level": level },
			alert(TONES[level] || "info", sentence, (device || remedy) && h("p", mono(device), " ", toDo(remedy))))));
	}
}
