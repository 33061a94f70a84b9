// SPDX-License-Identifier: LGPL-2.1-or-later
/** What vfio-bindctl knows better than the bus: the doctor, marks of devices, texts for VMs. One truth, asked for, not copied. */

/** A refusal ends with an error and JSON all the same: what was printed counts. */
const run = (...args) => new Promise((resolve, reject) => {
	cockpit.spawn(["vfio-bindctl", ...args], { superuser: "try", err: "message" })
		.then(resolve, (error, printed) => printed ? resolve(printed) : reject(error));
});

async function json(...args) {
	const answer = JSON.parse(await run(...args, "--json"));
	if (answer.error)
		throw new Error(answer.error.message);
	return answer;
}

/** Without a target it looks at the machine alone. */
export const doctor = (...target) => json("doctor", ...target);

/** The programs that `vfio-bindctl export --for` knows. */
export const EXPORTERS = ["qemu", "libvirt", "cloud-hypervisor", "docker", "podman", "kata", "crosvm", "opennebula", "cdi", "kubevirt",
	"nova", "proxmox", "incus"];

export async function exported(target, program) {
	const { arguments: words, file, notes } = await json("export", target, "--for", program);
	return { text: words.length > 0 ? words.join(" ") : file, notes };
}

/** The codes of the blockers that one may take on oneself. */
export const allowableCodes = async () => new Set((await run("complete-codes")).trim().split("\n"));

/** By address what a device is, and whether it has MSI and MSI-X: null where only root can tell. */
export async function marks() {
	const { groups, groupless } = await json("groups");
	return new Map([...groups.flatMap(group => group.devices), ...groupless].map(device => [device.address, device]));
}
