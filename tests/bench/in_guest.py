# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: hands functions over and takes them back, by one tool after another, in turns.

    in_guest.py tools ROUNDS TOOL...     all functions; prints {tool: {"bind": [[MS, CPU MS, BOUND]...], "release": ...}}
    in_guest.py early ROUNDS             vfio-bind-early and the limit, from functions that have no driver; the same
    in_guest.py check ROUNDS             milliseconds that the guards take for all functions, a list
    in_guest.py lease ROUNDS ADDRESS     {"ours": [MS...], "limit": [MS...]}: from a lease's close to the first write to the kernel
    in_guest.py crowd PROCESSES DESCRIPTORS COMMAND...   the lines that the command prints while so many processes have so many
                                         descriptors open, each its share

devices.json beside it has what there is: {address: native driver}. The rule `all` names them.
"""

import ctypes
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

from bus_clock import ROOT, Bus
from guides import SCRIPT

DEVICES = json.loads((pathlib.Path(__file__).parent / "devices.json").read_text(encoding="ascii"))
SYSFS = pathlib.Path("/sys/bus/pci")
DAEMON = "vfio-bind.service"
HIDDEN_RULE = pathlib.Path("/etc/udev/rules.d/89-vfio-uio.rules")
UDEVD = ("systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "systemd-udevd.service")
LIBVIRT = ("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")


def driver(address):
    link = SYSFS / "devices" / address / "driver"
    return os.path.basename(os.readlink(link)) if link.is_symlink() else ""


def put(path, text):
    """A write that may be refused: what came of it is looked at afterwards."""
    try:
        (SYSFS / path).write_text(text, encoding="ascii")
    except OSError:
        pass


def run(*words, check=True, seconds=300):
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    if check and done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def busy():
    """Milliseconds that the guest's processors have worked."""
    words = pathlib.Path("/proc/stat").read_text(encoding="ascii").split()
    user, nice, system, _idle, _wait, irq, soft = map(int, words[1:8])
    return (user + nice + system + irq + soft) * 1000 / os.sysconf("SC_CLK_TCK")


# --- the tools: each has bind and release for a list of functions, and may have what is to be there before and after ---

class Limit:
    def before(self):
        pass

    def after(self):
        pass

    def bind(self, devices):
        return float(run("/usr/local/bin/limit", "bind", *devices).split()[1])

    def release(self, devices):
        return float(run("/usr/local/bin/limit", "release", *(f"{a}={DEVICES[a]}" for a in devices)).split()[1])


class Ours(Limit):
    """Over D-Bus, from the call until the last job has ended."""

    def before(self):
        run("systemctl", "start", DAEMON)

    def after(self):
        run("systemctl", "stop", DAEMON)

    def _call(self, member, devices):
        target = "all" if len(devices) == len(DEVICES) else "8086:10d3"
        return float(run("/usr/local/bin/bus-clock", "hand", member, target, str(len(devices))))

    def bind(self, devices):
        return self._call("Bind", devices)

    def release(self, devices):
        return self._call("Release", devices)


class Clocked:
    """Programs, by the wall clock."""

    def before(self):
        pass

    def after(self):
        pass

    def _clock(self, *commands, check=True):
        began = time.monotonic()
        for command in commands:
            run(*command, check=check)
        return (time.monotonic() - began) * 1000


class Driverctl(Clocked):
    """Its rule has udev run a script for each VFIO node that comes: it is in force while driverctl is measured, and at no
    other time."""

    def before(self):
        HIDDEN_RULE.unlink()
        run("udevadm", "control", "--reload")

    def after(self):
        hide_rule()

    def bind(self, devices):
        return self._clock(*(("driverctl", "--nosave", "set-override", a, "vfio-pci") for a in devices))

    def release(self, devices):
        return self._clock(*(("driverctl", "--nosave", "unset-override", a) for a in devices))


def hide_rule():
    HIDDEN_RULE.parent.mkdir(parents=True, exist_ok=True)
    HIDDEN_RULE.symlink_to("/dev/null")
    run("udevadm", "control", "--reload")


class Virsh(Clocked):
    def before(self):
        run("systemctl", "start", LIBVIRT[0])
        run("virsh", "-q", "-c", "qemu:///system", "nodedev-list", "--cap", "pci")

    def after(self):
        run("systemctl", "stop", *LIBVIRT)

    def _each(self, verb, devices):
        names = ("pci_" + re.sub("[:.]", "_", address) for address in devices)
        return self._clock(*(("virsh", "-q", "-c", "qemu:///system", verb, name) for name in names))

    def bind(self, devices):
        return self._each("nodedev-detach", devices)

    def release(self, devices):
        return self._each("nodedev-reattach", devices)


class Dpdk(Clocked):
    def bind(self, devices):
        return self._clock(("dpdk-devbind.py", "-b", "vfio-pci", *devices))

    def release(self, devices):
        return self._clock(("dpdk-devbind.py", "-b", DEVICES[devices[0]], *devices))


class Guides(Clocked):
    """It can fail with most of them: how many it has bound is shown."""

    def bind(self, devices):
        return self._clock(("sh", "-c", SCRIPT, "guides", *devices), check=False)

    def release(self, devices):
        """The guides have none: it is done by hand."""
        for address in devices:
            ids = " ".join((SYSFS / "devices" / address / name).read_text(encoding="ascii").strip() for name in ("vendor", "device"))
            put("drivers/vfio-pci/remove_id", ids)
        by_hand(devices)
        return 0.0


