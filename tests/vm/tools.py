# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of ours that run in the guest, built when a scenario wants them."""

import os
import pathlib
import subprocess

from image import RigError

TOP = pathlib.Path(__file__).resolve().parents[2]


def named(variable):
    """A program that only the environment can name."""
    path = os.environ.get(variable)
    if not path or not pathlib.Path(path).is_file():
        raise RigError(f"{variable} names no program ('{path or ''}'); tests/run.sh everything builds it")
    return pathlib.Path(path)


def build(folder, target):
    """The program's path. The environment may name one that is built already, as for a guest of another release than the
    host's: VFIO_BIND_KERNEL_TWIN for kernel-twin."""
    variable = f"VFIO_BIND_{target.upper().replace('-', '_')}"
    if named := os.environ.get(variable):
        return pathlib.Path(named)
    for command in (["cmake", "-S", TOP, "-B", folder, "-G", "Ninja"],
                    ["nice", "cmake", "--build", folder, "--target", target]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        except FileNotFoundError as error:
            raise RigError(f"{command[0]} is not installed, and {target} must be built (or named with {variable})") from error
        if done.returncode != 0:
            raise RigError(f"{target} could not be built: {(done.stderr or done.stdout).strip()[-2000:]}")
    return pathlib.Path(folder) / "tests/vm" / target
