# SPDX-License-Identifier: LGPL-2.1-or-later
"""What needs a real kernel: hand-over against the tools of today, boot, hotplug, the daemon as it is installed.

Two guests: `bench` has sixteen functions in as many groups and the other tools; `intel` is the rig's plain one.
"""

import json
import pathlib
import re
import statistics

import image
from boots import BENCH_DISKS, BENCH_NICS, BOOTS
from guest import CONFIG, NO_RULES, UNIT, Guest, expect
from machine import Machine
from private_bus import MeasureError
from scenarios_hotplug import RULE, plug_and_unplug
from table import Row, against, at_most, faster, told

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = "/usr/local/lib/bench"
ROUNDS = 5
RULES = '[[bind]]\nname = "all"\ndevices = [' + ", ".join(f'"{a}"' for a in BENCH_DISKS + BENCH_NICS) + "]\n"
UNITS = ("vfio-bind-early.service", "vfio-bind-watch.service", UNIT)
IDLE_SECONDS = 60
LEASES = 100
CROWD = (500, 20000)        # processes, descriptors of all
HAND_RULE = ('ACTION=="add", SUBSYSTEM=="pci", ATTR{vendor}=="0x15ad", ATTR{device}=="0x07b0", '
             'ATTR{driver_override}="vfio-pci", RUN+="/bin/sh -c \'echo $kernel > /sys/bus/pci/drivers_probe\'"\n')


def described(guest):
    boot = guest.machine.boot
    return (f"guest: {guest.machine.accel}, {boot.cpus} CPUs, {boot.memory} MiB, {boot.suite}, Linux "
            f"{guest.out('uname -r')}")


def ask(guest, *words, seconds=1800, program="in_guest.py"):
    result = guest.run(f"cd {FOLDER} && python3 {program} {' '.join(map(str, words))}", seconds, check=False)
    if result.timed_out or result.code != 0:
        raise MeasureError(f"{program} {words[0]}: {result}")
    return json.loads(result.stdout.splitlines()[-1])


# --- sixteen groups ---------------------------------------------------------------------------------------------------

def prepare(guest, programs):
    """The rule is in force and all are released: as native, and the daemon leaves them so."""
    # Other tools' daemons run while they are measured, and at no other time.
    guest.run("systemctl disable --now libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket "
              "libvirt-guests.service virtlogd.socket virtlockd.socket; systemctl reset-failed", 120, check=False)
    devices = {address: "nvme" for address in BENCH_DISKS} | {address: "e1000e" for address in BENCH_NICS}
    now = guest.drivers()
    expect({a: now.get(a) for a in devices} == devices, f"the sixteen functions are not as the boot has them: {now}")
    groups = {guest.group(address) for address in devices}
    expect(len(groups) == len(devices), f"{len(devices)} functions are in {len(groups)} groups")
    guest.run(f"mkdir -p {FOLDER} && modprobe -a vfio-pci vfio_iommu_type1", 60)
    for name in (HERE / "in_guest.py", HERE.parent / "vm/bus_clock.py", HERE.parent / "vm/guides.py"):
        guest.put(f"{FOLDER}/{name.name}", name.read_bytes())
    guest.put(f"{FOLDER}/devices.json", json.dumps(devices))
    for program in (programs / "limit", programs / "bus-clock", programs.parent / "vm/guard-clock"):
        guest.put(f"/usr/local/bin/{program.name}", program.read_bytes(), 0o755)
    guest.configure(RULES)
    for address in devices:
        guest.wait_state(address, "bound", 60)
    guest.done("Release", "all", jobs=len(devices))
    guest.stop_listening()


def _column(results, tool, verb, index):
    return [one[index] for one in results[tool][verb]]


def _expect_all(results, tool, verb, count):
    bound = _column(results, tool, verb, 2)
    if any(one != count for one in bound):
        raise MeasureError(f"{tool} {verb}: functions on vfio-pci were {bound} and not {count}")


def sixteen(guest):
    theme = "Sixteen groups in a virtual machine"
    yield told(theme, described(guest), "")
    checks = ask(guest, "check", ROUNDS)
    guest.systemctl("stop")
    results = ask(guest, "tools", ROUNDS, "ours", "limit", "driverctl", "virsh", "guides")
    for tool in ("ours", "limit", "driverctl", "virsh"):
        _expect_all(results, tool, "bind", 16)
        _expect_all(results, tool, "release", 0)
    for verb in ("bind", "release"):
        def of(tool, index=0, verb=verb):
            return _column(results, tool, verb, index)
        yield against(theme, f"{verb} through D-Bus", of("ours"), of("limit"), 1.15, name="the limit")
        yield told(theme, f"{verb}: CPU of the guest until udev is through", f"{statistics.median(of('ours', 1)):.0f} ms",
                   f"{statistics.median(of('limit', 1)):.0f} ms (the limit)")
        for tool in ("driverctl", "virsh"):
            yield faster(theme, f"{verb} through D-Bus", of("ours"), of(tool), 8, name=tool)
            yield told(theme, f"{verb}: CPU, {tool}", "", f"{statistics.median(of(tool, 1)):.0f} ms")
    took, bound = _column(results, "guides", "bind", 0), _column(results, "guides", "bind", 2)
    yield told(theme, "bind by the guides' script", "", f"{statistics.median(took):.0f} ms, {max(bound)} of 16 bound")
    yield told(theme, "of ours the guards' look (Check)", f"{statistics.median(checks):.1f} ms")


