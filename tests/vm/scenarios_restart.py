# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon comes and goes; the groups stay as they are."""

from boots import AUDIO, GPU
from guest import CONFIG, MANAGER, ROOT, UNIT, expect
from scenarios import scenario
from scenarios_bind import BOUND, GPU_RULE


# case 39, 16
@scenario("restart-writes-nothing")
def restart(guest):
    before = guest.drivers()
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    pid = guest.pid()
    with guest.no_kernel_writes("a restart with bound groups"):
        guest.systemctl("restart")
        expect(guest.pid() != pid, "the daemon was not restarted")
        guest.wait_state(GPU, "bound")
    guest.expect_drivers(BOUND, before)


# case 40
@scenario("stop-writes-nothing")
def stop(guest):
    before = guest.drivers()
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    with guest.no_kernel_writes("systemctl stop"):
        guest.systemctl("stop")
        result = guest.out(f"systemctl show -P Result {UNIT}")
        expect(result == "success", f"the stopped unit's result is '{result}'")
    guest.expect_drivers(BOUND, before)
    expect(guest.viable(GPU) == "viable", "the group is not usable while the daemon is stopped")


# case 39
@scenario("restart-under-a-running-vm")
def restart_under_vm(guest):
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    vm = guest.machine.start_stream(f"vfio-probe hold {guest.group(GPU)} {GPU}")
    try:
        vm.wait(lambda text: text == "holding", 20, what="'holding'")
        with guest.no_kernel_writes("a restart with a group that is in use"):
            guest.systemctl("restart")
            guest.wait_state(GPU, "bound")
        expect(not vm.ended, "the restart of the daemon ended the process that held the device")
    finally:
        vm.stop()


# case 38
@scenario("killed-daemon-comes-back")
def killed(guest):
    before = guest.drivers()
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    pid = guest.pid()
    guest.run(f"kill -9 {pid}")
    guest.wait_until(lambda: guest.pid() not in (0, pid) and guest.get(ROOT, MANAGER, "Version"), 40,
                     "systemd to start the killed daemon again")
    guest.wait_state(GPU, "bound")
    guest.expect_drivers(BOUND, before)


# case 48
@scenario("removed-rule-keeps-the-group")
def removed_rule(guest):
    before = guest.drivers()
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    with guest.no_kernel_writes("a reload that takes the rule away"):
        guest.configure("# empty\n")
    guest.expect_drivers(BOUND, before)
    guest.done("Release", GPU)
    guest.expect_drivers({}, before)


@scenario("release-holds-until-a-changed-reload")
def release_holds(guest):
    before = guest.drivers()
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    guest.done("Release", "guest-gpu")
    with guest.no_kernel_writes("a reload of the same configuration after a Release"):
        guest.call(ROOT, MANAGER, "Reload")
    guest.expect_drivers({}, before)
    guest.configure(GPU_RULE + "timeout = \"20s\"\n")
    guest.wait_state(GPU, "bound")


@scenario("sighup-reloads")
def sighup(guest):
    guest.put(CONFIG, GPU_RULE)
    guest.run(f"kill -HUP {guest.pid()}")
    guest.wait_state(GPU, "bound")
    expect(guest.driver(AUDIO) == "vfio-pci", f"{AUDIO} has driver {guest.driver(AUDIO)}")
