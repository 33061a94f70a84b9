# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is plugged in goes straight to VFIO, and no native driver ever has it.

The proof is the driver core's own log: a line for every device that a driver was bound to, whoever caused it.
"""

import contextlib
import re
import statistics

from boots import HOTPLUGGED, HOTPLUGGED_ID, HOTPLUGGED_MODEL, HOTPLUG_PORTS
from guest import UNIT, expect, sysfs
from scenarios import scenario

RULE = f'[[bind]]\nname = "plugged"\ndevices = ["{HOTPLUGGED_ID}"]\n'
SECOND = HOTPLUGGED.replace("00.0", "00.1")


@contextlib.contextmanager
def binding_log(guest):
    """Gives a function that tells the drivers which were bound to each device since it was asked last."""
    control = "/proc/dynamic_debug/control"
    guest.run(f"echo 'file drivers/base/dd.c +p' > {control}; dmesg -C")

    try:
        yield lambda: guest.bindings("dmesg -c")[0]
    finally:
        guest.run(f"echo 'file drivers/base/dd.c -p' > {control}")


def kernel_time(lines, action, address):
    """When the kernel told of it, in seconds."""
    text = next(text for _, text in lines if re.search(rf"\b{action} .*{address} ", text))
    return float(re.search(r"\[([\d.]+)\]", text).group(1))


def plug_and_unplug(guest, rounds, prepare=""):
    """Milliseconds from the kernel's word of the device to its being bound, each round."""
    times = []
    stream = guest.uevents()
    with binding_log(guest) as since:
        for number in range(rounds):
            if prepare:
                guest.run(prepare, 30)
            mark = stream.mark()
            guest.machine.device_add(HOTPLUGGED_MODEL, id="hp", bus=HOTPLUG_PORTS[0])
            try:
                stream.wait(lambda text: re.search(rf"\bbind .*{HOTPLUGGED} ", text), 60, mark, f"round {number}: bind")
                times.append((kernel_time(stream.lines[mark:], "bind", HOTPLUGGED)
                              - kernel_time(stream.lines[mark:], "add", HOTPLUGGED)) * 1000)
                guest.run("udevadm settle", 60)
                had = since().get(HOTPLUGGED)
                expect(had == ["vfio-pci"], f"round {number}: {HOTPLUGGED} was bound to {had}")
            finally:
                guest.machine.device_del("hp")
            stream.wait(lambda text: re.search(rf"\bremove .*{HOTPLUGGED} ", text), 60, mark, f"round {number}: remove")
    return times


def tell(rounds, times):
    print(f"note: straight to vfio-pci {rounds} of {rounds}; from the kernel's uevent to bound: median "
          f"{statistics.median(times):.0f} ms, worst {max(times):.0f} ms", flush=True)


@scenario("hotplug-straight-to-vfio", seconds=300)
def straight(guest):
    """case 42: ten times past a native driver that is loaded."""
    guest.run("modprobe vmxnet3", 30)
    guest.configure(RULE)
    guest.run("modprobe -a vfio-pci vfio_iommu_type1", 60)
    tell(10, plug_and_unplug(guest, 10))


@scenario("hotplug-straight-to-vfio-loaded-100x", named=True, seconds=1200)
def straight_loaded(guest):
    """case 42, 67"""
    guest.run("modprobe vmxnet3", 30)
    guest.configure(RULE)
    guest.run("modprobe -a vfio-pci vfio_iommu_type1", 60)
    tell(100, plug_and_unplug(guest, 100))


@scenario("hotplug-straight-to-vfio-not-loaded-100x", named=True, seconds=1200)
def straight_not_loaded(guest):
    """case 42, 67: udev loads the native module for it, after the override."""
    guest.configure(RULE)
    tell(100, plug_and_unplug(guest, 100, "modprobe -r vmxnet3"))


