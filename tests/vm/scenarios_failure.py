# SPDX-License-Identifier: LGPL-2.1-or-later
"""A step fails in the middle of a group: everything is as it was before."""

import re

from boots import AUDIO, GPU, TWIN_A, TWIN_B
from guest import GROUP, MANAGER, ROOT, expect, sysfs
from scenarios import scenario

BIND_FILE = "/sys/bus/pci/drivers/vfio-pci/bind"


def expect_as_before(guest, before, results):
    expect(list(results.values()) == ["rolled-back"], f"the job ended {results}")
    guest.expect_drivers({}, before)
    for address in (GPU, AUDIO):
        expect(guest.override(address) == "", f"driver_override of {address} is '{guest.override(address)}'")
    error = guest.get(guest.group_path(GPU), GROUP, "LastError")
    expect(error, "LastError is empty")
    expect(guest.state(GPU) == "native", f"the group is '{guest.state(GPU)}'")
    return error


# case 32
@scenario("second-member-fails-to-bind")
def second_member_fails(guest):
    """The write is failed by strace, before the kernel sees it."""
    guest.run("modprobe vfio-pci")
    before = guest.drivers()
    with guest.tampered_writes(BIND_FILE, "error=EIO:when=2+") as trace:
        results = guest.job("Bind", GPU)
        expect(any("INJECTED" in text for _, text in trace.lines), "no write was made to fail: nothing was tested")
    error = expect_as_before(guest, before, results)
    expect("EIO" in error, f"LastError does not name EIO: {error}")


# case 32
@scenario("foreign-override-in-mid-transaction")
def override_in_the_middle(guest):
    """Here the kernel itself refuses: another program writes `none` between two binds of one group."""
    guest.run("modprobe vfio-pci")
    before = guest.drivers()
    mark = guest.uevents().mark()
    signals = guest.signals().mark()
    # The pause before the second bind is where the other program comes in.
    with guest.tampered_writes(BIND_FILE, "delay_enter=5000000:when=2"):
        job = guest.call(ROOT, MANAGER, "Bind", "sa{sv}", GPU, 0)[0][0]
        event = guest.uevents().wait(lambda t: re.search(r"\] bind .*0000:01:00\.[01] \(pci\)", t), 30, mark,
                                     "the uevent of the first bind")
        other = AUDIO if GPU in event else GPU
        guest.run(f"echo none > {sysfs(other, 'driver_override')}", 20)
        message = guest.wait_signal(signals, lambda m: m["member"] == "JobRemoved" and m["payload"]["data"][1] == job, 60,
                                    "JobRemoved")
    expect_as_before(guest, before, {job: message["payload"]["data"][3]})


# case 34 in small: a slow step of one group does not hold up the daemon or another group
@scenario("slow-group-holds-up-nobody")
def slow_group(guest):
    guest.run("modprobe vfio-pci")
    signals = guest.signals().mark()
    with guest.tampered_writes(sysfs(TWIN_A, "driver_override"), "delay_enter=12000000:when=1"):
        slow = guest.call(ROOT, MANAGER, "Bind", "sa{sv}", TWIN_A, 0)[0][0]
        guest.done("Bind", TWIN_B)
        jobs = guest.get(ROOT, MANAGER, "Jobs")
        expect(slow in jobs, f"the slow job is not among the running ones ({jobs}): nothing was tested")
        name, message = guest.refused(ROOT, MANAGER, "Bind", f"'{TWIN_A}'", "@a{sv} {}")
        expect(name == "Busy", f"a second Bind meanwhile: {name} ({message})")
        guest.wait_signal(signals, lambda m: m["member"] == "JobRemoved" and m["payload"]["data"][1] == slow, 60,
                          "JobRemoved of the slow job")
    expect(guest.driver(TWIN_A) == "vfio-pci", f"{TWIN_A} has driver '{guest.driver(TWIN_A)}'")
