# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's root file system: built once by mmdebstrap, kept in a cache outside the tree. As a program: image.py SUITE.

A cached image is a folder <cache>/<hash> with root.ext4, vmlinuz, initrd and tree/ (the same root as a
folder, for what is built faster in a chroot than in an emulated guest: initramfs images, above all).
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import kernel
from cache import RigError, cache_folder, need_programs

HERE = pathlib.Path(__file__).resolve().parent

# Raise it when the way an image is made has changed (the hash sees packages, modules, unit and agent only).
RIG_VERSION = 2

# The one place that says what is in every guest; a Boot can name more. The second table holds what is named differently
# in each suite.
PACKAGES = [
    # a system that boots
    "linux-image-amd64", "initramfs-tools", "zstd", "systemd", "systemd-sysv", "udev", "kmod", "dbus",
    # what vfio-bind's .deb depends on (see also SUITE_PACKAGES)
    "libsystemd0", "libudev1", "libkmod2", "libstdc++6", "pci.ids",
    # what the scenarios look with; gdbus (libglib2.0-bin) because busctl does not print the names of errors
    "python3", "pciutils", "strace", "iproute2", "polkitd", "libglib2.0-bin", "procps",
    # the example of org.vfiobind1(5), which is a client made with GDBus
    "python3-gi", "gir1.2-glib-2.0",
    # what the guards must see through
    "lvm2", "mdadm", "cryptsetup-bin", "e2fsprogs",
]
SUITE_PACKAGES = {
    "bookworm": ["libsdbus-c++1", "libspdlog1.10", "libfmt9", "libtomlplusplus3"],
    "trixie": ["libsdbus-c++2", "libspdlog1.15", "libfmt10", "libtomlplusplus3t64"],
}

# They get new packages at once, and so have neither -updates nor -security.
UNSTABLE = ("sid", "unstable")

# A boot that asks for this package has the kernel of kernel.py in Debian's place. Its root disk needs no initramfs.
DEBIAN_KERNEL, IOMMUFD_KERNEL = "linux-image-amd64", "linux-image-iommufd"
# An archive of no files (cpio(5), format newc): QEMU is given some initramfs in every case.
NO_INITRD = b"070701" + b"0" * 8 * 11 + b"0000000b" + b"0" * 8 + b"TRAILER!!!\0" + b"\0" * 3

# Only what the root disk and the command channel need: a small initramfs loads faster under emulation, and no
# driver of a device under test gets into it by chance.
INITRAMFS_MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "ext4"]

AGENT_UNIT = """\
[Unit]
Description=Command channel of the test rig
DefaultDependencies=no

[Service]
ExecStart=/usr/bin/python3 -S /usr/local/lib/rig-agent.py
Restart=always
RestartSec=1
# What a scenario starts in the background belongs to the scenario, not to the agent.
KillMode=process
TasksMax=infinity

[Install]
WantedBy=sysinit.target
"""

# Work that a booting guest would do for nobody.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer",
          "e2scrub_reap.service", "systemd-pcrphase.service", "systemd-timesyncd.service", "getty@tty1.service",
          "serial-getty@ttyS0.service"]


@dataclasses.dataclass(frozen=True)
class Image:
    suite: str
    folder: pathlib.Path

    @property
    def disk(self):
        return self.folder / "root.ext4"

    @property
    def kernel(self):
        return self.folder / "vmlinuz"

    @property
    def initrd(self):
        return self.folder / "initrd"

    @property
    def tree(self):
        return self.folder / "tree"


# Its mounts of /proc, /sys and /dev end with it, however it ends: what is left may be removed.
MMDEBSTRAP = ("nice", "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "mmdebstrap",
              "--mode=root", "--variant=minbase")
MMDEBSTRAP_SECONDS = 3600       # against a hang only: it takes one to ten minutes, and longer on a busy machine


