# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfio-bind-ready.target: what comes after it comes after the first pass over the configuration, also where a group hangs."""

import contextlib
import re

from boots import GPU, TWIN_A
from guest import CONFIG, UNIT, Failed, expect, sysfs
from scenarios import scenario
from scenarios_boot import rules_at_boot

TARGET = "vfio-bind-ready.target"
RUNTIME_DROP_INS = "/run/vfio-bind.d"
AFTER_UNIT = "/run/systemd/system/rig-after.service"
RULE = f'[[bind]]\nname = "guest-gpu"\ndevices = ["{GPU}"]\n'
TIMEOUT = 8     # seconds, of the rule whose group hangs
# The kernel lets go of what a VM holds when the VM ends, and hangs until then.
HUNG_RULE = f'[[bind]]\nname = "hangs"\ndevices = ["{TWIN_A}"]\ndriver = "pci-stub"\nallow = ["held-by-vm"]\ntimeout = "{TIMEOUT}s"\n'

# In a boot that is slow no driver has it yet, and with the override none but vfio-pci will.
BY_HAND = f"""modprobe vfio-pci
echo vfio-pci > {sysfs(TWIN_A, "driver_override")}
test ! -e {sysfs(TWIN_A, "driver")} || echo {TWIN_A} > {sysfs(TWIN_A, "driver/unbind")}
echo {TWIN_A} > /sys/bus/pci/drivers_probe"""


def after_unit(wanted_by=""):
    """Notes the GPU's driver at the moment when it starts."""
    return f"""[Unit]
Wants={TARGET}
After={TARGET}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'basename $(readlink {sysfs(GPU, "driver")}) > /run/rig-after'
ExecStartPost=/bin/sh -c 'test ! -p /run/rig-free || echo > /run/rig-free'
{f"[Install]{chr(10)}WantedBy={wanted_by}" if wanted_by else ""}
"""


# Before the daemon's first pass a VM holds the group that the rule then wants for another driver. It ends once the target was
# reached.
HANG_SCRIPT = f"""#!/bin/sh
set -e
{BY_HAND}
mkfifo /run/rig-hold /run/rig-holds /run/rig-free
vfio-probe hold $(basename $(readlink {sysfs(TWIN_A, "iommu_group")})) {TWIN_A} < /run/rig-hold > /run/rig-holds &
exec 3> /run/rig-hold
read -r word < /run/rig-holds
mkdir -p {RUNTIME_DROP_INS}
cat > {RUNTIME_DROP_INS}/hang.toml << END
{HUNG_RULE}END
touch /run/rig-hung
read -r word < /run/rig-free
exec 3>&-
wait
"""


def at(guest, unit, prop):
    """Seconds of the monotonic clock."""
    return int(guest.out(f"systemctl show -P {prop}TimestampMonotonic {unit}")) / 1e6


@contextlib.contextmanager
def first_pass_to_come(guest, text):
    """The daemon has not begun, with this configuration, and a unit waits for the target."""
    # What was released by hand stays so until a configuration is loaded that has changed.
    guest.configure('[daemon]\nlog-level = "debug"\n')
    guest.put(AFTER_UNIT, after_unit())
    guest.run(f"rm -f /run/rig-after; systemctl stop {UNIT} {TARGET}; systemctl daemon-reload", 60)
    guest.put(CONFIG, text)
    try:
        yield
    finally:
        guest.put(CONFIG, "")
        guest.run(f"systemctl stop rig-after.service; rm -f {AFTER_UNIT}; systemctl daemon-reload; systemctl restart {UNIT}",
                  90, check=False)


@scenario("ready-target-comes-after-the-first-pass", seconds=240)
def ready(guest):
    native = guest.driver(GPU)
    expect(native not in ("", "vfio-pci"), f"{GPU} is with '{native}' before")
    with first_pass_to_come(guest, RULE):
        guest.run("systemctl start rig-after.service", 120)
        expect(guest.out("cat /run/rig-after") == "vfio-pci", "what comes after the target came before the first pass ended")
        guest.run(f"systemctl is-active {TARGET}", 20)
        # An error in the configuration fails nobody.
        guest.run(f"systemctl stop rig-after.service {TARGET} {UNIT}", 60)
        guest.put(CONFIG, "[[bind]\n")
        guest.run("systemctl start rig-after.service", 120)


