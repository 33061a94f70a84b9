# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: soak.py SEED ROUNDS TARGET...

What people and programs ask of the daemon, at random: binds, releases, leases, checks, reloads, faults in the configuration, names
that do not exist, clocks that jump. Each call must be answered, and as it must be. Then all is given back. Prints one JSON object:
how often what was done, and what was wrong.
"""

import json
import pathlib
import random
import subprocess
import sys
import time

CONFIG = pathlib.Path("/etc/vfio-bind.toml")
LIMIT = 120         # seconds; a call that takes longer counts as not answered
HOUR = 3600
RULE = "[[bind]]\nname = '{}'\ndevices = ['dead:beef']\n"     # of what never comes: vfio-bind-watch runs where there are rules


class Soak:
    def __init__(self, seed, targets):
        self.random = random.Random(seed)
        self.targets = targets
        self.counts, self.wrong = {}, []

    def ctl(self, *words, code=0):
        """Whether the daemon took it: what comes while a group goes back after a lease is to be asked again."""
        try:
            said = subprocess.run(("vfio-bindctl", *words), capture_output=True, text=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"{' '.join(words)}: no answer in {LIMIT} s")
            return True
        if "is being worked on; ask again" in said.stderr:
            self.counts["busy"] = self.counts.get("busy", 0) + 1
            return False
        if said.returncode != code:
            self.wrong.append(f"{' '.join(words)}: exit code {said.returncode}, not {code}: {(said.stderr or said.stdout).strip()[-300:]}")
        return True

    def bind(self):
        self.ctl("bind", self.random.choice(self.targets))

    def release(self):
        self.ctl("release", self.random.choice(self.targets))

    def lease(self):
        self.ctl("run", self.random.choice(self.targets), "--", "true")

    def check(self):
        self.ctl("check", self.random.choice(self.targets))

    def look(self):
        self.ctl("--json", "status")

    def absent(self):
        self.ctl("bind", "0000:99:00.0", code=1)

    def reload(self):
        CONFIG.write_text(RULE.format(self.random.choice(("later", "never"))), encoding="ascii")
        self.ctl("reload")

    def broken(self):
        before = CONFIG.read_text(encoding="utf-8")
        CONFIG.write_text("[[bind]\n", encoding="ascii")
        self.ctl("reload", code=1)
        CONFIG.write_text(before, encoding="utf-8")
        self.ctl("reload")

    def clock(self):
        """Forward and back: CLOCK_REALTIME, by which nothing may be waited for."""
        now = time.time()
        for when in (now + 8 * HOUR, now - 8 * HOUR, now):
            time.clock_settime(time.CLOCK_REALTIME, when)

    ROUNDS = (bind,) * 6 + (release,) * 4 + (lease,) * 4 + (check,) * 2 + (look,) * 2 + (absent, reload, broken, clock)

    def run(self, rounds):
        for _ in range(rounds):
            act = self.random.choice(self.ROUNDS)
            act(self)
            self.counts[act.__name__] = self.counts.get(act.__name__, 0) + 1
        for target in self.targets:
            while not self.ctl("release", target):
                pass


def main():
    soak = Soak(int(sys.argv[1]), sys.argv[3:])
    soak.run(int(sys.argv[2]))
    print(json.dumps({"counts": soak.counts, "wrong": soak.wrong}))


if __name__ == "__main__":
    main()
