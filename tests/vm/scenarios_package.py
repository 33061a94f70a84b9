# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package comes, is exchanged for another, and goes: no bound group is released, and nothing is left of it."""

import contextlib
import pathlib
import re

import guides
from boots import GPU, TWIN_A, TWIN_B, TWIN_ID
from guest import CONFIG, MANAGER, ROOT, UNIT, expect
from scenarios import scenario
from scenarios_bind import BOUND, GPU_RULE

PACKAGE = "/var/tmp/vfio-bind.deb"
DROP_IN = "/etc/vfio-bind.d/50-rig.toml"
DPKG = "DEBIAN_FRONTEND=noninteractive dpkg"
AUTOPKGTEST = pathlib.Path(__file__).resolve().parents[2] / "packaging/debian/tests/daemon"

OLD_UNIT = "/etc/systemd/system/vfio-bind.service"
OLD = {
    "/etc/sysconfig/vfio-bind": f'DEVICES="{TWIN_A}"\n',
    "/usr/local/bin/vfio-bind": guides.SCRIPT,
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

        said = guest.run(f"{DPKG} -i {PACKAGE}", 240).stdout
        expect(f"moved to {OLD_UNIT}.replaced-by-package" in said, f"the package did not say what it has moved: {said}")
        expect(guest.machine.get(f"{OLD_UNIT}.replaced-by-package").decode() == OLD[OLD_UNIT], "the old unit was not kept as it was")
        rule = re.search(r"\[\[bind\]\]\n.*?\n\]", said, re.DOTALL)
        expect(rule and f'address = "{TWIN_A}", id = "{TWIN_ID}"' in rule.group(0), f"the package does not offer its DEVICES as a rule: {said}")
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


def installed(guest):
    return guest.out("dpkg-query --show --showformat='${db:Status-Status} ${Version}' vfio-bind")


def with_version(guest, version):
    """The same package, called another version; its path in the guest."""
    path = f"/var/tmp/vfio-bind-{version}.deb"
    guest.run(f"cd /var/tmp && rm -rf again && dpkg-deb --raw-extract {PACKAGE} again && "
              f"sed -i 's/^Version: .*/Version: {version}/' again/DEBIAN/control && "
              f"dpkg-deb --build -Znone again {path} && rm -rf again", 240)
    return path


@contextlib.contextmanager
def bound_and_held(guest):
    """The card is bound by a rule and in use by a VM, and stays so; the package is there again afterwards."""
    before = guest.drivers()
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    vm = guest.machine.start_stream(f"vfio-probe hold {guest.group(GPU)} {GPU}")
    try:
        vm.wait(lambda text: text == "holding", 20, what="'holding'")
        yield
        guest.expect_drivers(BOUND, before)
        expect(not vm.ended, "the process that holds the device has ended")
    finally:
        vm.stop()
        guest.run(f"rm -f {DROP_IN} /var/tmp/vfio-bind-*.deb; {DPKG} --force-confnew,confmiss -i {PACKAGE}", 240)


def exchange(guest, package, version):
    """Installs over what is there: another daemon runs then, and neither has written to the kernel."""
    pid = guest.pid()
    with guest.no_kernel_writes(f"the installation of version {version}"):
        guest.run(f"{DPKG} -i {package}", 240)
    expect(installed(guest) == f"installed {version}", f"dpkg has it as '{installed(guest)}'")
    expect(guest.pid() not in (0, pid), "the daemon of before runs still, or none does")
    guest.wait_state(GPU, "bound")
    expect(guest.machine.get(CONFIG).decode() == GPU_RULE, "the administrator's configuration was touched")
    units = f"{UNIT} vfio-bind-watch.service"
    active = guest.out(f"systemctl is-active {units} || true").split()
    expect(active == ["active", "active"], f"after it {units} are {active}")
    enabled = guest.out(f"systemctl is-enabled {units} vfio-bind-early.service || true").split()
    expect(enabled == ["enabled"] * 3, f"after it {units} vfio-bind-early.service are {enabled}")


@scenario("package-upgrade-and-downgrade-release-nothing", seconds=900)
def upgrade(guest):
    version = installed(guest).split()[1]
    newer = with_version(guest, f"{version}+rig")
    with bound_and_held(guest):
        exchange(guest, newer, f"{version}+rig")
        exchange(guest, PACKAGE, version)


def left_over(guest):
    """Files of the package in the system and in /run; not what systemd keeps of units that have run."""
    # The rig's own channel has such a name, too.
    named = r"\( -name '*vfio-bind*' -o -name '*vfiobind*' \) ! -name '*vfio-bind.agent*' -print"
    return guest.out(rf"find / -xdev \( -path /proc -o -path /sys -o -path /var/tmp -o -path /var/log \) -prune -o {named}; "
                     rf"find /run -xdev \( -path /run/systemd -o -path /run/log \) -prune -o {named}", 180)


@scenario("package-removal-releases-nothing-and-purge-leaves-nothing", seconds=900)
def removal(guest):
    with bound_and_held(guest):
        guest.put(DROP_IN, "# the administrator's\n")
        with guest.no_kernel_writes("the removal"):
            guest.run(f"{DPKG} --remove vfio-bind", 300)
        expect(installed(guest).startswith("config-files "), f"dpkg has it as '{installed(guest)}'")
        expect(guest.machine.get(CONFIG).decode() == GPU_RULE, "the configuration was touched by the removal")
        left = set(left_over(guest).splitlines())
        # What dpkg and systemd's helper keep until a purge: conffiles, scripts, what was enabled.
        kept = {path for path in left
                if path.startswith(("/etc/", "/var/lib/dpkg/info/vfio-bind.", "/var/lib/systemd/deb-systemd-helper-"))}
        expect({CONFIG, "/etc/vfio-bind.d"} <= kept, f"the configuration was not kept: {sorted(kept)}")
        expect(left == kept, f"left after the removal: {' '.join(sorted(left - kept))}")
        guest.run(f"test -e {DROP_IN}")
        running = guest.run("ps -e -o comm= | grep '^vfio-bind'", check=False).stdout
        expect(not running, f"running after the removal: {running}")

        with guest.no_kernel_writes("the purge"):
            guest.run(f"{DPKG} --purge vfio-bind", 240)
        left = left_over(guest)
        expect(not left, f"left after the purge: {left}")
    guest.configure(GPU_RULE)       # the package is there again: it takes over what it finds
    guest.wait_state(GPU, "bound")
    expect(guest.get(ROOT, MANAGER, "ConfigError") == "", "the configuration is refused after it came back")


@scenario("autopkgtest-of-the-package", seconds=150)
def autopkgtest(guest):
    guest.put("/var/tmp/autopkgtest", AUTOPKGTEST.read_text(encoding="utf-8"), 0o755)
    with guest.no_kernel_writes("the package's own test"):
        guest.run("/var/tmp/autopkgtest", 120)


@scenario("package-builds-an-initramfs-only-where-it-is-asked-to", seconds=300)
def initramfs_when_asked(guest):
    """An initramfs takes minutes to build, and is of use where the configuration names a device."""
    recorder, record = "/usr/local/sbin/update-initramfs", "/run/rig-initramfs"

    def expect_calls(config, wanted, sentence):
        guest.put(CONFIG, config)
        said = guest.run(f"rm -f {record}; {DPKG} -i {PACKAGE}", 240).stdout
        found = guest.out(f"cat {record} 2>/dev/null || true").splitlines()
        expect(found == wanted, f"{sentence}: calls of update-initramfs: {found}; dpkg said: {said}")

    guest.put(recorder, f'#!/bin/sh\necho "$@" >> {record}\n', 0o755)
    try:
        expect_calls("", [], "the package built an initramfs for a configuration without rules")
        rule = f'[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}"]\n'
        expect_calls(rule, ["-u"], "the package did not build the initramfs, or more than once")
        expect_calls(rule + "no-such-key = 1\n", [], "the package built an initramfs for a configuration that is not in force")
    finally:
        guest.run(f"rm -f {recorder} {record}")
        guest.put(CONFIG, "")


@scenario("package-removal-rebuilds-the-initramfs-that-takes-devices", seconds=400)
def initramfs_of_removed(guest):
    """One of which the builder makes a new one, one that it leaves as it is, one without our part, and a copy for no kernel."""
    recorder, record, hook = "/usr/local/sbin/update-initramfs", "/run/rig-initramfs", "/usr/share/initramfs-tools/hooks/vfio-bind"
    image = "/boot/initrd.img-rig"
    guest.run(f"test -e {hook}")
    try:
        guest.run("rm -rf /var/tmp/rig-image && mkdir -p /boot /var/tmp/rig-image/usr/libexec && cd /var/tmp/rig-image && "
                  f"find . | cpio --quiet -o -H newc | gzip > {image}-without && touch usr/libexec/vfio-bind-early && "
                  f"find . | cpio --quiet -o -H newc | gzip > {image}-taking && cp {image}-taking {image}-stays && "
                  f"cp {image}-taking {image}-copy && mkdir -p /lib/modules/rig-without /lib/modules/rig-taking /lib/modules/rig-stays")
        guest.put(recorder, f"""#!/bin/sh
echo "$*$(test ! -e {hook} || echo ' while our hook is there')" >> {record}
test "$3" = rig-stays || cp {image}-without "/boot/initrd.img-$3"
""", 0o755)
        done = guest.run(f"rm -f {record}; {DPKG} --remove vfio-bind", 300)
        said = done.stdout + done.stderr
        found = guest.out(f"cat {record} 2>/dev/null || true").splitlines()
        expect(found == ["-u -k rig-stays", "-u -k rig-taking"], f"calls of update-initramfs: {found}; dpkg said: {said}")
        expect(f"{image}-stays was not built anew" in said, f"that an image still takes devices is not told; dpkg said: {said}")
        expect(said.count("was not built anew") == 1, f"told of an image that takes no devices, or of a copy; dpkg said: {said}")
    finally:
        guest.run(f"rm -rf {recorder} {record} {image}-* /lib/modules/rig-* /var/tmp/rig-image; "
                  f"{DPKG} --force-confnew,confmiss -i {PACKAGE}", 240)


@scenario("older-initramfs-is-told")
def older_initramfs(guest):
    """The image that the machine starts from holds an older configuration, if it holds any."""
    made = guest.out("echo /boot/initrd.img-$(uname -r)")
    kept = guest.run(f"test -e {made}", check=False).code == 0
    guest.run(f"mkdir -p /boot; {'true' if kept else f'touch {made}'}")
    try:
        guest.configure(f'[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}"]\n')
        guest.wait_state(TWIN_A, "bound")
        guest.run(f"touch -d '+60 seconds' {CONFIG}; systemctl reload {UNIT}", 60)
        # The rig's images are made before the package is installed: nobody has taken anything of ours in.
        expect(made not in str(guest.get(ROOT, MANAGER, "Warnings")), "an image without our part is called older")
        guest.run(f"/usr/libexec/vfio-bind-early --taken-in $(uname -r); touch {made}", 30)
        guest.configure(f'[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}", "{TWIN_B}"]\n')
        guest.wait_until(lambda: made in str(guest.get(ROOT, MANAGER, "Warnings")), 30, "a warning about the initramfs")
        told = guest.run("vfio-bindctl status", 60)
        expect("update-initramfs -u" in told.stdout + told.stderr, f"status does not tell what to do: {told}")
        guest.run(f"/usr/libexec/vfio-bind-early --taken-in $(uname -r); touch {made}; systemctl reload {UNIT}", 60)
        guest.wait_until(lambda: made not in str(guest.get(ROOT, MANAGER, "Warnings")), 30, "the end of that warning")
    finally:
        guest.run(f"rm -f /var/lib/vfio-bind/initramfs/*; touch {CONFIG}; {f'touch {made}' if kept else f'rm -f {made}'}")
