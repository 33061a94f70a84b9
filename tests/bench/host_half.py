# SPDX-License-Identifier: LGPL-2.1-or-later
"""What needs no virtual machine: the library and the daemon on a tree of files in memory, on a bus of its own.

Each measurement is a function of a Host that gives rows.
"""

import collections
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from instructions import instructions
from pci_tree import Tree
from private_bus import Daemon, MeasureError, read_line
from table import Row, against, at_most, percentile, told

FEW, SOME, MANY = 16, 256, 4096
BLOCKS, EVENTS = 7, 40          # medians of so many blocks, of so many events each
SUBSCRIBERS, STORM = 20, 64


class Host:
    def __init__(self, programs, idle_seconds):
        self.programs, self.idle_seconds = programs, idle_seconds
        self.folder = None
        self._trees = {}

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vfio-bind-bench-", dir="/dev/shm"))
        mounts = pathlib.Path("/proc/mounts").read_text(encoding="utf-8")
        if not re.search(r"^\S+ /dev/shm tmpfs ", mounts, re.M):
            raise MeasureError("/dev/shm is no tmpfs, and the trees are to be in memory")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def tree(self, functions):
        if functions not in self._trees:
            self._trees[functions] = Tree(self.folder / str(functions)).fill(functions)
        return self._trees[functions]

    def daemon(self, functions):
        return Daemon(self.programs, self.tree(functions))