def nics(guest):
    theme = "Eight network cards in a virtual machine"
    results = ask(guest, "tools", ROUNDS, "ours", "limit", "dpdk")
    for tool in ("ours", "limit", "dpdk"):
        _expect_all(results, tool, "bind", 8)
        _expect_all(results, tool, "release", 0)
    for verb in ("bind", "release"):
        one = _column(results, "ours", verb, 0)
        yield against(theme, f"{verb} through D-Bus", one, _column(results, "limit", verb, 0), 1.15, name="the limit")
        yield against(theme, f"{verb} through D-Bus", one, _column(results, "dpdk", verb, 0), 1, name="dpdk-devbind")


def _looks(theme, lines, where=""):
    for line, what in zip(lines, ("an NVMe disk", "a network card"), strict=True):
        guards, bind = (int(word) / 1000 for word in line.split()[1:])
        yield told(theme, f"the bind of {what}{where}: steps, journal and verification", f"{bind:.1f} ms")
        yield told(theme, f"one look of the guards at {what}{where}", f"{guards:.1f} ms")
        yield at_most(theme, f"one look of the guards at {what}{where}, of the bind", 100 * guards / bind, 10, "%", 1)


def one_group(guest):
    theme = "One group in a virtual machine"
    guest.systemctl("stop")
    command = ("guard-clock", BENCH_DISKS[0], BENCH_NICS[0])
    yield from _looks(theme, guest.out(" ".join(command), 600).splitlines())
    yield from _looks(theme, ask(guest, "crowd", *CROWD, *command),
                      f" where {CROWD[0]} processes more have {CROWD[1]:,} descriptors")


def lease_end(guest):
    """From the close of a lease to the first write to the kernel, as the kernel's function tracer sees it."""
    theme = "The end of a lease"
    guest.put(CONFIG, NO_RULES)
    guest.systemctl("restart")
    took = ask(guest, "lease", LEASES, BENCH_NICS[0])
    for what, of, most in (("median", statistics.median, 10), ("worst", max, None)):
        ours, limit = of(took["ours"]), of(took["limit"])
        yield Row(theme, f"release begins after the last close, {what} of {len(took['ours'])}", f"{ours:.2f} ms",
                  f"{limit:.2f} ms (the limit)", f"{ours / limit:.2f}", f"<= {most} ms" if most else "",
                  ("ok" if ours <= most else "short") if most else "")


def early(guest):
    theme = "Boot"
    guest.put(CONFIG, RULES)
    guest.systemctl("stop")
    results = ask(guest, "early", ROUNDS)
    for tool in ("early", "limit"):
        _expect_all(results, tool, "bind", 16)
    yield against(theme, "vfio-bind-early, from its start to all 16 bound", _column(results, "early", "bind", 0),
                  _column(results, "limit", "bind", 0), 1.25, name="the limit")
    guest.machine.reboot()
    bound = sum(driver == "vfio-pci" for driver in guest.drivers().values())
    expect(bound == 16, f"after a boot with the rule {bound} functions are bound and not 16")
    yield told(theme, "vfio-bind-early in a boot with 16 groups, modules to be loaded",
               f"{_main_time(guest, UNITS[0]):.0f} ms")


# --- the plain guest --------------------------------------------------------------------------------------------------

def _property(guest, unit, name):
    return int(guest.out(f"systemctl show -P {name} {unit}")) / 1000


def _main_time(guest, unit):
    return _property(guest, unit, "ExecMainExitTimestampMonotonic") - _property(guest, unit, "ExecMainStartTimestampMonotonic")


def _unit_time(guest, unit):
    return _property(guest, unit, "ActiveEnterTimestampMonotonic") - _property(guest, unit, "InactiveExitTimestampMonotonic")


def _cpu_time(guest, unit):
    """Milliseconds, with all that it started; none where it was not to start."""
    nanoseconds = guest.out(f"systemctl show -P CPUUsageNSec {unit}")
    return 0 if nanoseconds == "[not set]" else int(nanoseconds) / 1e6


def _busy_time(guest):
    """Milliseconds that the processors have worked since the guest was started."""
    words, tick = guest.out("head -n1 /proc/stat; getconf CLK_TCK").splitlines()
    user, nice, system, _idle, _wait, irq, soft = map(int, words.split()[1:8])
    return (user + nice + system + irq + soft) * 1000 / int(tick)


