# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks that anybody can ask for, and workers that die while they look."""

import json
import pathlib
import re
import statistics

from boots import GPU, NIC_A, TWIN_A, TWIN_B
from guest import GROUP, expect
from scenarios import scenario
from scenarios_polkit import MEMBER, OTHER, by, users

STORM, CLOCK, KILLER = (f"/usr/local/lib/{name}.py" for name in ("check_storm", "bus_clock", "look_killer"))
MOST_MEMORY = 24 * 1024     # KiB
MOST_OPEN = 8               # Checks of one user
FLOOD = 120                 # the bus itself refuses more than 128 (dbus-daemon(1), max_replies_per_connection)
LOOKED_AT, ANSWERED = 100, 10000
KILLS = 100


def bind_takes(guest, target):
    """Milliseconds until the answer, and until the job's end."""
    times = json.loads(guest.out(f"python3 {CLOCK} jobs {target} {guest.group_path(target)}", 120))
    return statistics.median(times["answer"]), statistics.median(times["end"])


def storm(guest, user, at_a_time):
    return guest.machine.start_stream(by(user, "python3", STORM, str(at_a_time), TWIN_A, TWIN_B, GPU, NIC_A))


def wait_answered(stream, number, seconds):
    """Returns how many of the answers were refusals."""
    return int(stream.wait(lambda text: text.startswith(f"answered {number} "), seconds, what=f"{number} answers").split()[2])


def binds_beside(guest, answered):
    """While root binds, one user has as many Checks open as he may, and another one asks for more than that without end."""
    for path in (STORM, CLOCK):
        guest.put(path, pathlib.Path(__file__).with_name(pathlib.Path(path).name).read_text(encoding="utf-8"))
    with users(guest):
        before = guest.drivers()
        guest.run("modprobe vfio-pci", 30)
        bind_takes(guest, TWIN_A)       # what is read for the first time is read once
        alone = bind_takes(guest, TWIN_A)
        looked_at, flood = storm(guest, MEMBER, MOST_OPEN), storm(guest, OTHER, FLOOD)
        try:
            wait_answered(looked_at, 100, 60)
            wait_answered(flood, 200, 60)
            during = bind_takes(guest, TWIN_A)
            refused = wait_answered(looked_at, LOOKED_AT, 120)
            expect(refused < LOOKED_AT / 10, f"of {LOOKED_AT} Checks, {MOST_OPEN} at a time, {refused} were refused")
            refused = wait_answered(flood, answered, 400)
            expect(answered / 2 < refused < answered, f"of {answered} Checks, {FLOOD} at a time, {refused} were refused")
            expect(not looked_at.ended and not flood.ended, "the Checks ended by themselves")
        finally:
            looked_at.stop()
            flood.stop()
        memory = int(re.search(r"VmHWM:\s+(\d+)", guest.out(f"cat /proc/{guest.pid()}/status")).group(1))
        print(f"note: Bind is answered after {alone[0]} ms and done after {alone[1]} ms, during the Checks after {during[0]} and "
              f"{during[1]} ms; the daemon had {memory} KiB at most", flush=True)
        expect(during[1] <= 2 * alone[1], f"Bind is done after {during[1]} ms instead of {alone[1]} ms")
        expect(memory < MOST_MEMORY, f"the daemon had {memory} KiB")
        guest.expect_drivers({}, before)


@scenario("checks-without-end-hold-up-no-bind", named=True, seconds=120, timed=True)
def many_checks(guest):
    binds_beside(guest, 1500)


@scenario("ten-thousand-checks", named=True, seconds=420, timed=True)
def ten_thousand(guest):
    binds_beside(guest, 10000)


@scenario("a-hundred-workers-killed-while-they-look", seconds=120)
def killed_while_they_look(guest):
    """By the kernel for want of memory, say: who asked is told, the daemon gives up by itself, and a bind works afterwards."""
    for path in (KILLER, CLOCK):
        guest.put(path, pathlib.Path(__file__).with_name(pathlib.Path(path).name).read_text(encoding="utf-8"))
    before, pid, group = guest.drivers(), guest.pid(), guest.group_path(TWIN_B)
    guest.signals()
    killer = guest.machine.start_stream(f"python3 {KILLER} {pid} {TWIN_B} {KILLS}")
    seen = json.loads(killer.wait(lambda text: text.startswith("{"), 120, what="the answers to all Binds"))
    expect(seen["killed"] >= KILLS, f"for {KILLS} Binds {seen['killed']} workers were killed")
    expect(all("did not finish" in text for text in seen["told"]), f"who asked was told {seen['told']}")
    # A rule wants the group now, and nobody asks any more.
    guest.configure(f'[[bind]]\nname = "twin"\ndevices = ["{TWIN_B}"]\n')
    guest.wait_until(lambda: "nothing more is tried" in guest.get(group, GROUP, "LastError"), 60, "the daemon to give up")
    killer.stop()
    expect(guest.pid() == pid, "the daemon was started anew")
    expect(guest.out("pgrep -x vfio-bind-work || true", 10) == "", "a worker is left")
    expect(guest.state(TWIN_B) == "partial", f"after {KILLS} kills the group is '{guest.state(TWIN_B)}'")
    guest.expect_drivers({}, before)
    guest.done("Bind", TWIN_B)
    guest.wait_state(TWIN_B, "bound")
    guest.expect_drivers({TWIN_B: "vfio-pci"}, before)
    guest.done("Release", TWIN_B)
    guest.expect_drivers({}, before)
