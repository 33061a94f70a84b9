# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container is given a group by its rule's name, whoever starts it and whatever number the group has in this boot."""

import dataclasses

from boots import GPU, GPU_ID
from guest import expect
from scenarios import scenario
from scenarios_boot import rules_at_boot
from scenarios_identity import ONE_MORE

ROOT = "/var/tmp/cdi-root"
USER = "rig-user"
NAME = "guest-gpu"
RULE = f'[[bind]]\nname = "{NAME}"\ndevices = ["{GPU_ID}"]\nnode = {{ group = "kvm", mode = "0660" }}\n'
# The same command line in every boot. Without a session of its own the user has no cgroup to give.
PODMAN = (f"podman run --rm --network=none --cgroups=disabled --device vfio.bind/group={NAME} --ulimit memlock=-1 "
          f"{{}} --rootfs {{}} /bin/vfio-probe")
AS_USER = f"runuser -u {USER} -- env HOME=/var/tmp/{USER} XDG_RUNTIME_DIR=/run/{USER}"


def make_root(guest, path, owner):
    """The probe is linked statically: it is all that the container needs."""
    guest.run(f"mkdir -p {path}/bin {path}/dev {path}/etc {path}/proc {path}/run {path}/sys {path}/tmp && "
              f"cp /usr/local/bin/vfio-probe {path}/bin && chown -R {owner}: {path}")


def make_user(guest):
    """In the node's group. He has no range of further users: the container's root is himself. His limit of locked memory is one
    that root sets: podman cannot raise it (doc/fleet.md)."""
    guest.put("/etc/security/limits.d/rig.conf", f"{USER} - memlock unlimited\n")
    guest.run(f"id {USER} 2>/dev/null || useradd {USER}; usermod -a -G kvm {USER}; sed -i /^{USER}:/d /etc/subuid /etc/subgid; "
              f"mkdir -p /run/{USER} /var/tmp/{USER}; chown {USER}: /run/{USER} /var/tmp/{USER}", 30)


def expect_opened(guest, command, who):
    number = guest.group(GPU)
    status = guest.run(f"cd /; {command} status {number}", 180, check=False)
    expect(status.code == 0 and status.stdout.strip() == "viable", f"{who}: {status}")
    hold = guest.run(f"cd /; {command} hold {number} {GPU}", 180, check=False)
    expect(hold.code == 0 and hold.stdout.strip() == "holding", f"{who}: {hold}")


def expect_opened_by_all(guest):
    expect_opened(guest, PODMAN.format("", ROOT), "as root")
    expect_opened(guest, f"{AS_USER} {PODMAN.format('--group-add keep-groups', ROOT + '-user')}", "without root")


def ready(guest):
    make_root(guest, ROOT, "root")
    make_user(guest)
    make_root(guest, f"{ROOT}-user", USER)
    guest.wait_state(GPU, "bound")
    guest.run("udevadm settle", 60)


@scenario("cdi-podman-without-root", boot="vmm", seconds=420, named=True)
def rootless(guest):
    guest.configure(RULE)
    ready(guest)
    expect_opened_by_all(guest)
    guest.run(f"gpasswd --delete {USER} kvm", 30)
    without = guest.run(f"cd /; {AS_USER} {PODMAN.format('--group-add keep-groups', ROOT + '-user')} status {guest.group(GPU)}",
                        180, check=False)
    expect(without.code != 0 and "cannot open" in without.stderr, f"without the node's group: {without}")


def other_numbers(guest, count):
    """A bridge more in one boot, and less in the next: the group has another number, the command line stays."""
    seen = []
    with rules_at_boot(guest, RULE) as machine:
        plain = machine.boot
        for number in range(count):
            more = (ONE_MORE,) if number % 2 == 0 else ()
            machine.boot = dataclasses.replace(plain, devices=more + plain.devices)
            # The bridge has taken the first bus: the GPU's is one further.
            machine.reboot()
            address = GPU.replace(":01:", ":02:") if more else GPU
            guest.run(f"udevadm settle; mkdir -p /run/{USER}; chown {USER}: /run/{USER}", 60)
            group = guest.group(address)
            seen.append(group)
            for who, command in (("as root", PODMAN.format("", ROOT)),
                                 ("without root", f"{AS_USER} {PODMAN.format('--group-add keep-groups', ROOT + '-user')}")):
                status = guest.run(f"cd /; {command} status {group}", 180, check=False)
                expect(status.code == 0 and status.stdout.strip() == "viable", f"boot {number + 1}, {who}: {status}")
    expect(len(set(seen)) > 1, f"the group had one number in all boots: {seen}")
    print(f"note: the group's numbers were {seen}", flush=True)


@scenario("cdi-podman-with-other-group-numbers", boot="vmm", seconds=1200, named=True)
def two_boots(guest):
    guest.configure(RULE)
    ready(guest)
    other_numbers(guest, 2)


@scenario("cdi-podman-with-other-group-numbers-20x", boot="vmm", seconds=8000, named=True)
def twenty_boots(guest):
    guest.configure(RULE)
    ready(guest)
    other_numbers(guest, 20)
