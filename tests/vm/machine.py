# SPDX-License-Identifier: LGPL-2.1-or-later
"""One QEMU: boots a Boot from an Image, runs commands in it, plugs devices. Everything has a time limit."""

import contextlib
import dataclasses
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from agent import PORT_NAME
from channel import Channel, CommandFailed
from image import RigError, cache_folder, get as get_image, need_programs
from qmp import Monitor

QEMU = "qemu-system-x86_64"
# What is emulated costs the host's time. With "max", which has five levels of page tables and states of four vector units to
# save, and with the kernel's mitigations of what no emulated processor suffers from, the same boot takes a fifth more of it.
EMULATED_CPU = "qemu64,+cx16,+popcnt,+ssse3,+sse4.1,+sse4.2,+x2apic"
EMULATED_CMDLINE = "mitigations=off nowatchdog"


class EmulatorFault(RigError):
    """QEMU itself went wrong: what was tried says nothing and may be tried again."""


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


# --- the machine ------------------------------------------------------------------------------------------------

class Machine(Channel, Monitor):
    def __init__(self, boot, *, console=False, log=sys.stderr):
        Channel.__init__(self)
        Monitor.__init__(self)
        self.boot, self.log = boot, log
        self.with_console = console
        self.image = self.folder = self.process = None
        self.accel = None
        self.initrd = None          # another than the image's, from the next boot on
        self.plugged = True         # whether the next QEMU has all devices from its start

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

    def prepare(self):
        """What must be there before a guest can be; the image, and how it is run, are known then."""
        need_programs(QEMU, "qemu-img", "setpriv")
        self._need_memory()
        self.image = get_image(self.boot.suite, self.log, self.boot.packages)
        self.accel = acceleration(self.image)

    def start(self, *, plugged=True):
        """Boots. Without `plugged`, the devices that are plugged in after a restore are missing: see plug()."""
        if self.image is None:
            self.prepare()
        self._make_disks()
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.image.disk), "-F", "raw", str(self.disk)],
                       check=True, timeout=60)
        self.plugged = plugged
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

    @property
    def disk(self):
        """The root disk: what this guest has written over the image's."""
        return self.folder / "overlay.qcow2"

    def _make_disks(self):
        """All but the root disk: the scratch disks."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vfio-bind-vm-"))
        for number in range(self.boot.disks):
            with open(self.folder / f"s{number}.raw", "wb") as disk:
                disk.truncate(256 << 20)

    def _start_qemu(self, *more):
        with open(self.folder / "qemu.log", "ab") as out:
            self.process = subprocess.Popen(self._command() + list(more), stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)
        self.channel = self._connect("agent")
        self.listen()
        self.greet(self._connect("qmp"))

    def _launch(self, seconds):
        began = time.monotonic()
        boots = self.boots
        self._start_qemu()
        self._wait_boot(boots + 1, seconds)
        self.settle()
        self._tell_up(began, "is up")

    def _tell_up(self, began, what):
        print(f"guest '{self.boot.name}' ({self.boot.suite}, {self.accel}) {what} after "
              f"{time.monotonic() - began:.1f} s; console log: {self.folder / 'console.log'}",
              file=self.log, flush=True)

    # - a guest as it was once: see saved.py -

    def save(self, path):
        """Stops the guest and writes its memory and devices to a file. Its disk is as it was at that moment; this QEMU is over."""
        self.qmp("stop")
        self.migrate("migrate", f"exec:cat > {shlex.quote(str(path))}")
        self._end_process()

    def restore(self, path, disk, boot_id):
        """The guest that was saved there goes on, with a copy of the disk that it had; its boot counts as this machine's."""
        began = time.monotonic()
        self._make_disks()
        shutil.copyfile(disk, self.disk)
        self.boot_id, self.boots, self.plugged = boot_id, 1, False
        self._start_qemu("-incoming", "defer")
        self.migrate("migrate-incoming", f"exec:cat {shlex.quote(str(path))}")
        self.qmp("cont")
        self.run("true", 240)       # against a hang only: on a busy machine a restored guest can need minutes to answer
        self._tell_up(began, "goes on")

    def plug(self):
        """The devices that cannot be saved, plugged in as on a running machine."""
        for words in self.boot.late:
            driver, *properties = words.split(",")
            self.device_add(driver, **{key: int(value) if value.isdigit() else value
                                       for key, value in (word.split("=", 1) for word in properties)})
        self.run("udevadm settle --timeout=110", 120)
        self.plugged = True

    def _need_memory(self):
        with open("/proc/meminfo", encoding="ascii") as file:
            free = next(int(line.split()[1]) // 1024 for line in file if line.startswith("MemAvailable"))
        if free < self.boot.memory + 256:
            raise RigError(f"the guest needs {self.boot.memory} MiB of memory and the host has {free} MiB free")

    def _command(self):
        boot, folder, image = self.boot, self.folder, self.image
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
            "-drive", f"if=none,id=d0,file={self.disk},cache=unsafe", "-device", "virtio-blk-pci,drive=d0,addr=03.0",
            "-qmp", f"unix:{folder}/qmp,server=on,wait=off",
            "-device", "virtio-serial-pci,addr=04.0",
            "-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off",
            "-device", f"virtserialport,chardev=agent,name={PORT_NAME}",
        ]
        for number in range(boot.disks):
            command += ["-drive", f"if=none,id=s{number},file={folder}/s{number}.raw,format=raw,cache=unsafe"]
        for device in boot.devices + (boot.late if self.plugged else ()):
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
                self.need_alive()
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

    def need_alive(self):
        if fault := self.emulator_fault():
            raise EmulatorFault(fault)
        if self.process.poll() is not None:
            said = (self.folder / "qemu.log").read_text(errors="replace").strip()
            raise RigError(f"QEMU ended with {self.process.returncode}: {said or 'it said nothing'}")

    def _wait_boot(self, number, seconds):
        deadline = time.monotonic() + seconds
        with self.news:
            while self.boots < number:
                self.need_alive()
                if time.monotonic() > deadline:
                    raise RigError(f"the guest did not answer in {seconds} s; the end of its console:\n"
                                   + self.console_tail())
                self.news.wait(1)  # a QEMU that dies sends no news: look every second

    def settle(self):
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