def packages_of(suite, more=()):
    if suite not in SUITE_PACKAGES:
        raise RigError(f"no package list for suite '{suite}'; known: {', '.join(SUITE_PACKAGES)}")
    packages = PACKAGES + SUITE_PACKAGES[suite] + list(more)
    return [name for name in packages if name not in (DEBIAN_KERNEL, IOMMUFD_KERNEL)] if IOMMUFD_KERNEL in more else packages


def _hash(suite, more):
    parts = [suite, str(RIG_VERSION), *sorted(packages_of(suite, more)), *INITRAMFS_MODULES, AGENT_UNIT, *MASKED,
             (HERE / "agent.py").read_text(encoding="utf-8")]
    if IOMMUFD_KERNEL in more:
        parts.append(kernel.key())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def get(suite="bookworm", log=sys.stderr, more=()):
    """The image of a suite, with more packages than the common ones where a boot wants them, from the cache or built now.
    Two runs at once: the second waits for the first."""
    folder = cache_folder() / f"{suite}-{_hash(suite, more)}"
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        lock = open(f"{folder}.lock", "w", encoding="ascii")
    except OSError as error:
        raise RigError(f"the cache {cache_folder()} cannot be written ({error.strerror}); "
                       "VFIO_BIND_CACHE names another folder") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _forget_old_images()
            _build(suite, more, folder, log)
        os.utime(folder)
    return Image(suite, folder)


def _forget_old_images():
    """An image is 1.4 GB, and a changed package list leaves the old one behind: those unused for two weeks go."""
    for folder in cache_folder().glob("*-*/"):
        if time.time() - folder.stat().st_mtime > 14 * 86400:
            shutil.rmtree(folder, ignore_errors=True)


def _build(suite, more, folder, log):
    need_programs("mmdebstrap", "mke2fs")
    if os.geteuid() != 0:
        raise RigError("building the guest's root file system needs root (owners of files, chroot): use sudo")
    print(f"building the {suite} guest image (about a minute, once): {folder}", file=log, flush=True)
    work = pathlib.Path(f"{folder}.building")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    try:
        own = kernel.get(log) if IOMMUFD_KERNEL in more else None
        _bootstrap(suite, more, work)
        if own:
            _put_kernel(work, own)
        else:
            _take_kernel(work)
        _make_disk(work)
        work.rename(folder)
    finally:
        if work.exists():
            with contextlib.suppress(OSError):
                (work / "mmdebstrap.log").replace(f"{folder}.mmdebstrap.log")
            shutil.rmtree(work, ignore_errors=True)


def apt_sources(suite):
    """The host's own Debian sources, turned to another suite where needed: the rig knows no mirror."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)",
         "Identifier: Packages"], capture_output=True, text=True, timeout=60, check=False)
    host_suites = "|".join(map(re.escape, {host_suite(), *SUITE_PACKAGES}))
    lines = []
    for row in listing.stdout.splitlines():
        origin, uri, release, component, signed_by = row.split("|")
        # An origin is known only after an apt-get update; a source without one is judged by its suite alone.
        if origin not in ("Debian", "") or not re.fullmatch(rf"(?:{host_suites})(-updates|-security)?", release):
            continue
        tail = re.search(r"(-updates|-security)?$", release).group(0)
        if tail and suite in UNSTABLE:
            continue
        options = f"[signed-by={signed_by}] " if signed_by.startswith("/") else ""
        line = f"deb {options}{uri} {suite}{tail} {component}"
        if line not in lines:
            lines.append(line)
    if not lines:
        raise RigError("no Debian source found in the host's apt configuration (apt-get indextargets); "
                       "the guest is built from the same archive as the host")
    return lines


def host_suite():
    """The name of the host's own Debian release."""
    text = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r"^VERSION_CODENAME=(\S+)", text, re.M)
    return found.group(1) if found else "bookworm"


