#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command on this source in a root of another Debian release: suite.py trixie COMMAND...

The root is made once by mmdebstrap from the host's own mirror and kept beside the guests' images. The source is at its own
path in it, writable; what the command installs stays for the next time. Needs root; two runs wait for each other.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import image
from image import RigError

TOP = pathlib.Path(__file__).resolve().parents[2]
# Where the sources are to compile; guests are made of some of them only (image.py). sid is what rolling distributions have.
SUITES = (*image.SUITE_PACKAGES, "sid")
PACKAGES = ["ca-certificates", "ccache", "dbus", "g++", "libxml2-utils", "procps", "python3"]

# Own mounts and processes: nothing that hangs stays behind, and nothing is mounted in the cache after the end.
ENTER = """\
set -e
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/tmp"
mkdir -p "$1$2"
mount --bind "$2" "$1$2"
root=$1
shift
exec chroot "$root" sh -c 'cd "$1" && shift && exec "$@"' sh "$@"
"""


def make_root(suite, root):
    if suite not in SUITES:
        raise RigError(f"no such suite '{suite}'; known: {', '.join(SUITES)}")
    image.need_programs("mmdebstrap")
    print(f"making a root of {suite} to build in (some minutes, once): {root}", file=sys.stderr, flush=True)
    work = pathlib.Path(f"{root}.building")
    shutil.rmtree(work, ignore_errors=True)
    # apt's lists stay: which of two packages this release has is looked up in them.
    command = [*image.MMDEBSTRAP, f"--include={','.join(PACKAGES)}", "--skip=cleanup/apt/lists",
               "--dpkgopt=path-exclude=/usr/share/man/*", *image.apt_options(), suite, str(work), "-"]
    try:
        done = subprocess.run(command, input="\n".join(image.apt_sources(suite)) + "\n", capture_output=True, text=True,
                              timeout=image.MMDEBSTRAP_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise RigError(f"mmdebstrap has not built the {suite} root in {image.MMDEBSTRAP_SECONDS} s") from error
    if done.returncode != 0:
        shutil.rmtree(work, ignore_errors=True)
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise RigError(f"mmdebstrap could not build the {suite} root ({done.returncode}); its last lines:\n{tail}")
    work.rename(root)


def root_of(suite):
    key = hashlib.sha256("\n".join([suite, *PACKAGES]).encode()).hexdigest()[:16]
    return image.cache_folder() / f"build-{suite}-{key}"


def main():
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} SUITE COMMAND...")
    suite, command = sys.argv[1], sys.argv[2:]
    try:
        if os.geteuid() != 0:
            raise RigError("another release's root is entered with chroot, as root: use sudo")
        root = root_of(suite)
        root.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{root}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not root.is_dir():
                make_root(suite, root)
            os.utime(root)
            shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
            environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                           "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
            return subprocess.run(
                ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
                 "sh", "-c", ENTER, "sh", str(root), str(TOP), *command], env=environment, check=False).returncode
    except (RigError, OSError) as error:
        print(f"suite.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
