# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the package does to a machine that was set up by hand before."""

import re

from boots import TWIN_A, TWIN_B, TWIN_ID
from guest import CONFIG, MANAGER, ROOT, UNIT, expect
from scenarios import scenario

OLD_UNIT = "/etc/systemd/system/vfio-bind.service"
OLD = {
    "/etc/sysconfig/vfio-bind": f'DEVICES="{TWIN_A}"\n',
    "/usr/local/bin/vfio-bind": """#!/bin/sh
modprobe vfio-pci
for dev in "$@"; do
    vendor=$(cat /sys/bus/pci/devices/$dev/vendor)
    device=$(cat /sys/bus/pci/devices/$dev/device)
    if [ -e /sys/bus/pci/devices/$dev/driver ]; then
        echo $dev > /sys/bus/pci/devices/$dev/driver/unbind
    fi
    echo $vendor $device > /sys/bus/pci/drivers/vfio-pci/new_id
done
""",
    OLD_UNIT: """[Unit]
Description=Binds devices to vfio-pci
After=syslog.target

[Service]
EnvironmentFile=-/etc/sysconfig/vfio-bind
Type=oneshot
RemainAfterExit=yes
ExecStart=-/usr/local/bin/vfio-bind $DEVICES

[Install]
WantedBy=multi-user.target
""",
}


@scenario("guides-unit-is-replaced", seconds=300)
def replaced(guest):
    """The guides' sysconfig file, script and unit; then the package: the same devices bound, by us."""
    guest.systemctl("stop")
    for path, text in OLD.items():
        guest.put(path, text, 0o755 if path.endswith("bin/vfio-bind") else 0o644)
    try:
        guest.run(f"systemctl daemon-reload; systemctl start {UNIT}", 60)
        before = guest.drivers()
        expect(before[TWIN_A] == "vfio-pci", f"the guides' unit did not bind {TWIN_A}: the rig's copy of it is wrong")

        said = guest.run("DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/vfio-bind.deb", 240).stdout
        expect(f"moved to {OLD_UNIT}.replaced-by-package" in said, f"the package did not say what it has moved: {said}")
        expect(guest.machine.get(f"{OLD_UNIT}.replaced-by-package").decode() == OLD[OLD_UNIT], "the old unit was not kept as it was")
        rule = re.search(r"\[\[bind\]\]\n.*\n.*\]", said)
        expect(rule and f'devices = ["{TWIN_A}"]' in rule.group(0), f"the package does not offer its DEVICES as a rule: {said}")
        guest.expect_drivers({}, before)
        expect(guest.out(f"systemctl show -P FragmentPath {UNIT}") != OLD_UNIT, "the old unit is in force still")

        guest.configure(rule.group(0))
        guest.wait_state(TWIN_A, "bound")
        guest.expect_drivers({}, before)
        expect(guest.driver(TWIN_B) == "e1000e", "the twin was taken")
    finally:
        guest.run(f"rm -f {' '.join(OLD)} {OLD_UNIT}.replaced-by-package*; systemctl daemon-reload; "
                  f"echo {TWIN_ID.replace(':', ' ')} > /sys/bus/pci/drivers/vfio-pci/remove_id; "
                  f"systemctl restart {UNIT}", 60, check=False)
        guest.put(CONFIG, "")


@scenario("package-builds-an-initramfs-only-where-it-is-asked-to", seconds=300)
def initramfs_when_asked(guest):
    """An initramfs takes minutes to build, and is of use where the configuration names a device."""
    recorder, record = "/usr/local/sbin/update-initramfs", "/run/rig-initramfs"

    def calls(config):
        guest.put(CONFIG, config)
        guest.run(f"rm -f {record}; DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/vfio-bind.deb", 240)
        return guest.out(f"cat {record} 2>/dev/null || true").splitlines()

    guest.put(recorder, f'#!/bin/sh\necho "$@" >> {record}\n', 0o755)
    try:
        expect(calls("") == [], "the package built an initramfs for a configuration without rules")
        rule = f'[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}"]\n'
        expect(calls(rule) == ["-u"], "the package did not build the initramfs, or more than once")
        expect(calls(rule + "no-such-key = 1\n") == [], "the package built an initramfs for a configuration that is not in force")
    finally:
        guest.run(f"rm -f {recorder} {record}")
        guest.put(CONFIG, "")


@scenario("older-initramfs-is-told")
def older_initramfs(guest):
    """The image that the machine starts from holds an older configuration."""
    made = guest.out("echo /boot/initrd.img-$(uname -r)")
    kept = guest.run(f"test -e {made}", check=False).code == 0
    guest.run(f"mkdir -p /boot; {'true' if kept else f'touch {made}'}")
    try:
        guest.configure(f'[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}"]\n')
        guest.wait_state(TWIN_A, "bound")
        guest.run(f"touch -d '+60 seconds' {CONFIG}; systemctl reload {UNIT}", 60)
        guest.wait_until(lambda: made in str(guest.get(ROOT, MANAGER, "Warnings")), 30, "a warning about the initramfs")
        told = guest.run("vfio-bindctl status", 60)
        expect("update-initramfs -u" in told.stdout + told.stderr, f"status does not tell what to do: {told}")
        guest.run(f"touch -d '+120 seconds' {made}; systemctl reload {UNIT}", 60)
        guest.wait_until(lambda: made not in str(guest.get(ROOT, MANAGER, "Warnings")), 30, "the end of that warning")
    finally:
        guest.run(f"touch {CONFIG}; {f'touch {made}' if kept else f'rm -f {made}'}")
