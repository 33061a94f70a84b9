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
from scenarios_polkit import OTHER, by, users

STORM, CLOCK = "/usr/local/lib/check_storm.py", "/usr/local/lib/bus_clock.py"
MOST_MEMORY = 24 * 1024     # KiB
KILLS = 100


def bind_answers(guest, target):
    """Milliseconds."""
    return json.loads(guest.out(f"python3 {CLOCK} binds {target} {guest.group_path(target)}", 120))


@scenario("ten-thousand-checks", named=True, seconds=300, timed=True)
def ten_thousand(guest):
    """An ordinary user asks for Checks of all groups while root binds."""
    for path in (STORM, CLOCK):
        guest.put(path, pathlib.Path(__file__).with_name(pathlib.Path(path).name).read_text(encoding="utf-8"))
    with users(guest):
        before = guest.drivers()
        guest.run("modprobe vfio-pci", 30)
        alone = statistics.median(bind_answers(guest, TWIN_A))
        storm = guest.machine.start_stream(by(OTHER, "python3", STORM, TWIN_A, TWIN_B, GPU, NIC_A))
        try:
            storm.wait(lambda text: text.startswith("answered"), 60, what="the first thousand answers")
            during = statistics.median(bind_answers(guest, TWIN_A))
            storm.wait(lambda text: text.startswith("answered 10000 "), 120, what="ten thousand answers")
            expect(not storm.ended, "the Checks ended by themselves")
        finally:
            storm.stop()
        memory = int(re.search(r"VmHWM:\s+(\d+)", guest.out(f"cat /proc/{guest.pid()}/status")).group(1))
        print(f"note: Bind is answered after {alone} ms, during the Checks after {during} ms; the daemon had {memory} KiB at most",
              flush=True)
        expect(during <= 2 * alone, f"Bind is answered after {during} ms instead of {alone} ms")
        expect(memory < MOST_MEMORY, f"the daemon had {memory} KiB")
        guest.expect_drivers({}, before)


KILLER = f"n=0; while [ $n -lt {KILLS} ]; do if pkill -9 -x vfio-bind-work; then n=$((n+1)); fi; done; echo killed $n"


@scenario("a-hundred-workers-killed-while-they-look", named=True, seconds=600)
def killed_while_they_look(guest):
    """By the kernel for want of memory, say: each death is told, nothing is forked without end."""
    before = guest.drivers()
    guest.configure(f'[[bind]]\nname = "twin"\ndevices = ["{TWIN_B}"]\n')
    pid = guest.pid()
    killer = guest.machine.start_stream(f"sh -c {shlex.quote(KILLER)}")
    while not killer.ended:
        guest.run(f"busctl call org.vfiobind1 /org/vfiobind1 org.vfiobind1.Manager Bind 'sa{{sv}}' {TWIN_B} 0", 60, check=False)
    expect(killer.wait_end(10) == 0, "the killer ended otherwise")
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