@scenario("ready-target-waits-for-a-hang-only-until-its-timeout", seconds=300, timed=True)
def ready_with_a_hang(guest):
    """One group hangs in the kernel: the others are bound, and the target comes when the rule's timeout is over."""
    with first_pass_to_come(guest, HUNG_RULE + RULE):
        guest.run(BY_HAND, 60)
        vm = guest.machine.start_stream(f"vfio-probe hold {guest.group(TWIN_A)} {TWIN_A}")
        try:
            vm.wait(lambda text: text == "holding", 20, what="'holding'")
            guest.run("systemctl start rig-after.service", 120)
            expect(guest.state(TWIN_A) == "stuck", f"the group that is to hang is {guest.state(TWIN_A)}")
            expect(guest.out("cat /run/rig-after") == "vfio-pci", f"{GPU} was not bound when the target came")
            took = at(guest, TARGET, "ActiveEnter") - at(guest, UNIT, "InactiveExit")
            print(f"note: with a group that hangs the target came after {took:.1f} s", flush=True)
            expect(took > TIMEOUT - 1, f"the target came after {took:.1f} s, the timeout is {TIMEOUT} s")
            vm.stop()
            guest.wait_until(lambda: guest.driver(TWIN_A) == "pci-stub", 30, "the bind that hung to go on")
        finally:
            vm.stop()
    guest.run(f"echo > {sysfs(TWIN_A, 'driver_override')}; echo {TWIN_A} > {sysfs(TWIN_A, 'driver/unbind')}; "
              f"echo {TWIN_A} > /sys/bus/pci/drivers_probe", 30)


def boot_seconds(guest):
    """Until systemd has started all: of user space, as systemd-analyze has it."""
    text = guest.out("systemd-analyze time", 60)
    found = re.search(r"\+ (?:(\d+)min )?([\d.]+)s \(userspace\)", text)
    expect(found, f"systemd-analyze says {text}")
    return 60 * int(found.group(1) or 0) + float(found.group(2))


def one_boot(guest):
    """The seconds of the boot, and of what the target waited for the daemon."""
    guest.machine.reboot()
    expect(guest.out("cat /run/rig-after") == "vfio-pci", "what comes after the target came before the first pass ended")
    late = at(guest, "rig-after.service", "InactiveExit") - at(guest, TARGET, "ActiveEnter")
    expect(late >= 0, f"a unit after the target started {-late:.3f} s before it")
    return boot_seconds(guest), at(guest, TARGET, "ActiveEnter") - at(guest, UNIT, "InactiveExit")


def boots(guest, count):
    unit, hang = "/etc/systemd/system/rig-after.service", "/etc/systemd/system/rig-hang.service"
    with rules_at_boot(guest, RULE) as machine:
        try:
            machine.reboot()
            print(f"note: a boot with nothing that waits for the target: {boot_seconds(guest):.1f} s", flush=True)
            guest.put(unit, after_unit("multi-user.target"))
            guest.run("systemctl enable rig-after.service", 60)
            for number in range(1, count + 1):
                try:
                    seconds, waited = one_boot(guest)
                except Failed as error:
                    raise Failed(f"boot {number} of {count}: {error}") from error
                print(f"note: boot {number}: {seconds:.1f} s, the target {waited:.1f} s after the daemon's start", flush=True)
            guest.put("/usr/local/sbin/rig-hang", HANG_SCRIPT, 0o755)
            guest.put(hang, f"[Unit]\nAfter=vfio-bind-early.service systemd-udev-settle.service\nBefore={UNIT}\n"
                            "[Service]\nType=exec\nExecStart=/usr/local/sbin/rig-hang\nExecStartPost=/bin/sh -c "
                            "'until test -e /run/rig-hung; do :; done'\n[Install]\nWantedBy=multi-user.target\n")
            guest.run("systemctl enable rig-hang.service", 60)
            seconds, waited = one_boot(guest)
            print(f"note: with a group that hangs: {seconds:.1f} s, the target {waited:.1f} s after the daemon's start", flush=True)
            expect(waited > TIMEOUT - 1, f"the target came after {waited:.1f} s, the timeout is {TIMEOUT} s")
        finally:
            guest.run(f"systemctl disable rig-after.service rig-hang.service; rm -f {unit} {hang}; systemctl daemon-reload", 90,
                      check=False)


@scenario("ready-target-at-boot-20x", boot="boots", named=True, seconds=4000)
def twenty_boots(guest):
    boots(guest, 20)


@scenario("ready-target-at-boot", boot="boots", named=True, seconds=900)
def two_boots(guest):
    boots(guest, 1)
