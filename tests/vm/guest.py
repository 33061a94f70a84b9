# SPDX-License-Identifier: LGPL-2.1-or-later
"""What scenarios look with and act through: the guest's devices, the daemon's D-Bus API, traces of kernel writes.

Waiting is always for an event (a D-Bus signal, a uevent, a line) with a deadline, never for time to pass.
"""

import contextlib
import itertools
import json
import re
import shlex
import time

from channel import CommandFailed

NAME = "org.vfiobind1"
ROOT = "/org/vfiobind1"
MANAGER, GROUP, DEVICE, JOB = (f"{NAME}.{kind}" for kind in ("Manager", "Group", "Device", "Job"))
CONFIG = "/etc/vfio-bind.toml"
UNIT = "vfio-bind.service"
NO_RULES = "# no rules\n"


class Failed(Exception):
    """A scenario did not see what it must see; the text is the sentence to print."""


def expect(condition, sentence):
    if not condition:
        raise Failed(sentence)


def device_path(address):
    return f"{ROOT}/device/{re.sub('[:.]', '_', address)}"


def sysfs(address, leaf=""):
    return f"/sys/bus/pci/devices/{address}/{leaf}"


class BusError(Exception):
    """An error answer: its D-Bus name and its text."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


class Guest:
    def __init__(self, machine):
        self.machine = machine
        self.run, self.out, self.put = machine.run, machine.out, machine.put
        self.package = b""          # the .deb that was installed
        self.built = None           # the folder that it is from: other packages of the same build are there
        self.pristine = {}          # drivers before vfio-bind was installed
        self._streams = {}
        self._probes = itertools.count(1)

    # --- devices ---

    def drivers(self):
        """Every PCI device and the driver it has ('' for none, and for one that is let go of at this moment)."""
        said = self.run("cd /sys/bus/pci/devices && ls && find ./*/ -maxdepth 1 -name driver -printf '%h %l\\n'", check=False)
        unknown = [line for line in said.stderr.splitlines() if not re.search(r"/driver\W+: No such file or directory$", line)]
        if said.timed_out or unknown or (said.code != 0 and not said.stderr):
            raise CommandFailed(str(said))
        text = said.stdout
        drivers = {}
        for line in text.splitlines():
            words = line.split()
            if len(words) == 1:
                drivers.setdefault(words[0], "")
            else:
                drivers[words[0].removeprefix("./").rstrip("/")] = words[1].rsplit("/", 1)[-1]
        return drivers

    def driver(self, address):
        return self.drivers().get(address, "(no such device)")

    def override(self, address):
        text = self.out(f"cat {sysfs(address, 'driver_override')}", 10)
        return "" if text == "(null)" else text

    def group(self, address):
        link = self.out(f"readlink {sysfs(address, 'iommu_group')}")
        return int(link.rsplit("/", 1)[-1])

    def group_path(self, address):
        return f"{ROOT}/group/{self.group(address)}"

    def bindings(self, command="dmesg"):
        """What the driver core tells in its log with dyndbg: {address: the drivers that it was bound to, in order}, and
        {address: when it first was, in seconds since the kernel started}. Linux 6.8 and later put the device in front."""
        drivers, times = {}, {}
        for seconds, in_front, driver, at_end in re.findall(
                r"^\[ *([\d.]+)\] (?:\S+ ([0-9a-f:.]+): )?driver: '([^']+)': driver_bound: bound to device(?: '([0-9a-f:.]+)')?$",
                self.out(command, 60), re.MULTILINE):
            address = in_front or at_end
            drivers.setdefault(address, []).append(driver)
            times.setdefault(address, float(seconds))
        return drivers, times

    def expect_drivers(self, wanted, before):
        """The wanted drivers, and every other device as in the snapshot."""
        now = self.drivers()
        should = {**before, **wanted}
        wrong = [f"{address} has driver '{now.get(address, '(gone)')}' instead of '{should.get(address, '(gone)')}'"
                 for address in sorted(now.keys() | should.keys()) if now.get(address) != should.get(address)]
        expect(not wrong, "; ".join(wrong))

    def viable(self, address):
        return self.out(f"vfio-probe status {self.group(address)}")

    # --- events ---

    def monitor(self, *matches):
        """What goes over the bus and matches, a line of JSON each. busctl does not tell when it begins to listen (systemd 257
        with JSON), so a signal is sent until it is heard."""
        probe = f"org.vfiobind1.test.Listening{next(self._probes)}"
        stream = self.machine.start_stream("busctl monitor --json=short " + " ".join(
            shlex.quote(f"--match={match}") for match in (*matches, f"type='signal',interface='{probe}'")))
        deadline = time.monotonic() + 30
        while True:
            self.run(f"busctl emit /test {probe} Listening", 30)
            try:
                stream.wait(lambda text: probe in text, 1)
                return stream
            except CommandFailed:
                if stream.ended or time.monotonic() > deadline:
                    raise

    def signals(self):
        """The daemon's signals, and the comings and goings of its bus name."""
        stream = self._streams.get("signals")
        if stream is None or stream.ended:
            stream = self._streams["signals"] = self.monitor(f"type='signal',path_namespace='{ROOT}'",
                                                             f"type='signal',member='NameOwnerChanged',arg0='{NAME}'")
        return stream

    def uevents(self):
        stream = self._streams.get("uevents")
        if stream is None or stream.ended:
            stream = self._streams["uevents"] = self.machine.start_stream("udevadm monitor --kernel")
            stream.wait(lambda text: "KERNEL - the kernel uevent" in text, 20, what="the first line")
        return stream

    def stop_listening(self):
        """Who listens takes part of the guest's time."""
        for stream in self._streams.values():
            if not stream.ended:
                stream.stop()
        self._streams.clear()

    def wait_signal(self, since, wanted, seconds, what):
        """The first D-Bus signal since the mark for which wanted(message) is true."""
        def test(text):
            try:
                return wanted(json.loads(text))
            except ValueError:
                return False
        return json.loads(self.signals().wait(test, seconds, since, what))

    def wait_until(self, check, seconds, what):
        """Until check() is true; it is asked again after each signal of the daemon."""
        deadline = time.monotonic() + seconds
        while True:
            mark = self.signals().mark()
            if check():
                return
            left = deadline - time.monotonic()
            try:
                expect(left > 0, "")
                self.signals().wait(lambda _: True, left, mark)
            except (CommandFailed, Failed) as error:
                if check():     # it may have become true without a signal: then this is not the scenario's matter
                    return
                raise Failed(f"waited {seconds} s in vain: {what}") from error

    # --- the daemon on the bus ---

    def call(self, path, interface, member, signature="", *arguments, seconds=30):
        """busctl call; the JSON data of the answer. An error answer is a BusError without its name: see refused()."""
        words = ["busctl", "--json=short", "--", "call", NAME, path, interface, member]
        if signature:
            words += [signature, *map(str, arguments)]
        result = self.run(shlex.join(words), seconds, check=False)
        if result.timed_out:
            raise Failed(str(result))
        if result.code != 0:
            raise BusError("(error)", result.stderr.strip())
        return json.loads(result.stdout)["data"] if result.stdout.strip() else []

    def refused(self, path, interface, member, *arguments, seconds=30):
        """A call that must be refused; its error name (without prefix) and text. Arguments are GVariant texts."""
        words = ["gdbus", "call", "--system", "--dest", NAME, "--object-path", path, "--method", f"{interface}.{member}",
                 *arguments]
        result = self.run(shlex.join(words), seconds, check=False)
        expect(result.code != 0, f"{member}({', '.join(arguments)}) was not refused but answered {result.stdout.strip()}")
        found = re.search(r"GDBus\.Error:([\w.]+): (.*)", result.stderr, re.S)
        expect(found, f"{member}({', '.join(arguments)}) failed without a D-Bus error name: {result.stderr.strip()}")
        return found.group(1).removeprefix(f"{NAME}.Error."), found.group(2).strip()

    def get(self, path, interface, name):
        """A property's value; None if the object or the daemon is not there."""
        result = self.run(f"busctl --json=short get-property {NAME} {path} {interface} {name}", check=False)
        return json.loads(result.stdout)["data"] if result.code == 0 else None

    def objects(self):
        data = self.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return data[0]

    def state(self, address):
        return self.get(self.group_path(address), GROUP, "State")

    def wait_state(self, address, state, seconds=40):
        path = self.group_path(address)
        seen = []

        def check():
            seen.append(self.get(path, GROUP, "State"))
            return seen[-1] == state
        try:
            self.wait_until(check, seconds, "")
        except Failed as error:
            raise Failed(f"group of {address} is '{seen[-1]}' and not '{state}' after {seconds} s; LastError: "
                         f"{self.get(path, GROUP, 'LastError')}") from error

    def job(self, member, target, signature="sa{sv}", options=("0",), seconds=60):
        """Bind or Release on the manager; waits for every job and gives {job path: result}."""
        mark = self.signals().mark()
        jobs = self.call(ROOT, MANAGER, member, signature, target, *options, seconds=seconds)[0]
        results = {}
        for path in jobs:
            message = self.wait_signal(
                mark, lambda m, path=path: m["member"] == "JobRemoved" and m["payload"]["data"][1] == path, seconds,
                f"JobRemoved of {path}")
            results[path] = message["payload"]["data"][3]
        return results

    def done(self, member, target, options=("0",), jobs=1):
        """A Bind or Release that must end with so many jobs, all done."""
        results = self.job(member, target, options=options)
        expect(list(results.values()) == ["done"] * jobs,
               f"{member} {target}: expected {jobs} job(s) ending 'done', got {results or 'no job'}")

    # --- configuration and unit ---

    def configure(self, text):
        """Another configuration, taken over by the running daemon; a refusal is a BusError."""
        self.put(CONFIG, text)
        self.call(ROOT, MANAGER, "Reload")

    def systemctl(self, verb, seconds=60):
        self.run(f"systemctl {verb} {UNIT}", seconds)

    def pid(self):
        return int(self.out(f"systemctl show -P MainPID {UNIT}"))

    def journal(self, lines=200):
        return self.run(f"journalctl -b -o short-monotonic --no-pager -n {lines} -u {UNIT}", check=False).stdout

    # --- a known state before each scenario ---

    def install(self, package):
        """The .deb, as an administrator would; drivers are noted before."""
        self.pristine = self.drivers()
        self.package = package
        self.put("/var/tmp/vfio-bind.deb", package)
        # Against a hang only: an emulated guest on a busy machine needs minutes for it.
        self.run("DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/vfio-bind.deb", 900)

    def clean(self):
        """No rules and every device as before the installation, by the daemon's own means; what differs all the same, or ''."""
        with contextlib.suppress(CommandFailed, BusError, Failed):
            self.put(CONFIG, NO_RULES)
            if self.out(f"systemctl is-active {UNIT} || true") != "active":
                self.systemctl("restart")
            self.call(ROOT, MANAGER, "Reload")
            for address, driver in self.drivers().items():
                if driver != self.pristine.get(address, driver) and self.driver(address) != self.pristine[address]:
                    self.job("Release", address)
            return self._unclean()
        return "the daemon does not answer"

    def _unclean(self):
        """What differs from the guest as it was before the installation."""
        overrides = self.out("grep -Hvx -e '(null)' -e '' /sys/bus/pci/devices/*/driver_override || true", 15)
        wrong = [f"{a} has driver '{d}'" for a, d in self.drivers().items() if self.pristine.get(a) != d]
        return "; ".join(wrong + overrides.splitlines())

    # --- proof of what is written to the kernel ---

    @contextlib.contextmanager
    def no_kernel_writes(self, what):
        """Fails if anybody writes to the PCI core's files meanwhile, or vfio-bind to any file in sysfs.

        The kernel's function tracer sees every process, workers and helpers included, and changes nothing
        about how the daemon runs. A write of our own shows first that it does see them.
        """
        tracing = "/sys/kernel/tracing"
        stores = "driver_override_store bind_store unbind_store new_id_store remove_id_store drivers_probe_store " \
                 "sriov_numvfs_store sysfs_kf_write sysfs_kf_bin_write"
        harmless = sysfs("0000:00:05.0", "driver_override")
        self.run(f"cd {tracing} && echo nop > current_tracer && echo {stores} > set_ftrace_filter && "
                 f"echo function > current_tracer && echo > trace && echo 1 > tracing_on && echo > {harmless}")
        try:
            seen = self._trace()
            expect("driver_override_store" in seen and "sysfs_kf_write <-" in seen,
                   "the kernel's function tracer does not see writes")
            self.run(f"echo > {tracing}/trace")
            yield
            writes = [line.strip() for line in self._trace().splitlines()
                      if re.search(r"\b\w+_store <-", line) or re.search(r"^\s*vfio-\S*\s.* sysfs_kf_\w+ <-", line)]
            expect(not writes, f"{what} wrote to the kernel: {' | '.join(writes[:6])}")
        finally:
            self.run(f"cd {tracing} && echo nop > current_tracer && echo > set_ftrace_filter", check=False)

    def _trace(self):
        return self.run("grep -v '^#' /sys/kernel/tracing/trace", check=False).stdout

    @contextlib.contextmanager
    def tampered_writes(self, file, tamper):
        """strace injects a fault or a pause into the daemon's and its workers' writes to one file."""
        stream = self.machine.start_stream(
            f"strace -f -p {self.pid()} -P {file} -e trace=write,pwrite64 -e inject=write,pwrite64:{tamper}")
        try:
            stream.wait(lambda text: "attached" in text, 20, what="strace to attach")
            yield stream
        finally:
            with contextlib.suppress(CommandFailed):
                stream.stop()