@scenario("hotplug-card-of-two-functions", seconds=180)
def two_functions(guest):
    """case 1: the rule names the second function, the first has a native driver that is loaded."""
    guest.run("modprobe vmxnet3", 30)
    guest.configure(f'[[bind]]\nname = "card"\ndevices = ["{SECOND}"]\n')
    guest.run("modprobe -a vfio-pci vfio_iommu_type1", 60)
    stream = guest.uevents()
    mark = stream.mark()
    with binding_log(guest) as since:
        # The guest is told of the slot with function 0, which therefore comes last. Both say that there are several:
        # else they are not in one group.
        guest.machine.device_add(HOTPLUGGED_MODEL, id="hp1", bus=HOTPLUG_PORTS[0], addr="00.1", multifunction=True)
        guest.machine.device_add(HOTPLUGGED_MODEL, id="hp0", bus=HOTPLUG_PORTS[0], addr="00.0", multifunction=True)
        for address in (HOTPLUGGED, SECOND):
            stream.wait(lambda text, address=address: re.search(rf"\bbind .*{address} ", text), 60, mark, f"bind of {address}")
        guest.wait_state(SECOND, "bound")
        expect(guest.group(HOTPLUGGED) == guest.group(SECOND), "the rig's card is not one group")
        had = since()
        print(f"note: the functions were bound to {had.get(HOTPLUGGED)} and {had.get(SECOND)}", flush=True)
        expect(had.get(SECOND) == ["vfio-pci"], f"{SECOND} was bound to {had.get(SECOND)}")
        expect(had.get(HOTPLUGGED) == ["vfio-pci"], f"{HOTPLUGGED} was bound to {had.get(HOTPLUGGED)}")
    guest.machine.device_del("hp0")
    stream.wait(lambda text: re.search(rf"\bremove .*{HOTPLUGGED} ", text), 60, mark, "remove")


@scenario("udev-rules-follow-the-policy")
def rules_follow(guest):
    """case 48"""
    from boots import AUDIO, GPU    # the card with two functions that is there already
    rules = "/run/udev/rules.d/10-vfio-bind.rules"
    guest.configure(RULE)
    text = guest.out(f"cat {rules}")
    expect('ATTR{vendor}=="0x15ad", ATTR{device}=="0x07b0"' in text, f"the id is not in the rules: {text}")
    expect('"15ad:07b0"' in guest.out("cat /run/vfio-bind/overrides.json"), "the watch does not know the id")
    guest.configure(f'[[bind]]\nname = "gpu"\ndevices = ["{GPU}"]\nallow = ["console"]\n'
                    'node = { group = "kvm", mode = "0660" }\n')
    guest.wait_state(GPU, "bound")
    group = guest.group(GPU)
    text = guest.out(f"cat {rules}")
    expect("15ad" not in text and AUDIO in text, f"the rules are not those of the whole group: {text}")
    expect('VFIO_BIND_NAME="gpu"' in guest.out(f"cat /run/vfio-bind/groups/{group}"), "the import file is not right")
    guest.configure("")
    guest.run(f"test ! -e {rules} && test ! -e /run/vfio-bind/groups/{group} && test ! -e /run/vfio-bind/overrides.json")
    expect(guest.state(GPU) == "bound", "case 48: it stays until it is released")
    expect(guest.out(f"systemctl is-active {UNIT} || true") == "active", "the daemon does not run")


def expect_started(guest, unit, act, what):
    cursor = guest.out("journalctl -n 0 --show-cursor").split("cursor: ")[1]
    act()
    log = guest.machine.start_stream(f"journalctl -f --no-tail --after-cursor='{cursor}' -u {unit}")
    log.wait(lambda text: "Started" in text, 30, what=f"{unit} to be started after {what}")
    log.stop()


@scenario("watch-runs-where-there-are-rules", seconds=60)
def watch_again(guest):
    """Not before the first of them. It ends with nothing, and a new one knows the rules."""
    unit = "vfio-bind-watch.service"
    guest.configure("")
    guest.run("sysctl -q net.core.bpf_jit_harden=2")     # the kernel makes more of a socket's filter then
    guest.run(f"systemctl stop {unit}; systemctl start {unit}", 60)
    state = guest.out(f"systemctl is-active {unit} || true")
    expect(state == "inactive", f"without rules {unit} is {state}")
    expect_started(guest, unit, lambda: guest.configure(RULE), "the first rule")
    expect_started(guest, unit, lambda: guest.run(f"systemctl kill -s KILL {unit}"), "its end")
    guest.run("modprobe vmxnet3", 30)
    guest.run("modprobe -a vfio-pci vfio_iommu_type1", 60)
    plug_and_unplug(guest, 1)
    expect(guest.run(f"test -e {sysfs(HOTPLUGGED)}", check=False).code != 0, f"{HOTPLUGGED} is still there")
    unfiltered = guest.out(f"journalctl -b -u {unit} -u {UNIT} -g 'uevents is looked at' || true")
    expect(unfiltered in ("", "-- No entries --"), f"a filter was not taken: {unfiltered}")
    guest.run("sysctl -q net.core.bpf_jit_harden=0")
