# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whoever can have a lease: a unit, QEMU under `run`, a domain of libvirt's, a session of a user; and the package's upgrade."""

import contextlib
import re

from boots import GPU, TWIN_A, TWIN_B
from guest import expect
from scenarios import scenario
from scenarios_bind import BOUND
from scenarios_ctl import ctl
from scenarios_export import BUSES_ARE_NUMBERED, DOMAIN, QEMU, VIRSH
from scenarios_lease import ASKED, leases, running, three_leases, wait_given_back
from scenarios_package import DPKG, PACKAGE, installed, with_version

HOOK = "/etc/libvirt/hooks/qemu.d/vfio-bind"
# As pam_systemd does it: logind's session is of this process, and is there for as long as its descriptor is open.
LOGIN = """\
import os, sys
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
answer, fds = bus.call_with_unix_fd_list_sync(
    "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "CreateSession",
    GLib.Variant("(uusssssussbssa(sv))",
                 (0, os.getpid(), "rig", "tty", "user", "", "", 0, "", "", False, "", "", [])),
    None, 0, 60000, None, None)
kept = os.dup(fds.get(answer[3]))
os.set_inheritable(kept, True)
print("session", answer[0], flush=True)
os.execvp(sys.argv[1], sys.argv[1:])
"""

@contextlib.contextmanager
def vm_unit(guest):
    """A unit that wants the card: it says what driver the card had when it started and when it stopped."""
    driver = f"basename $(readlink /sys/bus/pci/devices/{GPU}/driver)"
    guest.put("/run/systemd/system/rig-vm.service",
              "[Unit]\nRequires=vfio-bind@guest-gpu.service\nAfter=vfio-bind@guest-gpu.service\n"
              "PropagatesStopTo=vfio-bind@guest-gpu.service\n[Service]\n"
              f"ExecStart=/bin/sh -c '{driver} > /run/rig-started; exec sleep 1000'\n"
              f"ExecStopPost=/bin/sh -c '{driver} > /run/rig-stopped'\n")
    guest.run("systemctl daemon-reload; rm -f /run/rig-started /run/rig-stopped")
    try:
        yield
    finally:
        guest.run("systemctl stop rig-vm.service 'vfio-bind@*'; rm -f /run/systemd/system/rig-vm.service; "
                  "systemctl daemon-reload; systemctl reset-failed", 60, check=False)


@scenario("unit-that-holds-a-rule", seconds=180)
def unit(guest):
    guest.configure(ASKED)
    with vm_unit(guest):
        guest.run("systemctl start vfio-bind@guest-gpu", 60)
        guest.expect_drivers(BOUND, guest.pristine)
        guest.run("systemctl stop vfio-bind@guest-gpu", 60)
        wait_given_back(guest)
        guest.run("systemctl start rig-vm", 60)
        guest.wait_until(lambda: guest.run("test -s /run/rig-started", check=False).code == 0, 20, "the VM's unit to start")
        expect(guest.out("cat /run/rig-started") == "vfio-pci", "the VM's unit started before the card was bound")
        guest.run("systemctl stop rig-vm", 60)
        expect(guest.out("cat /run/rig-stopped") == "vfio-pci", "the card went back before the VM's unit had stopped")
        wait_given_back(guest)

        guest.configure(ASKED + 'driver = "no_such_driver"\n')
        result = guest.run("systemctl start rig-vm", 60, check=False)
        expect(result.code != 0, "a unit starts whose card is refused")
        status = guest.out("systemctl show -P StatusText vfio-bind@guest-gpu")
        expect("no_such_driver" in status, f"the failed unit's status does not say why: '{status}'")


@scenario("run-qemu", boot="vmm", seconds=420)
def run_qemu(guest):
    """QEMU under `run` takes the group; a second `run` shares the lease and does not unbind it at its end."""
    guest.configure(ASKED)
    stream = guest.machine.start_stream(
        f"vfio-bindctl run guest-gpu --what 'VM rig' -- sh -c 'exec {QEMU} -chardev stdio,id=firmware "
        "-device isa-debugcon,iobase=0x402,chardev=firmware $VFIO_BIND_QEMU'")
    try:
        stream.wait(lambda text: BUSES_ARE_NUMBERED in text, 200, what="the firmware to number the buses")
        with running(guest, "guest-gpu --what 'VM two'"):
            said = ctl(guest, f"release {GPU}", 3)
            expect("VM rig" in said and "VM two" in said, f"the refusal does not name both leases: {said}")
        guest.wait_until(lambda: len(leases(guest, GPU)) == 1, 20, "the second lease to end")
        expect(guest.state(GPU) == "bound", f"under QEMU the group is '{guest.state(GPU)}'")
        guest.run("pkill -9 -x vfio-bindctl")
        expect(stream.wait_end(30) is not None, "`run` did not end")
        wait_given_back(guest)
    finally:
        stream.stop()


