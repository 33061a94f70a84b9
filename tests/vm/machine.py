# SPDX-License-Identifier: LGPL-2.1-or-later
"""One QEMU: boots a Boot from an Image, runs commands in it, plugs devices. Everything has a time limit."""

import base64
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from agent import PORT_NAME
from image import RigError, cache_folder, get as get_image, need_programs

QEMU = "qemu-system-x86_64"
# What is emulated costs the host's time. With "max", which has five levels of page tables and states of four vector units to
# save, and with the kernel's mitigations of what no emulated processor suffers from, the same boot takes a fifth more of it.
EMULATED_CPU = "qemu64,+cx16,+popcnt,+ssse3,+sse4.1,+sse4.2,+x2apic"
EMULATED_CMDLINE = "mitigations=off nowatchdog"


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command in the guest ended."""
    command: str
    code: int | None        # None: it hung in the kernel
    stdout: str
    stderr: str
    timed_out: bool

    def __str__(self):
        how = "did not end in time" if self.timed_out else f"ended with {self.code}"
        return f"`{self.command}` {how}: {(self.stderr or self.stdout).strip()}"


class CommandFailed(Exception):
    pass


# --- acceleration -----------------------------------------------------------------------------------------------

def acceleration(image):
    """tcg, or kvm where a trial boot under it has just worked: on some hosts KVM is there and hangs."""
    asked = os.environ.get("VFIO_BIND_ACCEL")
    if asked:
        if asked not in ("tcg", "kvm"):
            raise RigError(f"VFIO_BIND_ACCEL is '{asked}': it may be tcg or kvm")
        return asked
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    verdict = cache_folder() / f"accel-{boot_id}"
    with contextlib.suppress(OSError):
        return verdict.read_text(encoding="ascii")
    for old in cache_folder().glob("accel-*"):
        old.unlink(missing_ok=True)
    accel = "kvm" if _kvm_trial(image) else "tcg"
    verdict.write_text(accel, encoding="ascii")
    return accel


def _kvm_has_failed():
    """The trial went well and a whole guest did not: no more KVM until the host is booted anew."""
    for verdict in cache_folder().glob("accel-*"):
        verdict.write_text("tcg", encoding="ascii")


def _kvm_trial(image):
    """A kernel with no root panics in a second or two and, told to, resets; a KVM that hangs never comes so far."""
    command = [QEMU, "-machine", "q35,accel=kvm,kernel-irqchip=split", "-cpu", "host", "-smp", "2", "-m", "512",
               "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
               "-device", "intel-iommu,intremap=on,caching-mode=on", "-kernel", str(image.kernel),
               "-append", "console=ttyS0 intel_iommu=on panic=-1"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and b"Unable to mount root fs" in done.stdout


# --- processes in the guest that go on --------------------------------------------------------------------------

class Stream:
    """A process in the guest whose lines come in as they are written."""

    def __init__(self, machine, ident, command):
        self.machine, self.ident, self.command = machine, ident, command
        self.lines = []             # (stream, text), all since the start
        self.code = None
        self.ended = False

    def mark(self):
        """Where the lines stand now; what is awaited after an action is searched from the mark before it."""
        with self.machine.news:
            return len(self.lines)

    def wait(self, wanted, seconds, since=0, what="a line"):
        """The first line since the mark for which wanted(text) is true."""
        deadline = time.monotonic() + seconds
        with self.machine.news:
            while True:
                for _, text in self.lines[since:]:
                    if wanted(text):
                        return text
                since = len(self.lines)
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    why = f"ended with {self.code}" if self.ended else f"no such line in {seconds} s"
                    tail = " | ".join(text for _, text in self.lines[-5:])
                    raise CommandFailed(f"waited for {what} from `{self.command}`: {why}; its last lines: {tail}")
                self.machine.news.wait(left)

    def wait_end(self, seconds):
        deadline = time.monotonic() + seconds
        with self.machine.news:
            while not self.ended:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CommandFailed(f"`{self.command}` did not end in {seconds} s")
                self.machine.news.wait(left)
        return self.code

    def close_stdin(self):
        self.machine.request({"op": "feed", "of": self.ident, "data": None}, 10)

    def signal(self, number=signal.SIGTERM):
        if not self.ended:
            self.machine.request({"op": "signal", "of": self.ident, "number": int(number)}, 10)

    def stop(self, seconds=10):
        self.signal(signal.SIGTERM)
        return self.wait_end(seconds)


# --- the machine ------------------------------------------------------------------------------------------------

class Machine:
    def __init__(self, boot, *, console=False, log=sys.stderr):
        self.boot, self.log = boot, log
        self.with_console = console
        self.news = threading.Condition()       # told of every message from the guest
        self.answers, self.streams = {}, {}
        self.boot_id = None
        self.boots = 0
        self.ids = itertools.count(1)
        self.image = self.folder = self.process = self.channel = self.qmp_file = None
        self.qmp_events = []
        self.accel = None
        self.initrd = None          # another than the image's, from the next boot on

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    # - life -

    def start(self):
        need_programs(QEMU, "qemu-img", "setpriv")
        self._need_memory()
        self.image = get_image(self.boot.suite, self.log, self.boot.packages)
        self.accel = acceleration(self.image)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vfio-bind-vm-"))
        for number in range(self.boot.disks):
            with open(self.folder / f"s{number}.raw", "wb") as disk:
                disk.truncate(256 << 20)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.image.disk), "-F", "raw",
                        str(self.folder / "overlay.qcow2")], check=True, timeout=60)
        if self.accel == "tcg" or os.environ.get("VFIO_BIND_ACCEL"):
            self._launch(self.boot.seconds)
            return
        try:
            self._launch(60)
        except RigError as error:
            print(f"KVM failed, emulating instead: {str(error).splitlines()[0]}", file=self.log, flush=True)
            _kvm_has_failed()
            self._end_process()
            self.accel = "tcg"
            self._launch(self.boot.seconds)

    def _launch(self, seconds):
        began = time.monotonic()
        boots = self.boots
        with open(self.folder / "qemu.log", "ab") as out:
            self.process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)
        self.channel = self._connect("agent")
        threading.Thread(target=self._listen, args=(self.channel,), daemon=True).start()
        qmp = self._connect("qmp")
        qmp.settimeout(60)
        self.qmp_file = qmp.makefile("rw", encoding="utf-8")
        self.qmp_file.readline()  # the greeting
        self.qmp("qmp_capabilities")
        self._wait_boot(boots + 1, seconds)
        self._settle()
        print(f"guest '{self.boot.name}' ({self.boot.suite}, {self.accel}) is up after "
              f"{time.monotonic() - began:.1f} s; console log: {self.folder / 'console.log'}",
              file=self.log, flush=True)

    def _need_memory(self):
        with open("/proc/meminfo", encoding="ascii") as file:
            free = next(int(line.split()[1]) // 1024 for line in file if line.startswith("MemAvailable"))
        if free < self.boot.memory + 256:
            raise RigError(f"the guest needs {self.boot.memory} MiB of memory and the host has {free} MiB free")

    def _command(self):
        boot, folder, image = self.boot, self.folder, self.image
        overlay = folder / "overlay.qcow2"
        cmdline = boot.cmdline if self.accel == "kvm" else f"{boot.cmdline} {EMULATED_CMDLINE}"
        command = [
            # QEMU must not outlive the rig, however the rig ends.
            "setpriv", "--pdeathsig", "KILL", "nice", QEMU,
            "-machine", f"q35,accel={self.accel},kernel-irqchip=split",
            "-cpu", "host" if self.accel == "kvm" else EMULATED_CPU, "-m", str(boot.memory), "-smp", str(boot.cpus),
            "-display", "none", "-nodefaults", "-no-reboot", "-kernel", str(image.kernel), "-initrd", str(self.initrd or image.initrd),
            # On a busy host the emulated timer comes too late for the kernel's trial of it, which ends in a panic.
            "-append", f"root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet no_timer_check {cmdline}",
            "-chardev", f"file,id=log,path={folder}/console.log,append=on", "-serial", "chardev:log",
        ]
        if self.with_console:
            command += ["-chardev", f"socket,id=tty,path={folder}/tty,server=on,wait=off", "-serial", "chardev:tty"]
        if boot.iommu:
            command += ["-device", boot.iommu]  # before all others: QEMU wants the IOMMU first
        command += [
            "-drive", f"if=none,id=d0,file={overlay},cache=unsafe", "-device", "virtio-blk-pci,drive=d0,addr=03.0",
            "-qmp", f"unix:{folder}/qmp,server=on,wait=off",
            "-device", "virtio-serial-pci,addr=04.0",
            "-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off",
            "-device", f"virtserialport,chardev=agent,name={PORT_NAME}",
        ]
        for number in range(boot.disks):
            command += ["-drive", f"if=none,id=s{number},file={folder}/s{number}.raw,format=raw,cache=unsafe"]
        for device in boot.devices:
            command += ["-device", device]
        return command + list(boot.extra)

    def _connect(self, name):
        """QEMU makes its sockets as it starts and tells nobody: try until the deadline."""
        deadline = time.monotonic() + 20
        while True:
            channel = socket.socket(socket.AF_UNIX)
            try:
                channel.connect(str(self.folder / name))
                return channel
            except OSError as error:
                channel.close()
                self._need_alive()
                if time.monotonic() > deadline:
                    raise RigError(f"QEMU made no socket '{name}' in 20 s: {error}") from error
                time.sleep(0.05)

    def console_socket(self):
        return self._connect("tty")

    def emulator_fault(self):
        """What QEMU did wrong, in a few words, or None: nothing that the guest does leads to these."""
        if self.process is None:
            return None
        if (self.process.poll() or 0) < 0:
            return f"QEMU crashed (it ended with {self.process.returncode})"
        # Linux writes a breakpoint over code that it changes while processors run it, and takes it away again
        # (text_poke_bp_batch() in arch/x86/kernel/alternative.c). A processor of TCG's may go on with what it has translated
        # before, and runs into a breakpoint that nobody owns any more.
        if self.accel == "tcg" and " int3: 0000 [#" in self._console():
            return "QEMU ran a breakpoint that was no longer there (the guest's console says int3)"
        return None

    def _need_alive(self):
        if self.process.poll() is not None:
            said = (self.folder / "qemu.log").read_text(errors="replace").strip()
            raise RigError(f"QEMU ended with {self.process.returncode}: {said or 'it said nothing'}")
        if fault := self.emulator_fault():
            raise RigError(fault)

    def _wait_boot(self, number, seconds):
        deadline = time.monotonic() + seconds
        with self.news:
            while self.boots < number:
                self._need_alive()
                if time.monotonic() > deadline:
                    raise RigError(f"the guest did not answer in {seconds} s; the end of its console:\n"
                                   + self.console_tail())
                self.news.wait(1)  # a QEMU that dies sends no news: look every second

    def _settle(self):
        """Wait until systemd has started all that the boot wants ('degraded' is the scenario's matter), and udev has
        loaded the drivers, which no unit waits for."""
        self.run("systemctl is-system-running --wait", 300, check=False)
        self.run("udevadm settle --timeout=280", 300)

    def reboot(self, cmdline=None):
        """The guest shuts down and reboots, with its disk as it is, hot-plugged devices gone; in a new QEMU.

        A second boot inside one QEMU takes two to three times as long under TCG (measured: 49 s, not 18 s).
        """
        with contextlib.suppress(RigError, CommandFailed):      # QEMU may end before the answer comes
            self.run("systemctl reboot", 20, check=False)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired as error:
            raise CommandFailed("the guest did not shut down in 120 s; the end of its console:\n"
                                + self.console_tail()) from error
        self._close_channels()
        if cmdline is not None:
            self.boot = dataclasses.replace(self.boot, cmdline=cmdline)
        self._launch(self.boot.seconds)

    def _console(self):
        with contextlib.suppress(FileNotFoundError):    # QEMU has not come so far
            return (self.folder / "console.log").read_text(errors="replace")
        return ""

    def console_tail(self, lines=30):
        return "\n".join(self._console().splitlines()[-lines:]) or "(nothing is on the console)"

    def stop(self, keep_folder=False):
        self._end_process()
        if self.folder and not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_process(self):
        if self.process and self.process.poll() is None:
            self.process.kill()     # the overlay is thrown away: nothing to flush
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self._close_channels()

    def _close_channels(self):
        for channel in (self.channel, self.qmp_file):
            if channel:
                with contextlib.suppress(OSError):
                    channel.close()

    # - the command channel -

    def _listen(self, channel):
        buffer = b""
        while True:
            try:
                data = channel.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                return
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):   # a line that a reboot cut off
                    self._take(json.loads(line))

    def _take(self, message):
        with self.news:
            if "hello" in message:
                if message["hello"] != self.boot_id:
                    self.boot_id = message["hello"]
                    self.boots += 1
                for stream in self.streams.values():    # they went down with the old agent
                    stream.ended = True
                self.streams.clear()
            elif "line" in message:
                stream = self.streams.get(message["id"])
                if stream:
                    text = base64.b64decode(message["line"]).decode(errors="replace").rstrip("\n")
                    stream.lines.append((message["stream"], text))
            elif message["id"] in self.streams and message.get("end"):
                stream = self.streams.pop(message["id"])
                stream.ended, stream.code = True, message.get("code")
                if "error" in message:      # it could not be started: the request waits for that
                    self.answers[message["id"]] = message
            else:
                self.answers[message["id"]] = message
            self.news.notify_all()

    def request(self, message, seconds):
        ident = message.setdefault("id", next(self.ids))
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._need_alive()
            raise
        deadline = time.monotonic() + seconds
        boots = self.boots
        with self.news:
            while ident not in self.answers:
                self._need_alive()
                if self.boots != boots:
                    raise CommandFailed("the guest rebooted before it answered")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CommandFailed(f"the guest did not answer in {seconds} s ({message['op']})")
                self.news.wait(min(left, 1))
            answer = self.answers.pop(ident)
        if "error" in answer:
            raise CommandFailed(f"{message['op']}: {answer['error']}")
        return answer

    def run(self, command, seconds=120, *, check=True, stdin=b""):
        """A shell command in the guest. With check, an exit code other than 0 is an exception with what it said."""
        answer = self.request({"op": "run", "command": command, "timeout": seconds,
                               "stdin": base64.b64encode(stdin).decode()}, seconds + 15)
        result = Result(command, answer["code"], base64.b64decode(answer["stdout"]).decode(errors="replace"),
                        base64.b64decode(answer["stderr"]).decode(errors="replace"), answer["timed_out"])
        if check and (result.timed_out or result.code != 0):
            raise CommandFailed(str(result))
        return result

    def out(self, command, seconds=120):
        return self.run(command, seconds).stdout.strip()

    def start_stream(self, command):
        ident = next(self.ids)
        stream = Stream(self, ident, command)
        with self.news:
            self.streams[ident] = stream
        self.request({"op": "start", "id": ident, "command": f"exec {command}"}, 15)
        return stream

    def put(self, path, data, mode=0o644):
        if isinstance(data, str):
            data = data.encode()
        self.request({"op": "put", "path": path, "data": base64.b64encode(data).decode(), "mode": mode}, 60)

    def get(self, path):
        return base64.b64decode(self.request({"op": "get", "path": path}, 60)["data"])

    # - QMP -

    def qmp(self, command, **arguments):
        self.qmp_file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp_file.flush()
        while True:
            message = self._qmp_read(command)
            if "event" in message:
                self.qmp_events.append(message)
            elif "error" in message:
                raise CommandFailed(f"QMP {command}: {message['error']['desc']}")
            else:
                return message["return"]

    def _qmp_read(self, what):
        try:
            line = self.qmp_file.readline()
        except TimeoutError as error:
            raise CommandFailed(f"QMP: no answer in 60 s ({what})") from error
        if not line:
            self._need_alive()
            raise CommandFailed("QMP: the connection was closed")
        return json.loads(line)

    def device_add(self, driver, **properties):
        self.qmp("device_add", driver=driver, **properties)

    def device_del(self, ident):
        """Unplug, and wait until the guest has let go."""
        self.qmp_events.clear()
        self.qmp("device_del", id=ident)
        while True:
            for event in self.qmp_events:
                if event["event"] == "DEVICE_DELETED" and event["data"].get("device") == ident:
                    return
            message = self._qmp_read(f"unplugging {ident}")
            if "event" in message:
                self.qmp_events.append(message)