def boot_share(guest):
    theme = "Boot"
    guest.put(CONFIG, NO_RULES)
    shares, times, ready = [], [], []
    for _ in range(ROUNDS):
        guest.machine.reboot()
        whole = _property(guest, "", "FinishTimestampMonotonic")
        if whole <= 0:
            raise MeasureError("systemd has not finished the boot")
        shares.append(100 * sum(_cpu_time(guest, unit) for unit in UNITS) / _busy_time(guest))
        times.append(100 * sum(_unit_time(guest, unit) for unit in UNITS) / whole)
        ready.append(_property(guest, UNIT, "ActiveEnterTimestampMonotonic")
                     - _property(guest, UNIT, "ExecMainStartTimestampMonotonic"))
    yield at_most(theme, f"our units with no rules, CPU time, of the whole boot's ({described(guest)})",
                  statistics.median(shares), 1, "%")
    yield told(theme, "our units with no rules, by systemd-analyze blame, of the whole boot", f"{statistics.median(times):.1f} %")
    yield told(theme, "the daemon, from its start to READY", f"{statistics.median(ready):.0f} ms")


def at_rest(guest):
    theme = "The daemon at rest in a virtual machine"
    text = guest.out(f"cat /proc/{guest.pid()}/smaps_rollup")
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in text.splitlines()[1:]}
    yield at_most(theme, f"memory, {len(guest.drivers())} functions (RSS)", sizes["Rss"], 8, "MiB", 1)
    yield told(theme, "memory (PSS)", f"{sizes['Pss']:.1f} MiB")
    result = guest.run(f"timeout {IDLE_SECONDS} strace -f -s 200 -o /run/idle -p {guest.pid()}; cat /run/idle",
                       IDLE_SECONDS + 60, check=False)
    lines = result.stdout.splitlines()
    woken = [line for line in lines if re.search(r"epoll_p?wait2?\b.* = [1-9]", line)]
    pings = [line for line in lines if "WATCHDOG=1" in line]
    if not pings:
        raise MeasureError(f"strace saw no watchdog's ping in {IDLE_SECONDS} s: {result.stderr.strip()[-300:]}")
    others = max(0, len(woken) - len(pings))
    yield Row(theme, f"wake-ups in {IDLE_SECONDS} s besides {len(pings)} of the watchdog", str(others), wanted="0",
              verdict="short" if others else "ok")


def hotplug(guest):
    """Each in turns; no native module is loaded before, so that the hand-written rule has nothing to lose against."""
    theme = "Hotplug"
    ours, hand = [], []
    guest.run("modprobe -a vfio-pci vfio_iommu_type1", 60)
    rule = "/run/udev/rules.d/05-by-hand.rules"
    for _ in range(ROUNDS):
        guest.configure(RULE)
        ours += plug_and_unplug(guest, 1, "modprobe -r vmxnet3")
        guest.configure(NO_RULES)
        guest.run("systemctl stop vfio-bind.service vfio-bind-watch.service", 60)
        guest.put(rule, HAND_RULE)
        guest.run("udevadm control --reload", 30)
        hand += plug_and_unplug(guest, 1, "modprobe -r vmxnet3")
        guest.run(f"rm {rule}; udevadm control --reload; systemctl start vfio-bind.service", 60)
    yield against(theme, f"kernel's uevent to bound ({described(guest)})", ours, hand, 1.1, name="a rule of udev's by hand")


def initramfs(guest):
    plain = guest.machine.image.initrd.stat().st_size
    with_us = image.initrd_with(guest.machine.image, guest.package, RULES, []).stat().st_size
    yield at_most("Size", "what an initramfs grows by", (with_us - plain) / (1 << 20), 2, "MiB")


# --- both -------------------------------------------------------------------------------------------------------------

def measure_in(bench, machine, package, make_ready, measurements):
    """If the guest cannot be made ready, none of its measurements can be made: each is told of."""
    try:
        ready = False
        try:
            machine.start()
            guest = Guest(machine)
            guest.install(package)
            make_ready(guest)
            ready = True
        except Exception as error:      # each measurement says so in its place
            reason = f"the guest '{machine.boot.name}' could not be made ready: {error}"
        for measurement in measurements:
            bench.measure(measurement.__name__, (lambda m=measurement: m(guest)) if ready else (lambda: _fail(reason)))
    finally:
        machine.stop()


def _fail(reason):
    raise MeasureError(reason)


def measure(bench, programs, package):
    guests = ((BOOTS["bench"], lambda guest: prepare(guest, programs), (sixteen, nics, one_group, lease_end, early)),
              (BOOTS["intel"], lambda guest: None, (at_rest, hotplug, boot_share, initramfs)))
    for boot, make_ready, measurements in guests:
        wanted = [m for m in measurements if bench.wants(m.__name__)]
        if wanted:
            measure_in(bench, Machine(boot), package, make_ready, wanted)