@scenario("run-ends-with-its-users-session", seconds=180)
def logout(guest):
    guest.configure(ASKED)
    guest.put("/run/rig-login.py", LOGIN)
    stream = guest.machine.start_stream("/usr/bin/python3 /run/rig-login.py vfio-bindctl run guest-gpu -- "
                                        "sh -c 'echo runs; exec sleep 1000'")
    try:
        session = stream.wait(lambda text: text.startswith("session "), 90, what="the session").split()[1]
        stream.wait(lambda text: text == "runs", 60, what="the command of `run` to begin")
        guest.expect_drivers(BOUND, guest.pristine)
        guest.run(f"loginctl terminate-session {session}", 60)
        wait_given_back(guest)
        expect(stream.wait_end(30) is not None, "`run` outlived its session")
    finally:
        stream.stop()
        guest.run("rm -f /run/rig-login.py")


@scenario("package-upgrade-keeps-leases", seconds=600)
def upgrade(guest):
    """Of three leases one ends while the package is exchanged and no daemon runs."""
    guest.configure(ASKED)
    version = installed(guest).split()[1]
    newer = with_version(guest, f"{version}+leases")
    with three_leases(guest) as (_, ending, _):
        pid = guest.pid()
        guest.run(f"kill -STOP {pid}")
        ending.signal(9)
        ending.wait_end(30)
        guest.run(f"{DPKG} -i {newer} & kill -KILL {pid}; wait $!", 240)
        expect(installed(guest) == f"installed {version}+leases", f"dpkg has it as '{installed(guest)}'")
        expect(guest.pid() not in (0, pid), "no new daemon runs")
        wait_given_back(guest, TWIN_A)
        for address in (GPU, TWIN_B):
            expect(guest.state(address) == "bound" and len(leases(guest, address)) == 1,
                   f"{address} is '{guest.state(address)}' with the leases {leases(guest, address)}")
        guest.run(f"{DPKG} --force-downgrade -i {PACKAGE}", 240)
        expect(guest.state(GPU) == "bound" and len(leases(guest, GPU)) == 1, "the package of before has lost a lease")
    for address in (GPU, TWIN_B):
        wait_given_back(guest, address)
    guest.run("rm -f /var/tmp/vfio-bind-*.deb")
    guest.expect_drivers({}, guest.pristine)


@scenario("libvirt-hook", boot="vmm", seconds=600)
def libvirt_hook(guest):
    guest.configure(ASKED)
    guest.done("Bind", GPU)
    hostdevs = guest.out(f"vfio-bindctl export {GPU} --for libvirt")
    guest.done("Release", GPU)
    guest.run(f"install -D /usr/share/vfio-bind/libvirt-hook {HOOK}")
    guest.run("systemctl restart libvirtd", 90)
    guest.put("/run/export.xml", DOMAIN.format(hostdevs=hostdevs))
    guest.put("/run/bare.xml", DOMAIN.format(hostdevs=""))
    try:
        guest.run(f"{VIRSH} create /run/export.xml", 120)
        guest.expect_drivers(BOUND, guest.pristine)
        guest.run(f"{VIRSH} destroy export", 60)
        wait_given_back(guest)

        guest.run(f"{VIRSH} create /run/export.xml", 120)
        guest.run("systemctl kill --kill-whom=main --signal=KILL libvirtd; systemctl start libvirtd", 60, check=False)
        guest.expect_drivers(BOUND, guest.pristine)
        # libvirt 9.0 that was killed in between can say that the domain which it has just ended is not there.
        guest.run(f"{VIRSH} destroy export", 90, check=False)
        guest.wait_until(lambda: not guest.out(f"{VIRSH} list --name"), 60, "the domain to end")
        wait_given_back(guest)

        spent = guest.out(f"bash -c 'time for i in 1 2 3 4 5 6 7 8 9 10; do {HOOK} bare prepare begin - </run/bare.xml; "
                          "done' 2>&1", 60)
        found = re.search(r"real\s+0m([\d.]+)s", spent)
        expect(found, f"no time in: {spent}")
        print(f"  the hook costs a domain without a device {float(found[1]) * 100:.1f} ms", flush=True)
        expect(guest.state(GPU) == "native", "a domain without a device has the card bound")
    finally:
        guest.run(f"{VIRSH} destroy export; rm -f {HOOK}; systemctl restart libvirtd; systemctl stop 'vfio-bind@*'", 120,
                  check=False)
