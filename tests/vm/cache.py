# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the rig keeps what takes long to make, and how it says that something is missing."""

import os
import pathlib
import shutil


class RigError(Exception):
    """Something that the rig needs is not there; the text is the sentence to show."""


def cache_folder():
    return pathlib.Path(os.environ.get("VFIO_BIND_CACHE") or "/var/cache/vfio-bind-tests")


def need_programs(*names, packages="qemu-system-x86 qemu-utils mmdebstrap e2fsprogs"):
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise RigError(f"{', '.join(missing)} not found in PATH; on Debian: apt-get install {packages}")
