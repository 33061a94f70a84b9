# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel that has iommufd and cdevs, which Debian's kernels have off. As a program: kernel.py

Built from Debian's source package with iommufd.config, and kept beside the images: a folder <cache>/kernel-<hash> with vmlinuz
and modules/<release>, by the version of the source and the configuration. It takes an idle host of two processors some six minutes.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

from cache import RigError, cache_folder, need_programs

HERE = pathlib.Path(__file__).resolve().parent
# The oldest kernel that is of use is 6.6. The host's compiler builds it for a guest of any release.
SOURCE = "linux-source-6.12"
CONFIG = HERE / "iommufd.config"
BUILD_SECONDS = 7200    # against a hang only


def source_version():
    shown = subprocess.run(["apt-cache", "show", "--no-all-versions", SOURCE], capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"^Version: (\S+)$", shown.stdout, re.M)
    if not found:
        raise RigError(f"apt knows no package {SOURCE}, from which the kernel with iommufd is built; "
                       "it is in Debian 12's security archive and in Debian 13")
    return found.group(1)


def key():
    """Whatever has a part in the kernel."""
    return hashlib.sha256(f"{source_version()}\n{CONFIG.read_text(encoding='ascii')}".encode()).hexdigest()[:16]


def get(log=sys.stderr):
    """The folder of the kernel, from the cache or built now. Two runs at once: the second waits for the first."""
    folder = cache_folder() / f"kernel-{key()}"
    cache_folder().mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder, log)
        os.utime(folder)
    return folder


def _build(folder, log):
    need_programs("apt-get", "dpkg-deb", "make", "gcc", "flex", "bison", "bc", "depmod",
                  packages="gcc make flex bison bc libelf-dev kmod dpkg")
    print(f"building the kernel with iommufd from {SOURCE} {source_version()} (some minutes, once): {folder}", file=log, flush=True)
    work = pathlib.Path(f"{folder}.building")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    said = work / "build.log"
    try:
        with open(said, "wb") as out:
            source = _unpack(work, out)
            _compile(source, work, out)
        made = work / "made"
        (made / "modules").mkdir(parents=True)
        shutil.copy(source / "arch/x86/boot/bzImage", made / "vmlinuz")
        for release in (work / "root/lib/modules").iterdir():
            (release / "build").unlink(missing_ok=True)
            shutil.copytree(release, made / "modules" / release.name, symlinks=True)
        made.rename(folder)
    finally:
        with contextlib.suppress(OSError):
            said.replace(f"{folder}.log")
        shutil.rmtree(work, ignore_errors=True)


def _unpack(work, out):
    _step(["apt-get", "download", f"{SOURCE}={source_version()}"], work, out)
    package = next(work.glob(f"{SOURCE}_*.deb"))
    _step(["sh", "-c", f'dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/src/{SOURCE}.tar.xz | tar -xJ', "sh", package.name], work, out)
    package.unlink()
    return work / SOURCE


def _compile(source, work, out):
    jobs = os.environ.get("JOBS") or str(os.cpu_count())
    compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
    make = ["nice", "make", f"CC={compiler}", f"-j{jobs}"]
    _step([*make, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig"], source, out)
    _need_options(source / ".config")
    _step([*make, "bzImage", "modules"], source, out)
    _step([*make, f"INSTALL_MOD_PATH={work / 'root'}", "INSTALL_MOD_STRIP=1", "modules_install"], source, out)


def _need_options(made):
    """An option that lacks what it depends on is dropped without a word."""
    lines = set(made.read_text(encoding="utf-8").splitlines())
    lost = [line for line in CONFIG.read_text(encoding="ascii").splitlines() if line.startswith("CONFIG_") and line not in lines]
    if lost:
        raise RigError(f"{SOURCE} does not take {', '.join(lost)} of {CONFIG.name}")


def _step(command, folder, out):
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=BUILD_SECONDS,
                              check=False).returncode
    except subprocess.TimeoutExpired:
        done = f"no end after {BUILD_SECONDS} s"
    if done != 0:
        tail = "\n".join(pathlib.Path(out.name).read_text(errors="replace").splitlines()[-15:])
        raise RigError(f"the kernel with iommufd could not be built: `{' '.join(command)}` ended with {done}; the last lines:\n{tail}")


if __name__ == "__main__":
    try:
        print(get())
    except RigError as error:
        sys.exit(f"kernel.py: {error}")
