# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that go on from where they were saved, instead of booting.

A boot takes an emulated processor a minute, and the installation of the package half of one. What each leads to is saved once,
by QEMU's `migrate` to a file, and every further guest begins there in some seconds. A saved guest is a folder
<cache>/guest-<hash> with `state`, `disk` and `about.json`; the hash is of all that has a part in it: image, machine and QEMU,
and, where it is installed, the package.
"""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import machine as machines
from guest import Guest
from image import cache_folder
from machine import Machine

PROBE = "/usr/local/bin/vfio-probe"
KEPT = 10           # saved guests, of some 300 MB each, that stay when another one is made


def ready_guest(boot, package, probe, log):
    """A guest at rest with the package installed and no rules; booted where it cannot be restored."""
    machine = Machine(boot, log=log)
    try:
        machine.prepare()
        # Where KVM works, a boot takes no longer than a restore is worth.
        if not boot.restored or machine.accel != "tcg":
            machine.start()
            return _install(machine, package, probe)
        return _restore(machine, package, probe)
    except BaseException:
        machine.stop()
        raise


def _install(machine, package, probe):
    guest = Guest(machine)
    machine.put(PROBE, probe, 0o755)
    guest.install(package)
    machine.settle()
    return guest


def _restore(machine, package, probe):
    def boot(made):
        made.start(plugged=False)
        return {"boot": made.boot_id}

    def install(made):
        with _saved(made, boot) as folder:
            about = _go_on(made, folder)
        return {**about, "pristine": _install(made, package, probe).pristine}

    with _saved(machine, install, package, probe) as folder:
        about = _go_on(machine, folder)
    guest = Guest(machine)
    guest.package = package
    machine.plug()
    # What was plugged in has the driver now that it would have had before the installation: there are no rules.
    guest.pristine = {**guest.drivers(), **about["pristine"]}
    return guest


def _go_on(machine, folder):
    about = json.loads((folder / "about.json").read_text(encoding="ascii"))
    machine.restore(folder / "state", folder / "disk", about["boot"])
    return about


@contextlib.contextmanager
def _saved(machine, make, *parts):
    """The folder of such a guest, which is made by make(machine) if it is missing. Of two runs that want it, one waits."""
    folder = cache_folder() / f"guest-{_hash(machine, parts)}"
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _forget_others()
            _save(Machine(machine.boot, log=machine.log), make, folder)
        os.utime(folder)
        yield folder


def _hash(machine, parts):
    """Boots that differ in their name only share a guest."""
    boot = dataclasses.replace(machine.boot, name="", seconds=0)
    key = hashlib.sha256(repr((boot, machine.image.folder.name, machines.EMULATED_CPU, machines.EMULATED_CMDLINE,
                               _qemu_version())).encode())
    for part in (*parts, pathlib.Path(machines.__file__).read_bytes()):
        key.update(hashlib.sha256(part).digest())
    return key.hexdigest()[:16]


@functools.cache
def _qemu_version():
    return subprocess.run([machines.QEMU, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout


def _save(made, make, folder):
    work = pathlib.Path(f"{folder}.making")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        made.prepare()
        about = make(made)
        made.save(work / "state")
        shutil.move(made.disk, work / "disk")
        (work / "about.json").write_text(json.dumps(about), encoding="ascii")
        work.rename(folder)
    finally:
        made.stop()
        shutil.rmtree(work, ignore_errors=True)


def _forget_others():
    """Of those that nobody begins with just now, the latest stay."""
    saved = sorted((one for one in cache_folder().glob("guest-*") if one.is_dir() and not one.suffix),
                   key=lambda one: one.stat().st_mtime, reverse=True)
    for folder in saved[KEPT - 1:]:
        with open(f"{folder}.lock", "w", encoding="ascii") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
