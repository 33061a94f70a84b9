// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The daemon's objects as they are now. It is a copy of what org.vfiobind1 tells: all of it once, and its signals from then on;
 * nothing here is older than the last message.
 */

import { sorted } from "./parts.js";

const NAME = "org.vfiobind1";
export const ROOT = "/org/vfiobind1";
const PROPERTIES = "org.freedesktop.DBus.Properties";
const OBJECTS = "org.freedesktop.DBus.ObjectManager";

const plain = values => Object.fromEntries(Object.entries(values).map(([name, variant]) => [name, variant.v]));
const shortOf = name => name.startsWith(`${NAME}.`) ? name.slice(NAME.length + 1) : "";

export class Bus extends EventTarget {
	/** "connecting", "live", "away" (no daemon) or "failed" (no bus); `problem` says more if there is more */
	state = "connecting";
	problem = "";
	manager = {};
	groups = new Map();
	devices = new Map();
	jobs = new Map();
	/** What only Describe says: of rules, when they take which devices; what leases are for */
	rules = new Map();
	#purposes = new Map();
	#stale = true;
	#maps = { Group: this.groups, Device: this.devices, Job: this.jobs };
	#dirty = new Set();
	#timer = null;
	#reading = 0;
	#client = null;

	constructor() {
		super();
		cockpit.dbus("org.freedesktop.DBus", { bus: "system" }).subscribe({ member: "NameOwnerChanged", arg0: NAME },
			(_path, _iface, _signal, [, , owner]) => this.#ownerChanged(owner));
		this.read();
	}

	/** Where there is no daemon when it is opened, the bridge closes it with "not-found". */
	#open() {
		const client = cockpit.dbus(NAME, { bus: "system", superuser: "try" });
		client.addEventListener("close", (_event, { message, problem }) => {
			this.#client = null;
			++this.#reading;
			this.#become(...problem === "not-found" ? ["away"] : ["failed", message || problem]);
		});
		client.subscribe({ path_namespace: ROOT }, (...signal) => this.#signal(...signal));
		return client;
	}

	/** Reads everything; the bus starts the daemon for it if it does not run. */
	async read() {
		const turn = ++this.#reading;
		this.#client ??= this.#open();
		try {
			const [[objects], [manager]] = await Promise.all([this.#client.call(ROOT, OBJECTS, "GetManagedObjects", [], { type: "", timeout: 120000 }),
				this.#client.call(ROOT, PROPERTIES, "GetAll", [`${NAME}.Manager`], { type: "s" })]);
			if (turn !== this.#reading)
				return;
			for (const map of Object.values(this.#maps))
				map.clear();
			this.manager = plain(manager);
			this.#stale = true;
			for (const path in objects)
				this.#add(path, objects[path]);
			this.#become("live");
		} catch (error) {
			if (turn === this.#reading)
				this.#become("away", error.message);
		}
	}

	/** A call that the user has asked for: polkit may ask for a password. */
	call(path, method, args, type) {
		return this.#client.call(path, `${NAME}.${path === ROOT ? "Manager" : "Group"}`, method, args, { type, flags: "i" });
	}

	/** What stands against handing the group over, and what would be done; changes nothing. */
	async check(path, options) {
		const [possible, blockers, steps] = await this.#client.call(path, `${NAME}.Group`, "Check", [options], { type: "a{sv}" });
		return { possible, blockers, steps };
	}

	/** It fails where the connection ends, which is told. */
	async #describe() {
		this.#stale = false;
		const [text] = await this.call(ROOT, "Describe", [], "").catch(() => ['{"rules": [], "groups": []}']);
		const { rules, groups } = JSON.parse(text);
		this.rules = new Map(rules.map(rule => [rule.name, rule]));
		this.#purposes = new Map(groups.map(({ number, leases }) => [number, leases.map(({ what }) => what)]));
		this.#tell();
	}

	/** With its devices, those that matter most first, and its leases: user, time, and what for, if told. */
	group(path) {
		const group = this.groups.get(path);
		if (!group)
			return group;
		const devices = sorted(group.Devices.map(member => this.devices.get(member)).filter(device => device));
		const leases = group.Leases.map((lease, i) => [...lease, this.#purposes.get(group.Number)?.[i]]);
		return { ...group, devices, leases, kind: devices[0]?.kind || "system" };
	}

	#become(state, problem = "") {
		this.state = state;
		this.problem = problem;
		this.#tell();
	}

	#ownerChanged(owner) {
		if (owner)
			return this.read();
		++this.#reading; // what is under way is of the one that has gone
		this.#become("away");
	}

	#add(path, interfaces) {
		for (const name in interfaces) {
			this.#maps[shortOf(name)]?.set(path, { path, ...plain(interfaces[name]) });
			this.#stale ||= shortOf(name) === "Device";
			this.#touch(path);
		}
	}

	#touch(path) {
		this.#dirty.add(path);
		this.#dirty.add((this.devices.get(path) || this.jobs.get(path))?.Group);
	}

	#signal(path, iface, name, args) {
		if (name === "JobRemoved")
			this.dispatchEvent(new CustomEvent("job-removed", { detail: { group: args[2], result: args[3] } }));
		else if (name === "PropertiesChanged")
			this.#changed(path, shortOf(args[0]), plain(args[1]));
		else if (name === "InterfacesAdded")
			this.#add(args[0], args[1]);
		else if (name === "InterfacesRemoved")
			this.#remove(args[0], args[1]);
		this.#tell();
	}

	#changed(path, short, values) {
		const map = this.#maps[short];
		if (short === "Manager")
			Object.assign(this.manager, values);
		this.#stale ||= "Rules" in values || "Leases" in values;
		if (!map?.has(path))
			return;
		this.#touch(path); // of the group that a device leaves, too
		map.set(path, { ...map.get(path), ...values });
		this.#touch(path);
	}

	#remove(path, interfaces) {
		this.#touch(path);
		this.#stale ||= this.devices.has(path);
		for (const name of interfaces)
			this.#maps[shortOf(name)]?.delete(path);
	}

	/** Messages that come together are shown together. */
	#tell() {
		this.#timer = this.#timer || setTimeout(() => {
			this.#timer = null;
			const detail = this.#dirty;
			this.#dirty = new Set();
			if (this.#stale && this.state === "live" && (this.manager.Rules.length > 0 || [...this.groups.values()].some(({ Leases }) => Leases.length > 0)))
				this.#describe();
			this.dispatchEvent(new CustomEvent("changed", { detail }));
		}, 0);
	}
}
