// SPDX-License-Identifier: LGPL-2.1-or-later
/** The rules in force, and what is wrong with the files that they come from. */

import { ROOT } from "./bus.js";
import { _, h } from "./dom.js";
import { alert, badge, button, card, empty, groupLink, mark, meta, mono, refusal } from "./parts.js";

const AROUND = 2; // lines before and after the one with the error
const GROUPS = 20; // groups of a rule that are named

/** `file:line:column: what` in its parts; null where the error has no place. */
function placeOf(error) {
	const [, file, line, column, what] = /^(\/.*?):(\d+):(\d+): (.*)$/s.exec(error) || [];
	return file && { file, line: Number(line), column: Number(column), what };
}

export class RulesView {
	#app;
	#shown = "";
	#source = null; // lines of the file with the error
	#error = null;
	#reloading = false;

	constructor(app) {
		this.#app = app;
		this.changed();
	}

	title() { return _("Rules") }

	changed() {
		const { ConfigError } = this.#app.bus.manager;
		if (ConfigError === this.#shown)
			return;
		this.#shown = ConfigError;
		this.#source = null;
		if (placeOf(ConfigError))
			this.#readSource(ConfigError);
	}

	/** The file may be out of the user's reach; the place is said all the same. */
	async #readSource(error) {
		const text = await cockpit.file(placeOf(error).file, { superuser: "try" }).read().then(read => read, () => null);
		if (error === this.#shown && text) {
			this.#source = text.split("\n");
			this.#app.render();
		}
	}

	async #reload() {
		this.#reloading = true;
		this.#error = null;
		this.#app.render();
		try {
			await this.#app.bus.call(ROOT, "Reload", [], "");
			this.#app.toast("ok", () => _("The configuration is read and in force."));
		} catch (error) {
			// What is wrong with the file is shown by its place.
			this.#error = error.name?.endsWith(".ConfigInvalid") ? null : error;
		}
		this.#reloading = false;
		this.#app.render();
	}

	render() {
		const { ConfigError, ConfigFiles, Rules } = this.#app.bus.manager;
		return [
			h("div.toolbar", h("p.lead", _("What the configuration hands over, at the start or when asked for.")),
				button(_("Read the configuration again"), () => this.#reload(), "secondary", { id: "reload", disabled: this.#reloading })),
			this.#error && refusal(this.#error),
			ConfigError && this.#wrong(ConfigError),
			card(_("Rules in force"), Rules.length > 0 ? h("ul.rows", Rules.map(rule => this.#rule(...rule)))
				: empty(_("There are none. Hand a group over and choose to keep it so, or name devices in /etc/vfio-bind.toml."))),
			card(_("Files"), ConfigFiles.length > 0 ? h("ul.files", ConfigFiles.map(file => h("li.mono", { key: file }, file)))
				: empty(_("No file was read."))),
		];
	}

	#wrong(error) {
		const place = placeOf(error);
		return h("div", { key: "error", role: "alert", id: "config-error" }, alert("danger", place?.what || error,
			place && h("p", mono(place.file), ", ", _("line $0, column $1", place.line, place.column)),
			place && this.#source && this.#excerpt(place),
			h("p", _("The rules below stay in force until the file is put right and read again."))));
	}

	#excerpt({ line, column }) {
		const first = Math.max(line - 1 - AROUND, 0);
		return h("pre.source", { tabindex: 0, "aria-label": _("The lines around the error") },
			this.#source.slice(first, line + AROUND).map((text, i) => {
				const wrong = first + i + 1 === line;
				return h(wrong ? "span.source-wrong" : "span", { key: i }, `${first + i + 1}`.padStart(4), "  ", text, "\n",
					wrong && `      ${[...text].slice(0, column - 1).map(c => c === "\t" ? c : " ").join("")}^\n`);
			}));
	}

	#rule(name, driver, selectors) {
		const { bus } = this.#app;
		const { when, matches } = bus.rules.get(name) || {};
		const matched = matches?.map(address => bus.devices.get(`${ROOT}/device/${address.replace(/[.:]/g, "_")}`)?.Group);
		const groups = [...bus.groups.values()].filter(group => group.Rule === name || matched?.includes(group.path));
		return h("li.row.rule", { key: name, "data-rule": name },
			h("div", h("strong.first", name), h("div", meta(selectors.map(selector => mono(selector))))),
			h("div.marks", meta(_("Driver $0", driver)), when === "asked" && mark("info", _("only when asked for"))),
			h("div", matched && groups.length === 0 && meta(_("no such device in this machine now")),
				groups.slice(0, GROUPS).map(group => h("div.lead", { key: group.path },
					groupLink(bus.group(group.path)), badge(group)))));
	}
}