def by_hand(devices):
    for address in devices:
        put(f"devices/{address}/driver_override", "\n")
        if driver(address) != DEVICES[address]:
            put(f"devices/{address}/driver/unbind", address)
            put(f"drivers/{DEVICES[address]}/bind", address)


class Early(Clocked):
    def bind(self, devices):
        return self._clock(("/usr/libexec/vfio-bind-early",))


class BareLimit(Limit, Clocked):
    """By the wall clock too, as the early program is."""

    def bind(self, devices):
        return self._clock(("/usr/local/bin/limit", "bind", *devices))


TOOLS = {"ours": Ours, "limit": Limit, "driverctl": Driverctl, "virsh": Virsh, "guides": Guides, "dpdk": Dpdk}


def settle():
    run("udevadm", "settle", "--timeout=120")


def expect_native(devices):
    wrong = {address: driver(address) for address in devices if driver(address) != DEVICES[address]}
    if wrong:
        raise SystemExit(f"these are not as at first: {wrong}")


def bound(devices):
    return sum(driver(address) == "vfio-pci" for address in devices)


def measured(act, devices):
    settle()
    before = busy()
    took = act(devices)
    settle()    # what udev does because of it is its doing
    return [took, busy() - before, bound(devices)]


def tools(rounds, names):
    results = {name: {"bind": [], "release": []} for name in names}
    if not HIDDEN_RULE.is_symlink():
        hide_rule()
    devices = [a for a in DEVICES if "dpdk" not in names or DEVICES[a] == "e1000e"]
    for _ in range(rounds):
        for name in names:
            tool = TOOLS[name]()
            tool.before()
            results[name]["bind"].append(measured(tool.bind, devices))
            results[name]["release"].append(measured(tool.release, devices))
            tool.after()
            expect_native(devices)
    return results


def early(rounds):
    """As at boot: no native driver has come yet, and neither the daemon nor udevd runs."""
    results = {name: {"bind": []} for name in ("early", "limit")}
    devices = list(DEVICES)
    for _ in range(rounds):
        for name, tool in (("early", Early()), ("limit", BareLimit())):
            for address in devices:
                put(f"devices/{address}/driver_override", "\n")
                put(f"devices/{address}/driver/unbind", address)
            settle()
            run("systemctl", "stop", *UDEVD)
            try:
                before = busy()
                took = tool.bind(devices)
                results[name]["bind"].append([took, busy() - before, bound(devices)])
            finally:
                run("systemctl", "reset-failed", *UDEVD)    # so many starts in a row would be refused
                run("systemctl", "start", *UDEVD)
    run("/usr/libexec/vfio-bind-early", "--give-back")
    by_hand(devices)
    expect_native(devices)
    return results


def check(rounds):
    bus = Bus()
    times = []
    for _ in range(rounds):
        began = time.monotonic()
        bus.call(ROOT, b"org.vfiobind1.Manager", b"Check", b"sa{sv}", b"all", ctypes.c_uint(0))
        times.append((time.monotonic() - began) * 1000)
    return times


TRACING = pathlib.Path("/sys/kernel/tracing")


def traced(*words):
    """What the program printed, and when the PCI core's files were written meanwhile; nanoseconds both."""
    for name, text in (("current_tracer", "nop"), ("trace_clock", "mono"), ("set_ftrace_filter", "driver_override_store unbind_store"),
                       ("current_tracer", "function"), ("trace", ""), ("tracing_on", "1")):
        (TRACING / name).write_text(text, encoding="ascii")
    try:
        printed = [int(line) for line in run(*words, seconds=900).split()]
        found = re.findall(r"(\d+)\.(\d{6}): \w+_store <-", (TRACING / "trace").read_text(encoding="ascii"))
    finally:
        for name, text in (("current_tracer", "nop"), ("set_ftrace_filter", "")):
            (TRACING / name).write_text(text, encoding="ascii")
    return printed, [int(seconds) * 10**9 + int(micros) * 1000 for seconds, micros in found]


def lease(rounds, address):
    results = {}
    for name, words in (("ours", ("/usr/local/bin/bus-clock", "lease", address, str(rounds))),
                        ("limit", ("/usr/local/bin/limit", "lease", f"{address}={DEVICES[address]}", str(rounds)))):
        closed, written = traced(*words)
        settle()
        expect_native([address])
        results[name] = [(min(time for time in written if time > at) - at) / 1e6 for at in closed]
    return results


def opened(count):
    """As many descriptors, a share of each kind that programs have."""
    kinds = (lambda: [os.open("/dev/null", os.O_RDWR)], lambda: [os.open("/etc/passwd", os.O_RDONLY)], os.pipe,
             lambda: [end.detach() for end in socket.socketpair()])
    found = []
    for kind in itertools.cycle(kinds):
        if len(found) >= count:
            return found
        found += kind()


def crowd(processes, descriptors, *command):
    ready, tell = os.pipe()
    children = []
    try:
        for _ in range(processes):
            pid = os.fork()
            if pid == 0:
                opened(int(descriptors) // processes)
                os.write(tell, b".")
                signal.pause()
            children.append(pid)
        left = processes
        while left:
            left -= len(os.read(ready, left))
        return run(*command, seconds=900).splitlines()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def main():
    verb, rounds, *names = sys.argv[1:]
    found = {"crowd": lambda n: crowd(n, *names), "tools": lambda n: tools(n, names), "early": early, "check": check, "lease": lambda n: lease(n, *names)}[verb](int(rounds))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
