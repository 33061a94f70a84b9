# SPDX-License-Identifier: LGPL-2.1-or-later
"""A day's events in twenty minutes: what is asked for by people and programs (soak.py), cards that come and go, a machine that
sleeps and wakes up. Afterwards the daemon has as much memory, as many descriptors and children as before, and has logged no more
for each event."""

import dataclasses
import json
import os
import pathlib
import random
import statistics
import time

import soak as soak_program
from boots import GPU, HOTPLUGGED_MODEL, HOTPLUG_PORTS, NIC_A, TWIN_A, TWIN_B
from channel import CommandFailed
from guest import UNIT, expect
from scenarios import scenario

ROUNDS = 30             # between two samples
FIRST = 3               # samples that are not counted: what is kept for good is not all there yet
SLEEPS_EVERY = 2        # samples of the day's second half
SLEEP_SECONDS = 300
RESTARTS_AFTER = 2      # samples, of those that are not counted
GROWTH_KIB = 256        # an allocator's own
PROGRAMS = ("vfio-bindd", "vfio-bind-watch")
LOOK = """
for p in $(pgrep -x %s); do
    echo $(awk '/^VmRSS/ { print $2 }' /proc/$p/status) $(ls /proc/$p/fd | wc -l) $(ls /proc/$p/task | wc -l) $(pgrep -c -P $p)
done
"""


@dataclasses.dataclass
class Sample:
    memory: int         # KiB, RSS of the daemon
    watch: int          # KiB, RSS of vfio-bind-watch
    others: tuple       # descriptors, threads, children of each
    lines: float        # of the log, for each round


class Day:
    def __init__(self, guest, seed):
        self.guest, self.random = guest, random.Random(seed)
        self.samples, self.counts = [], {}
        guest.put("/run/soak.py", pathlib.Path(__file__).with_name("soak.py").read_bytes())
        self._lines()

    def events(self, late):
        """One more part of the day, and a sample when all is at rest. Late in it the machine sleeps; from then on no card comes:
        after a sleep QEMU's ports tell the guest of none."""
        done = json.loads(self.guest.run(f"python3 /run/soak.py {self.random.randrange(1 << 30)} {ROUNDS} "
                                         f"{GPU} {NIC_A} {TWIN_A} {TWIN_B}", 3600).stdout)
        expect(not done["wrong"], f"in part {len(self.samples)}: {'; '.join(done['wrong'][:5])}")
        for what, count in done["counts"].items():
            self.counts[what] = self.counts.get(what, 0) + count
        if not late:
            self._hotplug()
        elif len(self.samples) % SLEEPS_EVERY == 0:
            self._sleep()
        self.samples.append(self._sample())
        if len(self.samples) == RESTARTS_AFTER:
            self.guest.systemctl("restart")

    def _did(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def _hotplug(self):
        port = self.random.choice(HOTPLUG_PORTS)
        self.guest.machine.device_add(HOTPLUGGED_MODEL, id="soak", bus=port)
        self.guest.run("udevadm settle", 120)
        self.guest.machine.device_del("soak")
        self._did("hotplug")

    def _sleep(self):
        """To memory, with one group bound: vfio-pci has it afterwards as before."""
        self.guest.done("Bind", TWIN_A)
        stream = self.guest.machine.start_stream("sh -c 'echo mem > /sys/power/state && echo awake'")
        self._wake(stream)
        self.guest.run("udevadm settle", 300)
        expect(self.guest.driver(TWIN_A) == "vfio-pci" and self.guest.viable(TWIN_A) == "viable",
               f"after a sleep {TWIN_A} is on {self.guest.driver(TWIN_A)}, its group {self.guest.viable(TWIN_A)}")
        self.guest.done("Release", TWIN_A)
        self.guest.stop_listening()
        self._did("sleep")

    def _wake(self, stream):
        """Once it sleeps; it may also have been woken by a device."""
        machine, deadline = self.guest.machine, time.monotonic() + SLEEP_SECONDS
        while True:
            if machine.qmp("query-status")["status"] == "suspended":
                machine.qmp("system_wakeup")
            try:
                stream.wait(lambda text: text == "awake", 1, what="'awake'")
                return
            except CommandFailed:
                if stream.ended or time.monotonic() > deadline:
                    raise

    def _lines(self):
        """Of the daemon's log since it was asked last."""
        return int(self.guest.out(f"journalctl -u {UNIT} -o cat --cursor-file=/run/soak.cursor | wc -l", 300))

    def _sample(self):
        self.guest.run("udevadm settle", 300)
        told = []
        for program in PROGRAMS:
            lines = self.guest.out(LOOK % program).splitlines()
            expect(len(lines) == 1, f"{len(lines)} processes are named {program}")
            told.append(tuple(map(int, lines[0].split())))
        return Sample(told[0][0], told[1][0], tuple(one[1:] for one in told), self._lines() / ROUNDS)

    def must_be_flat(self):
        counted = self.samples[FIRST:]
        half = len(counted) // 2
        for what, allowed in (("memory", GROWTH_KIB), ("watch", GROWTH_KIB), ("lines", 1)):
            early, late = (statistics.median(getattr(one, what) for one in part) for part in (counted[:half], counted[half:]))
            expect(late <= early + allowed, f"{what} grew from {early} to {late}: {[getattr(one, what) for one in self.samples]}")
        others = {one.others for one in counted}
        expect(len(others) == 1, f"descriptors, threads and children of {PROGRAMS} at rest were {sorted(others)}")


@scenario("soak-of-twenty-minutes", boot="boots", named=True, fresh=True, seconds=3000)
def soak(guest):
    seed = int(os.environ.get("VFIO_BIND_SEED", random.randrange(1 << 30)))
    minutes = int(os.environ.get("VFIO_BIND_SOAK_MINUTES", 20))
    print(f"note: VFIO_BIND_SEED={seed}", flush=True)
    guest.configure(soak_program.RULE.format("later"))
    day = Day(guest, seed)
    began = time.monotonic()
    while (passed := (time.monotonic() - began) / 60) < minutes or len(day.samples) < FIRST + 4:
        day.events(late=passed > minutes / 2)
        print(f"note: {day.samples[-1]}", flush=True)
    day.must_be_flat()
    print(f"note: {day.counts}", flush=True)