def apt_options():
    """The host's apt settings about how to fetch (proxy, validity of old archives), for the guest's apt too."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, timeout=30, check=False).stdout
    wanted = r"Acquire::(Check-|http|https|ForceIPv|Retries)"
    return [f"--aptopt={line.rstrip(';')}" for line in dump.splitlines()
            if re.match(wanted, line) and not line.endswith('"";')]


def _bootstrap(suite, more, work):
    tree = work / "tree"
    agent = HERE / "agent.py"
    unit = work / "rig-agent.service"
    unit.write_text(AGENT_UNIT, encoding="ascii")
    modules = "\\n".join(INITRAMFS_MODULES)
    command = [
        *MMDEBSTRAP, f"--include={','.join(packages_of(suite, more))}",
        '--dpkgopt=path-exclude=/usr/share/man/*', '--dpkgopt=path-exclude=/usr/share/locale/*',
        *apt_options(),
        # Before the kernel is installed, so that its initramfs is made once and small.
        '--extract-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"',
        '--extract-hook=printf "MODULES=list\\nRESUME=none\\n" > "$1/etc/initramfs-tools/conf.d/rig"',
        f'--extract-hook=printf "{modules}\\n" > "$1/usr/share/initramfs-tools/modules.d/rig"',
        f"--customize-hook=copy-in {unit} /etc/systemd/system",
        f"--customize-hook=upload {agent} /usr/local/lib/rig-agent.py",
        '--customize-hook=chroot "$1" systemctl enable rig-agent.service',
        f'--customize-hook=chroot "$1" systemctl mask {" ".join(MASKED)}',
        '--customize-hook=chroot "$1" passwd -d root',
        # A fixed machine id: a guest without one takes every boot for its first and runs all presets.
        '--customize-hook=chroot "$1" systemd-machine-id-setup',
        '--customize-hook=echo guest > "$1/etc/hostname"',
        # No line of a daemon that logs much in a burst may be missing when a scenario looks for it.
        '--customize-hook=mkdir -p "$1/etc/systemd/journald.conf.d"',
        '--customize-hook=printf "[Journal]\\nStorage=volatile\\nRateLimitIntervalSec=0\\n" '
        '> "$1/etc/systemd/journald.conf.d/rig.conf"',
        # A package that triggers update-initramfs would keep an emulated guest busy for over ten minutes; images
        # are built in a chroot of the tree where a scenario needs one.
        '--customize-hook=sed -i "s/^update_initramfs=.*/update_initramfs=no/" '
        '"$1/etc/initramfs-tools/update-initramfs.conf"',
        '--customize-hook=echo "127.0.0.1 localhost guest" > "$1/etc/hosts"',
        '--customize-hook=echo "/dev/vda / ext4 rw 0 0" > "$1/etc/fstab"',
        suite, str(tree), "-",
    ]
    log = work / "mmdebstrap.log"
    with open(log, "wb") as out:
        try:
            done = subprocess.run(command, input="\n".join(apt_sources(suite)).encode() + b"\n",
                                  stdout=out, stderr=subprocess.STDOUT, timeout=MMDEBSTRAP_SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            done = f"no end after {MMDEBSTRAP_SECONDS} s"
    if done != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RigError(f"mmdebstrap could not build the {suite} root ({done}); its last lines:\n{tail}")


def _take_kernel(work):
    kernels = sorted((work / "tree/boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise RigError(f"expected one kernel in the guest's /boot, found {[k.name for k in kernels]}")
    shutil.copy(kernels[0], work / "vmlinuz")
    initrd = work / "tree/boot" / kernels[0].name.replace("vmlinuz-", "initrd.img-")
    if not initrd.is_file():
        raise RigError(f"the guest's root has no {initrd.name}: update-initramfs did not run")
    shutil.copy(initrd, work / "initrd")


def _put_kernel(work, own):
    shutil.copy(own / "vmlinuz", work / "vmlinuz")
    (work / "initrd").write_bytes(NO_INITRD)
    shutil.copytree(own / "modules", work / "tree/usr/lib/modules", symlinks=True, dirs_exist_ok=True)


def _make_disk(work):
    disk = work / "root.ext4"
    made = subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "guest", "-d", str(work / "tree"), str(disk), "3G"],
                          capture_output=True, text=True, timeout=300, check=False)
    if made.returncode != 0:
        raise RigError(f"mke2fs could not make {disk}: {made.stderr.strip()}")


# --- an initramfs with vfio-bind in it --------------------------------------------------------------------------------

def initrd_with(image, package, config, modules, builder="initramfs-tools", drop_ins=None):
    """An initramfs of this image with the package's part, the configuration, drop-ins (name: text) and further modules in it;
    kept.

    It is made by the guest's own initramfs-tools, or by Debian's dracut, in a chroot of its root: in the emulated guest
    it takes ten minutes.
    """
    drop_ins = drop_ins or {}
    key = hashlib.sha256(b"|".join([package, config.encode(), builder.encode(), repr(drop_ins).encode(),
                                    *map(str.encode, modules)])).hexdigest()[:16]
    made = image.folder / f"initrd-{builder}-{key}"
    if made.exists():
        return made
    for old in image.folder.glob(f"initrd-{builder}-*"):
        old.unlink()
    work = image.folder / "initrd.building"
    shutil.rmtree(work, ignore_errors=True)
    for name in ("upper", "overlay", "root"):
        (work / name).mkdir(parents=True)
    root = work / "root"
    options = f"lowerdir={image.tree},upperdir={work / 'upper'},workdir={work / 'overlay'}"
    _run("mount", "-t", "overlay", "overlay", "-o", options, str(root))
    try:
        (work / "vfio-bind.deb").write_bytes(package)
        _unpack(work / "vfio-bind.deb", root)
        (root / "etc/vfio-bind.toml").write_text(config, encoding="utf-8")
        for name, text in drop_ins.items():
            (root / "etc/vfio-bind.d").mkdir(exist_ok=True)
            (root / "etc/vfio-bind.d" / name).write_text(text, encoding="utf-8")
        release = next((root / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        if builder == "dracut":
            _run_dracut(root, release, modules)
        else:
            with open(root / "usr/share/initramfs-tools/modules.d/rig", "a", encoding="ascii") as file:
                file.write("".join(f"{module}\n" for module in modules))
            _run("chroot", str(root), "mkinitramfs", "-o", "/boot/initrd-with", release)
        shutil.copy(root / "boot/initrd-with", f"{made}.new")
        os.rename(f"{made}.new", made)
    finally:
        _run("umount", str(root))
        shutil.rmtree(work, ignore_errors=True)
    return made


def _unpack(package, root):
    """A package's files, without its scripts; /lib stays the link that it is."""
    _run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"', "sh", str(package), str(root))


def _run_dracut(root, release, modules):
    """dracut conflicts with nothing here, but its packages are no part of the guest: its own apt fetches them."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    _run("chroot", str(root), "sh", "-ec", "apt-get update -q; cd /tmp; apt-get download -q dracut-core cpio")
    for package in (root / "tmp").glob("*.deb"):
        _unpack(package, root)
        package.unlink()
    _run("mount", "-t", "proc", "proc", str(root / "proc"))
    try:
        _run("chroot", str(root), "dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline",
             "-m", "base rootfs-block kernel-modules udev-rules fs-lib shutdown vfio-bind",
             "--drivers", " ".join([*INITRAMFS_MODULES, *modules]), "/boot/initrd-with", release, seconds=900)
    finally:
        _run("umount", str(root / "proc"))


def _run(*command, seconds=300):
    done = subprocess.run(["nice", *command], capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise RigError(f"`{' '.join(command)}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}")


if __name__ == "__main__":
    try:
        print(get(sys.argv[1]).folder)
    except RigError as error:
        sys.exit(f"image.py: {error}")
