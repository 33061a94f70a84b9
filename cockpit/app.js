// SPDX-License-Identifier: LGPL-2.1-or-later
/** The page: which view is shown, what is said above all views, and how the daemon stands. */

import { Bus } from "./bus.js";
import { _, h, icon, patch } from "./dom.js";
import { GroupView } from "./group.js";
import { GroupsView } from "./groups.js";
import { HealthView } from "./health.js";
import { alert, button, language, nameOf, said, spinner } from "./parts.js";
import { RulesView } from "./rules.js";

const SAID_FOR = 8000; // milliseconds that good news stay
const VIEWS = { group: GroupView, rules: RulesView, health: HealthView };
const RESULTS = {
	Bind: ["ok", _("$0 is handed over.")],
	Release: ["ok", _("$0 is given back.")],
	failed: ["danger", _("$0: this failed, and not all of it could be undone.")],
	"rolled-back": ["warning", _("$0: this failed, and everything is as it was before.")],
	stuck: ["danger", _("$0: a step hangs in the kernel.")],
};

class App {
	bus = new Bus();
	dialog = null;
	#view = null;
	#place = "";
	#toasts = [];
	#followed = new Map();

	constructor() {
		cockpit.permission({ admin: true }); // reloads the page when administrative access is switched
		this.bus.addEventListener("changed", event => {
			this.#view?.changed(event.detail);
			this.#go();
			this.render();
			this.dialog?.render();
		});
		this.bus.addEventListener("job-removed", event => this.#ended(event.detail));
		cockpit.addEventListener("locationchanged", () => this.#go());
		this.render();
	}

	#go() {
		const { path } = cockpit.location;
		const place = path.join("/");
		if (this.bus.state !== "live" || (this.#view && place === this.#place))
			return;
		const moved = this.#view !== null;
		this.#place = place;
		this.#view = null; // what is made now may ask to be rendered before it is there
		this.#view = new (VIEWS[path[0]] || GroupsView)(this, path[1]);
		this.render();
		if (moved) {
			window.scrollTo(0, 0);
			document.querySelector("h1").focus();
		}
	}

	render() {
		const { state, manager } = this.bus;
		const live = state === "live" && this.#view;
		patch(document.getElementById("app"),
			h("header",
				h("div.head", h("h1", { tabindex: -1 }, live ? this.#view.title() : _("PCI passthrough")),
					live && h("p.meta", _("IOMMU: $0", manager.Iommu), h("span", `vfio-bind ${manager.Version}`))),
				live && this.#navigation(manager)),
			h("main", live ? [this.#above(manager), this.#view.render()] : this.#without(state)),
			h("div.toasts", { role: "log", "aria-label": _("What came of it") }, this.#toasts.map(toast => this.#toast(toast))));
	}

	#navigation({ ConfigError, Warnings }) {
		const here = { rules: "rules", health: "health" }[cockpit.location.path[0]] || "";
		const link = (name, title, flag) => h("li", { key: name }, h("a", { href: `#/${name}`, "aria-current": here === name ? "page" : null },
			title, flag && [icon("error"), h("span.spoken", _("needs you"))]));
		return h("nav", { "aria-label": _("Views") }, h("ul", link("", _("Groups")), link("rules", _("Rules"), ConfigError !== ""),
			link("health", _("Health"), Warnings.length > 0)));
	}

	/** What is said whatever is looked at. */
	#above({ ConfigError, NoIommu }) {
		return [
			ConfigError && cockpit.location.path[0] !== "rules" && h("div", { key: "config", id: "config" },
				alert("danger", h("a", { href: "#/rules" }, _("The configuration has an error")), said(ConfigError))),
			NoIommu && alert("danger", _("VFIO's mode without an IOMMU is switched on: nothing keeps devices from writing to any memory.")),
		];
	}

	#without(state) {
		if (state === "connecting" || state === "live")
			return spinner();
		const away = state === "away";
		return h("section.card.empty-state", { role: "alert", "data-away": state }, icon("warning"),
			h("h2", away ? _("vfio-bindd does not run") : _("The connection is lost")),
			h("p", away ? _("Devices stay as they are; how they are cannot be told until it runs again. This page goes on by itself then.")
				: _("How the devices are cannot be told.")),
			said(this.bus.problem),
			away && button(_("Start it"), () => this.bus.read(), "primary", { id: "start" }));
	}

	/** From now on the end of the group's job is said: `method` is what this page is about to ask for. */
	follow(path, method) { this.#followed.set(path, method) }

	unfollow(path) { this.#followed.delete(path) }

	#ended({ group: path, result }) {
		if (!this.#followed.has(path))
			return;
		const [tone, words] = RESULTS[result === "done" ? this.#followed.get(path) : result] || ["danger", result];
		const group = () => this.bus.group(path);
		this.toast(tone, () => _(words, group() ? nameOf(group()) : path), () => result !== "done" && group()?.LastError, result);
		this.unfollow(path);
	}

	/** `title` and `detail` are asked each time: what the daemon tells of a failure may come later than that it failed. */
	toast(tone, title, detail, result = tone) {
		const toast = { tone, title, detail, result };
		this.#toasts = [...this.#toasts.slice(-3), toast];
		if (tone === "ok" || tone === "info")
			setTimeout(() => this.#dismiss(toast), SAID_FOR);
		this.render();
	}

	#dismiss(toast) {
		this.#toasts = this.#toasts.filter(one => one !== toast);
		this.render();
	}

	#toast(toast) {
		return h("div.toast", { "data-result": toast.result }, alert(toast.tone, toast.title(), said(toast.detail?.())),
			button("×", () => this.#dismiss(toast), "link", { "aria-label": _("Close") }));
	}
}

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

/** As the rest of Cockpit, whose shell says it so. */
function dress(style = localStorage.getItem("shell:style") || "auto") {
	document.documentElement.dataset.theme = style === "dark" || (style === "auto" && prefersDark.matches) ? "dark" : "light";
}

window.addEventListener("storage", () => dress());
window.addEventListener("cockpit-style", event => dress(event.detail.style));
prefersDark.addEventListener("change", () => dress());
dress();
document.documentElement.lang = language;
document.title = _("PCI passthrough");
new App();