def _run(*command, seconds=300):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise MeasureError(f"`{' '.join(map(str, command))}` ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return done


def _calls(host, functions, who):
    """How many system calls one reading takes, the program's start included."""
    text = _run("strace", "-f", "-c", host.programs / "topology-clock", host.tree(functions).root, who).stderr
    return int(re.search(r"^\s*100\.00\s+[\d.]+\s+(?:\d+\s+)?(\d+)\s.*total$", text, re.M).group(1))


def topology(host):
    theme = "Reading the machine"
    times = collections.defaultdict(lambda: {"ours": [], "bare": []})
    for _ in range(5):
        for functions, rounds in ((FEW, 60), (SOME, 20), (MANY, 3)):
            took = json.loads(_run(host.programs / "topology-clock", host.tree(functions).root, rounds).stdout)
            for who in ("ours", "bare"):
                times[functions][who] += [nanoseconds / 1e6 for nanoseconds in took[who]]
    for functions, took in times.items():
        yield against(theme, f"{functions} functions", took["ours"], took["bare"], 1.5, name="a bare loop", digits=3)
    each = {n: [took * 1000 / n for took in times[n]["ours"]] for n in (SOME, MANY)}
    yield against(theme, f"a function, at {MANY} and at {SOME}", each[MANY], each[SOME], 1.2, "us", f"at {SOME}", 2)
    for who, most in (("ours", 6), ("bare", None)):
        calls = (_calls(host, MANY, who) - _calls(host, SOME, who)) / (MANY - SOME)
        if most:
            yield at_most(theme, "system calls a function", calls, most, "")
        else:
            yield told(theme, "system calls a function, the bare loop", f"{calls:.2f}")


def _rebind(daemon, _number):
    """One function gets another driver, and back."""
    function = daemon.tree.functions["0000:01:01.1"]
    daemon.tree.rebind(function, "nvme" if function.driver != "nvme" else "xhci_hcd")
    daemon.event(function.address)


def _come_and_go(daemon, number):
    """A virtual function comes, and goes with the next event."""
    card = daemon.tree.functions["0000:01:00.0"]
    known = daemon.tree.functions.get("0000:01:1f.7")
    if known:
        daemon.tree.remove(known)
    else:
        daemon.tree.add("0000:01:1f.7", "8086:1889", "020000", "iavf", card.parent, daemon.tree.groups)
    daemon.event("0000:01:1f.7")


def _nothing(daemon, _number):
    """Something was told, and all is as it was."""
    daemon.event("0000:01:01.1")


KINDS = {"that changes nothing": _nothing, "of another driver": _rebind, "of one that comes or goes": _come_and_go}


def _cpu_of_events(daemon, act):
    began = daemon.cpu()
    for number in range(EVENTS):
        act(daemon, number)
    return (daemon.cpu() - began) * 1e6 / EVENTS


def _bus_traffic(daemon, act):
    """Bytes and messages an event, as they leave the daemon."""
    with daemon.traced("sendmsg,sendto,writev") as trace:
        for number in range(10):
            act(daemon, number)
        daemon.finish()
    sizes = [int(match.group(1)) for match in (re.search(r"= (\d+)$", line) for line in trace.lines) if match]
    return sum(sizes) / 10, len(sizes) / 10


@contextlib.contextmanager
def _one_processor():
    """What is begun meanwhile stays there, too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def events(host):
    """On one processor: left to the scheduler, one daemon was placed well and the other badly, and the times of the same
    work were 0.1 and 0.2 ms."""
    theme = "One uevent"
    with _one_processor(), host.daemon(FEW) as few, host.daemon(MANY) as many:
        for kind, act in KINDS.items():
            cost = {few: [], many: []}
            for _ in range(BLOCKS):
                for daemon, costs in cost.items():
                    costs.append(_cpu_of_events(daemon, act))
            yield against(theme, f"{kind}: CPU of the daemon at {MANY} functions", cost[many], cost[few], 1.5, "us",
                          f"at {FEW}", 0)
            (bytes_many, messages_many), (bytes_few, messages_few) = _bus_traffic(many, act), _bus_traffic(few, act)
            if bytes_few or bytes_many:
                yield against(theme, f"{kind}: bytes on the bus at {MANY} functions", [bytes_many], [bytes_few], 1.5, "B",
                              f"at {FEW}", 0)
            yield told(theme, f"{kind}: messages", f"{messages_many:.1f}", f"{messages_few:.1f} (at {FEW})")


def policy(host):
    """Twice the work may take a little more than twice the time, since memory is farther away then."""
    theme = "Large policies"
    for what, took in json.loads(_run(host.programs / "policy-clock").stdout).items():
        yield against(theme, what, [took["twice"] / 1e6], [took["once"] / 1e6], 2.2, name="half of it")


def _describe(number, groups):
    """A machine as `vfio-bindctl groups --json` describes it, of groups of two functions."""
    def device(group, function):
        return {"address": f"0000:{group + 1:02x}:00.{function}", "id": f"10de:{0x1280 + (group + number) % 64:04x}",
                "subsystem": "10de:1118", "class": "030000" if function == 0 else "040300", "driver": "nouveau", "bridge": False,
                "path": f"0000:00/{group:02x}.0/00.{function}", "serial": f"00-11-22-33-44-{number >> 8:02x}-{number & 255:02x}-{group:02x}"}
    return json.dumps({"version": 1, "host": {"name": f"node{number}"}, "groupless": [],
                       "groups": [{"number": group, "type": "DMA", "devices": [device(group, 0), device(group, 1)]}
                                  for group in range(groups)]})


def verify(host):
    """A repository of policies, tried on the machines that it is for."""
    theme = "vfio-bindctl verify"
    folder = host.folder / "verify"
    folder.mkdir()
    policy_file = folder / "policy.toml"
    policy_file.write_text('[match]\nhost = "node*"\n[[bind]]\nname = "gpu"\ndevices = ["10de:1284", "10de:1290"]\n'
                           '[[bind]]\nname = "spare"\ndevices = ["10de:12a0"]\nwhen = "asked"\n', encoding="utf-8")
    took, cpu = {}, {}
    for count in (500, 1000):
        words = []
        for number in range(count):
            file = folder / f"{number}.json"
            file.write_text(_describe(number, 32), encoding="utf-8")
            words += ["--machine", file]
        command = [str(word) for word in (host.programs / "../../ctl/vfio-bindctl", "verify", *words, policy_file)]
        with open(os.devnull, "wb") as nothing:
            began = time.monotonic()
            process = subprocess.Popen(command, stdout=nothing)
            _, status, usage = os.wait4(process.pid, 0)
            took[count], cpu[count] = time.monotonic() - began, usage.ru_utime + usage.ru_stime
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise MeasureError(f"verify of {count} machines ended with {process.returncode}")
    yield at_most(theme, "1000 machines of 64 functions", took[1000], 10, "s")
    yield against(theme, "CPU for 1000 machines", [cpu[1000] * 1000], [cpu[500] * 1000], 2.2, name="for 500")
    yield told(theme, "memory for 1000 machines (RSS)", f"{usage.ru_maxrss / 1024:.0f} MiB")


def bus(host):
    theme = "On the bus"
    for functions in (FEW, MANY):
        with host.daemon(functions) as daemon:
            for name, words in (("GetManagedObjects", ("objects", 25)),
                                ("one property", ("property", "/org/vfiobind1/group/1", 1000))):
                took = [nanoseconds / 1e6 for nanoseconds in daemon.client(*words)]
                yield told(theme, f"{name}, {functions} functions",
                           f"p50 {percentile(took, .5):.2f} ms, p99 {percentile(took, .99):.2f} ms")


class Heard:
    """What the subscribers hear, as bus-clock tells it."""

    def __init__(self, process):
        self.process = process
        self.signals = collections.defaultdict(list)        # by client: (nanoseconds, member, path)
        self.times = {}                                     # by (client, member, path): nanoseconds of the first

    def read(self):
        client, at, member, path = read_line(self.process.stdout, 60, "the subscribers").split()
        self.signals[int(client)].append((member, path))
        self.times.setdefault((int(client), member, path), int(at))

    def wait(self, member, paths):
        wanted = {(client, member, path) for client in range(SUBSCRIBERS) for path in paths}
        while not wanted <= self.times.keys():
            self.read()

    def latencies(self, member, sent):
        """Milliseconds from the sending of an event to each subscriber's hearing of it."""
        return [(self.times[client, member, path] - at) / 1e6 for client in range(SUBSCRIBERS) for path, at in sent.items()]


def _device_path(address):
    return f"/org/vfiobind1/device/{re.sub('[:.]', '_', address)}"


def _storm(daemon):
    """64 virtual functions come, one event after another; then each gets another driver. Gives what was heard, and when
    each event was sent, by object."""
    card = daemon.tree.functions["0000:01:00.0"]
    process = daemon.listeners(SUBSCRIBERS)
    try:
        heard = Heard(process)
        read_line(process.stdout, 30, "the subscribers")
        came, changed = {}, {}
        vfs = []
        for index in range(STORM):
            vfs.append(daemon.tree.add_vf(card, index + 8))
            came[_device_path(vfs[-1].address)] = time.monotonic_ns()
            daemon.send(f"kernel {vfs[-1].address}", f"udev {vfs[-1].address}")
        heard.wait("InterfacesAdded", came)
        for vf in vfs:
            daemon.tree.rebind(vf, "e1000e")
            changed[_device_path(vf.address)] = time.monotonic_ns()
            daemon.send(f"kernel {vf.address}", f"udev {vf.address}")
        heard.wait("PropertiesChanged", changed)
    finally:
        process.terminate()
        process.wait(20)
        process.stdin.close()
        process.stdout.close()
    return heard, came, changed, vfs


def storm(host):
    theme = "On the bus"
    with host.daemon(MANY) as daemon:
        heard, came, changed, vfs = _storm(daemon)
        for what, member, sent in (("64 functions come", "InterfacesAdded", came),
                                   ("64 drivers change", "PropertiesChanged", changed)):
            took = heard.latencies(member, sent)
            yield told(theme, f"{what} at {MANY}: event to {member}, {SUBSCRIBERS} subscribers",
                       f"p50 {percentile(took, .5):.2f} ms, p99 {percentile(took, .99):.2f} ms")
        # Each function is a device and a group; of the drivers each device tells.
        wanted = {("InterfacesAdded", path) for path in came}
        wanted |= {("InterfacesAdded", f"/org/vfiobind1/group/{vf.group}") for vf in vfs}
        wanted |= {("PropertiesChanged", path) for path in changed}
        lost = sum(len(wanted - set(heard.signals[client])) for client in range(SUBSCRIBERS))
        yield Row(theme, f"signals of the storm that {SUBSCRIBERS} subscribers missed",
                  f"{lost} of {len(wanted) * SUBSCRIBERS}", wanted="0", verdict="short" if lost else "ok")
        for vf in vfs:
            daemon.tree.remove(vf)


def memory(host):
    theme = "The daemon at rest"
    for functions, most in ((FEW, 8), (MANY, 24)):
        with host.daemon(functions) as daemon:
            resident, share = daemon.memory()
            yield at_most(theme, f"memory at {functions} functions (RSS)", resident, most, "MiB", 1)
            yield told(theme, f"memory at {functions} functions (PSS)", f"{share:.1f} MiB")
            daemon.client("objects", 3)
            yield told(theme, f"memory at {functions} functions after GetManagedObjects (RSS)",
                       f"{daemon.memory()[0]:.1f} MiB")


def idle(host):
    theme = "The daemon at rest"
    with host.daemon(MANY) as daemon:
        with daemon.traced() as trace:
            time.sleep(host.idle_seconds)       # the time is what is measured
        # No wake-ups are the end of the turn in which it was asked last, and the call that it waits in until strace leaves.
        waiting = list(itertools.dropwhile(lambda line: "epoll_wait(" not in line, trace.lines))
        if not waiting:
            raise MeasureError(f"the daemon did not wait once: {trace.lines[:5]}")
        calls = [line for line in waiting if not line.rstrip().endswith("<detached ...>")]
        yield at_most(theme, f"system calls in {host.idle_seconds} s without an event, {MANY} functions", len(calls), 0, "", 0)


def start(host):
    theme = "The daemon at rest"
    for functions in (FEW, MANY):
        took = []
        for _ in range(5):
            with host.daemon(functions) as daemon:
                took.append(daemon.started)
        yield told(theme, f"from its start to ready, {functions} functions", f"{statistics.median(took):.0f} ms")


MEASUREMENTS = (topology, policy, verify, events, bus, storm, memory, idle, start, instructions)
