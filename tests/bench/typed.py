# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people type, in a guest as distributions ship it, whose kernel mitigates what processors suffer from, and in the rig's."""

import pathlib
import statistics

import vm_half
from boots import BOOTS
from machine import EMULATED_CMDLINE, Machine
from table import against, faster, told

HERE = pathlib.Path(__file__).resolve().parent


class AsShipped(Machine):
    """The kernel's defaults, on the processor with all that QEMU can emulate."""

    def _command(self):
        command = super()._command()
        if self.accel != "kvm":
            command[command.index("-cpu") + 1] = "max"
            append = command.index("-append") + 1
            command[append] = command[append].removesuffix(f" {EMULATED_CMDLINE}")
        return command


def _theme(guest):
    return "As people type it, " + ("with mitigations" if isinstance(guest.machine, AsShipped) else "without mitigations")


def typed_hands(guest):
    theme = _theme(guest)
    yield told(theme, vm_half.described(guest), guest.out("cat /sys/devices/system/cpu/vulnerabilities/spectre_v2"))
    guest.systemctl("stop")
    results = vm_half.ask(guest, "hands", vm_half.ROUNDS, program="typed_in_guest.py")
    for count, groups, most in (("all", "16 groups", 2.0), ("one", "one group", 1.5)):
        for verb in ("bind", "release"):
            took = {tool: results[count][tool][verb] for tool in results[count]}
            what = f"vfio-bindctl {verb}, {groups}"
            yield against(theme, what, took["typed"], took["bus"], 1.1, name="a client in C")
            yield against(theme, what, took["typed"], took["limit"], most, name="the limit")
            if count == "all":
                yield against(theme, f"{verb} by a client in C, {groups}", took["bus"], took["limit"], 1.6, name="the limit")
                for tool in ("driverctl", "virsh"):
                    yield faster(theme, what, took["typed"], took[tool], 8, name=tool)


def typed_asks(guest):
    theme = _theme(guest)
    results = vm_half.ask(guest, "asks", 2 * vm_half.ROUNDS, program="typed_in_guest.py")
    yield against(theme, "vfio-bindctl --version", results["version"]["typed"], results["version"]["busctl"], 1.2,
                  name="busctl --version")
    yield against(theme, f"vfio-bindctl status, {len(guest.drivers())} functions", results["status"]["typed"],
                  results["status"]["busctl"], 1.5, name="busctl call ... GetManagedObjects")
    yield told(theme, "vfio-bindctl run, one group, of true", f"{statistics.median(results['run']['typed']):.1f} ms")


def _prepare(guest, programs):
    vm_half.prepare(guest, programs)
    guest.put(f"{vm_half.FOLDER}/typed_in_guest.py", (HERE / "typed_in_guest.py").read_bytes())


def measure(bench, programs, package):
    wanted = [m for m in (typed_hands, typed_asks) if bench.wants(m.__name__)]
    for make in (AsShipped, Machine) if wanted else ():
        vm_half.measure_in(bench, make(BOOTS["bench"]), package, lambda guest: _prepare(guest, programs), wanted)
