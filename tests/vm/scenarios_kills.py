# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon and its workers are killed at random moments while devices come and go.

The same random numbers again: VFIO_BIND_SEED=NUMBER. The moments are the guest's, so no two runs are quite equal.
"""

import json
import os
import random

import boots
from boots import AUDIO, GPU, NIC_A, NIC_B, TWIN_A, TWIN_B
from guest import MANAGER, NAME, ROOT, Failed, expect
from scenarios import scenario

KILLS = 50
TARGETS = {GPU: (GPU, AUDIO), NIC_A: (NIC_A, NIC_B), TWIN_A: (TWIN_A,), TWIN_B: (TWIN_B,)}
VICTIMS = ("vfio-bindd", "vfio-bind-work", "vfio-bindd vfio-bind-work")
LATEST = 0.8        # seconds after the calls; under emulation a transaction takes about half of that
RULES = f'[[bind]]\nname = "plugged"\ndevices = ["{boots.HOTPLUGGED_ID}"]\n'
LOOK = f"""
pgrep -x vfio-bind-work >/dev/null && echo working
busctl --json=short call {NAME} {ROOT} {MANAGER} Describe || echo gone
cat /run/vfio-bind/journal/*.json 2>/dev/null | tr -d '\\n'
echo
grep -Hv '(null)' /sys/bus/pci/devices/*/driver_override || true
"""


class Storm:
    def __init__(self, guest, seed):
        self.guest = guest
        self.random = random.Random(seed)
        self.native = guest.drivers()
        self.plugged = None         # (id, port) of the card in a slot
        self.leaving = None         # address that is being unplugged
        self.plugs = 0

    def hotplug(self):
        """A card comes, or the one that is there is asked to go; nobody waits for it here."""
        if self.leaving and self.leaving in self.guest.drivers():
            return
        self.leaving = None
        if self.plugged:
            ident, port = self.plugged
            self.leaving = address_of(port)
            self.plugged = None
            self.guest.machine.qmp("device_del", id=ident)
            return
        # Another slot each time: the one before may still be powering down.
        port = self.plugs % len(boots.HOTPLUG_PORTS)
        self.plugs += 1
        self.plugged = (f"storm{self.plugs}", port)
        self.guest.machine.device_add(boots.HOTPLUGGED_MODEL, id=self.plugged[0], bus=boots.HOTPLUG_PORTS[port])

    def strike(self):
        """Bind or Release of each group at once, and a kill somewhere in the midst of it."""
        calls = "".join(f"busctl call {NAME} {ROOT} {MANAGER} {self.random.choice(('Bind', 'Release'))} "
                        f"'sa{{sv}}' {target} 0 >/dev/null 2>&1 & " for target in TARGETS)
        after = self.random.uniform(0.05, LATEST)
        victims = self.random.choice(VICTIMS)
        if self.random.random() < 0.3:
            self.hotplug()
        self.guest.run(f"{calls} sleep {after:.3f}; for v in {victims}; do pkill -9 -x $v; done; wait", 60, check=False)
        return f"{victims} after {after:.3f} s"

    def wrong(self):
        """What is not consistent, as sentences; 'busy' while the daemon is at work or away."""
        out = self.guest.run(LOOK, 30).stdout
        if out.startswith("working") or "gone" in out.splitlines()[0]:
            return ["busy: " + out.splitlines()[0]]
        described, journals, *overrides = out.splitlines()
        state = json.loads(json.loads(described)["data"][0])
        if state["jobs"]:
            return ["busy: a job runs"]
        drivers = self.guest.drivers()
        found = [f"the daemon says {d['address']} is on '{d['driver']}', the kernel '{drivers.get(d['address'])}'"
                 for d in state["devices"] if d["driver"] != drivers.get(d["address"]) and d["address"] != self.leaving]
        overridden = {line.split("/")[5]: line.rsplit(":", 1)[-1] for line in overrides}
        for target, members in TARGETS.items():
            group = next(g for g in state["groups"] if target in g["devices"])
            found += self.wrong_group(group, members, drivers, overridden, journals)
        if self.plugged:
            address = address_of(self.plugged[1])
            if drivers.get(address) != "vfio-pci":
                found.append(f"the plugged card {address} is on '{drivers.get(address)}'")
        return found

    def wrong_group(self, group, members, drivers, overridden, journals):
        number, state = group["number"], group["state"]
        if state == "bound":
            return [f"group {number} is 'bound' and {m} on '{drivers[m]}'" for m in members if drivers[m] != "vfio-pci"]
        if state == "native":
            return [f"group {number} is 'native', {m} on '{drivers[m]}', override '{overridden.get(m, '')}'"
                    for m in members if drivers[m] != self.native[m] or overridden.get(m)]
        if state in ("partial", "drifted", "blocked", "stuck"):
            return [] if group["last-error"] or group["blockers"] else [f"group {number} is '{state}' and does not say why"]
        return [f"group {number} is '{state}' with no job; journals: {journals or 'none'}"]

    def settle(self, what):
        seen = []

        def calm():
            seen[:] = self.wrong()
            return not seen
        try:
            self.guest.wait_until(calm, 60, "")
        except Failed as error:
            raise Failed(f"{what}: not consistent within 60 s: {'; '.join(seen)}") from error


def address_of(port):
    return f"0000:{int(boots.HOTPLUGGED[5:7], 16) + port:02x}:00.0"


# case 38, 41, 42
@scenario("fifty-kills", named=True, seconds=900)
def fifty_kills(guest):
    seed = int(os.environ.get("VFIO_BIND_SEED") or random.SystemRandom().randrange(10**6))
    print(f"  VFIO_BIND_SEED={seed}", flush=True)
    # systemd waits a second before it starts a killed daemon again; here it is killed fifty times.
    guest.put("/run/systemd/system/vfio-bind.service.d/quick.conf", "[Service]\nRestartSec=50ms\n")
    guest.run("systemctl daemon-reload")
    guest.configure(RULES)
    storm = Storm(guest, seed)
    try:
        for number in range(1, KILLS + 1):
            what = f"kill {number} ({storm.strike()})"
            storm.settle(what)
        for member in ("Bind", "Release"):
            for target, members in TARGETS.items():
                results = guest.job(member, target)
                expect(set(results.values()) <= {"done"}, f"at last {member} {target} ended {results}")
                wanted = {m: "vfio-pci" if member == "Bind" else storm.native[m] for m in members}
                now = guest.drivers()
                expect(all(now[m] == d for m, d in wanted.items()), f"after {member}: {[(m, now[m]) for m in members]}")
        print(f"  {KILLS} kills, {storm.plugs} cards plugged", flush=True)
    finally:
        if storm.plugged:
            guest.machine.device_del(storm.plugged[0])
        guest.run("rm -f /run/systemd/system/vfio-bind.service.d/quick.conf; systemctl daemon-reload", 30, check=False)
    for target in TARGETS:
        expect(guest.override(target) == "", f"driver_override of {target} is '{guest.override(target)}' at last")
    left = guest.out("ls -A /run/vfio-bind/journal")
    expect(left == "", f"journals are left: {left}")
