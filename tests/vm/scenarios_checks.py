# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks that anybody can ask for, and workers that die while they look."""

import json
import pathlib
import re
import shlex
import statistics

from boots import GPU, NIC_A, TWIN_A, TWIN_B
from guest import expect
from scenarios import scenario
from scenarios_polkit import MEMBER, OTHER, by, users

STORM, CLOCK = "/usr/local/lib/check_storm.py", "/usr/local/lib/bus_clock.py"
MOST_MEMORY = 24 * 1024     # KiB
MOST_OPEN = 8               # Checks of one user
FLOOD = 1000                # fewer than the bus lets a connection have open
LOOKED_AT, ANSWERED = 300, 10000
KILLS = 100


def bind_answers(guest, target):
    """Milliseconds."""
    return json.loads(guest.out(f"python3 {CLOCK} binds {target} {guest.group_path(target)}", 120))


def storm(guest, user, at_a_time):
    return guest.machine.start_stream(by(user, "python3", STORM, str(at_a_time), TWIN_A, TWIN_B, GPU, NIC_A))


def wait_answered(stream, number, seconds):
    """Returns how many of the answers were refusals."""
    return int(stream.wait(lambda text: text.startswith(f"answered {number} "), seconds, what=f"{number} answers").split()[2])


@scenario("ten-thousand-checks", named=True, seconds=420, timed=True)
def ten_thousand(guest):
    """While root binds, one user has as many Checks open as he may, and another one asks for more than that without end."""
    for path in (STORM, CLOCK):
        guest.put(path, pathlib.Path(__file__).with_name(pathlib.Path(path).name).read_text(encoding="utf-8"))
    with users(guest):
        before = guest.drivers()
        guest.run("modprobe vfio-pci", 30)
        alone = statistics.median(bind_answers(guest, TWIN_A))
        looked_at, flood = storm(guest, MEMBER, MOST_OPEN), storm(guest, OTHER, FLOOD)
        try:
            wait_answered(looked_at, 100, 60)
            during = statistics.median(bind_answers(guest, TWIN_A))
            refused = wait_answered(looked_at, LOOKED_AT, 120)
            expect(refused < LOOKED_AT / 10, f"of {LOOKED_AT} Checks, {MOST_OPEN} at a time, {refused} were refused")
            refused = wait_answered(flood, ANSWERED, 120)
            expect(ANSWERED / 2 < refused < ANSWERED, f"of {ANSWERED} Checks, {FLOOD} at a time, {refused} were refused")
            expect(not looked_at.ended and not flood.ended, "the Checks ended by themselves")
        finally:
            looked_at.stop()
            flood.stop()
        memory = int(re.search(r"VmHWM:\s+(\d+)", guest.out(f"cat /proc/{guest.pid()}/status")).group(1))
        print(f"note: Bind is answered after {alone} ms, during the Checks after {during} ms; the daemon had {memory} KiB at most",
              flush=True)
        expect(during <= 2 * alone, f"Bind is answered after {during} ms instead of {alone} ms")
        expect(memory < MOST_MEMORY, f"the daemon had {memory} KiB")
        guest.expect_drivers({}, before)


KILLER = f"n=0; while [ $n -lt {KILLS} ]; do if pkill -9 -x vfio-bind-work; then n=$((n+1)); fi; done; echo killed $n"


@scenario("a-hundred-workers-killed-while-they-look", named=True, seconds=600)
def killed_while_they_look(guest):
    """By the kernel for want of memory, say: who asked is told, and in the end no worker is left and a bind works."""
    before = guest.drivers()
    guest.configure(f'[[bind]]\nname = "twin"\ndevices = ["{TWIN_B}"]\n')
    pid = guest.pid()
    killer = guest.machine.start_stream(f"sh -c {shlex.quote(KILLER)}")
    told = set()
    while not killer.ended:
        told.add(guest.run(f"busctl call org.vfiobind1 /org/vfiobind1 org.vfiobind1.Manager Bind 'sa{{sv}}' {TWIN_B} 0", 60,
                           check=False).stderr)
    expect(killer.wait_end(10) == 0, "the killer ended otherwise")
    expect(any("did not finish" in text for text in told), f"nobody was told that guards did not finish: {told}")
    expect(guest.pid() == pid, "the daemon was started anew")
    guest.wait_until(lambda: guest.out("pgrep -x vfio-bind-work || true", 10) == "", 60, "the last worker's end")
    state = guest.state(TWIN_B)
    expect(state in ("native", "partial", "bound"), f"after {KILLS} kills the group is '{state}'")
    results = guest.job("Bind", TWIN_B)
    expect(set(results.values()) <= {"done"}, f"at last Bind ended {results}")
    guest.wait_state(TWIN_B, "bound")
    guest.expect_drivers({TWIN_B: "vfio-pci"}, before)
    guest.done("Release", TWIN_B)
    guest.expect_drivers({}, before)
