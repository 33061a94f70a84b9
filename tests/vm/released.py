#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package of the last release, which today's is to be an upgrade of: released.py prints its path.

It is built from the repository's history and kept beside the guests' images.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from image import RigError, cache_folder, host_suite

# Raised when a release has been made: packaging/README.md.
VERSION, COMMIT = "0.1.0", "9c33a2c0629c2d4fc0c132a3cc1dcda3ae4baabb"
TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD_SECONDS = 3000


def package():
    """The path of the .deb, for guests of this host's own release. Two runs at once: the second waits for the first."""
    folder = cache_folder() / f"released-{host_suite()}-{COMMIT[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder)
        os.utime(folder)
    return next(folder.glob(f"vfio-bind_{VERSION}_*.deb"))


def _build(folder):
    print(f"building the package of {VERSION} (minutes, once): {folder}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="vfio-bind-released-") as name:
        source, made = pathlib.Path(name, "source"), pathlib.Path(name, "made")
        source.mkdir()
        _take_out(source)
        try:
            done = subprocess.run(["nice", source / "packaging/build-deb.sh", made], capture_output=True, text=True,
                                  timeout=BUILD_SECONDS, check=False, env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"})
        except subprocess.TimeoutExpired as error:
            raise RigError(f"the package of {VERSION} was not built in {BUILD_SECONDS} s") from error
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise RigError(f"the package of {VERSION} cannot be built from {COMMIT[:12]}; the last lines:\n{tail}")
        work = pathlib.Path(f"{folder}.building")
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(made, work, ignore=shutil.ignore_patterns(".*"))
        work.rename(folder)


def _take_out(source):
    """The release's source, from git."""
    git = ["git", "-C", str(TOP), "-c", f"safe.directory={TOP}"]
    if subprocess.run([*git, "cat-file", "-e", f"{COMMIT}^{{commit}}"], capture_output=True, check=False).returncode != 0:
        raise RigError(f"the history of this source has no commit {COMMIT[:12]}, of which the package of {VERSION} is built: "
                       "it is to be a clone of the repository with its whole history (git fetch --unshallow)")
    archive = subprocess.run([*git, "archive", COMMIT], capture_output=True, timeout=300, check=True).stdout
    subprocess.run(["tar", "-C", str(source), "--extract"], input=archive, timeout=300, check=True)


if __name__ == "__main__":
    try:
        print(package())
    except RigError as error:
        sys.exit(f"released.py: {error}")
