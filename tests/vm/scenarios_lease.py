# SPDX-License-Identifier: LGPL-2.1-or-later
"""A card belongs to a workload for as long as it runs, whoever dies on the way."""

import contextlib
import json
import os
import random

from boots import AUDIO, GPU, TWIN_A, TWIN_B
from guest import Failed, expect
from scenarios import scenario
from scenarios_bind import BOUND, GPU_RULE
from scenarios_ctl import ctl

ASKED = GPU_RULE + 'when = "asked"\n'
CYCLES, NAMED_CYCLES = 20, 200


def leases(guest, address):
    """Uid and time of each lease on the device's group."""
    state = json.loads(guest.out("vfio-bindctl --json status"))
    return next(group["leases"] for group in state["groups"] if address in group["devices"])


def wait_given_back(guest, address=GPU, seconds=40):
    guest.wait_until(lambda: guest.state(address) == "native" and guest.driver(address) == guest.pristine[address],
                     seconds, f"{address} to be given back")


@contextlib.contextmanager
def running(guest, target, command="sleep 1000", before=""):
    """`vfio-bindctl run`, once its command runs."""
    stream = guest.machine.start_stream(f"{before}vfio-bindctl run {target} -- sh -c 'echo runs; {command}'")
    try:
        stream.wait(lambda text: text == "runs", 60, what="the command of `run` to begin")
        yield stream
    finally:
        stream.stop()


@scenario("run-has-the-card-while-its-command-runs")
def run(guest):
    guest.configure(ASKED)
    expect(guest.state(GPU) == "native", f"a rule that is asked for is '{guest.state(GPU)}' before")
    result = guest.run(f"vfio-bindctl run guest-gpu -- sh -c 'basename $(readlink /sys/bus/pci/devices/{GPU}/driver); "
                       "env | grep ^VFIO_BIND_; exit 7'", 90, check=False)
    expect(result.code == 7, f"the status is not the command's: {result}")
    said = result.stdout.splitlines()
    number = guest.group(GPU)
    for line in ("vfio-pci", f"VFIO_BIND_GROUPS={number}", f"VFIO_BIND_NODES=/dev/vfio/{number}",
                 f"VFIO_BIND_DEVICES={GPU} {AUDIO}"):
        expect(line in said, f"'{line}' is not in: {said}")
    expect(any(line.startswith("VFIO_BIND_QEMU=-device ") for line in said), f"nothing for QEMU in: {said}")
    wait_given_back(guest)
    guest.expect_drivers({}, guest.pristine)
    for command, status in (("no-such-command", 127), ("/etc", 126), ("sh -c 'kill -9 $$'", 137)):
        result = guest.run(f"vfio-bindctl run guest-gpu -- {command}", 90, check=False)
        expect(result.code == status, f"{command}: {status} expected: {result}")
    result = guest.run("vfio-bindctl run 00:77.0 -- true", 60, check=False)
    expect(result.code == 125 and "00:77.0" in result.stderr, f"what is not there: {result}")


@scenario("run-gives-back-whoever-dies")
def whoever_dies(guest):
    guest.configure(ASKED)
    with running(guest, "guest-gpu", "echo $$ > /run/rig-command; exec sleep 1000") as stream:
        guest.expect_drivers(BOUND, guest.pristine)
        guest.run("kill -9 $(cat /run/rig-command)")
        expect(stream.wait_end(30) == 137, "`run` did not end with its command's signal")
        wait_given_back(guest)
    with running(guest, "guest-gpu", "echo $$ > /run/rig-command; exec sleep 1000"):
        guest.run("pkill -9 -x vfio-bindctl")
        wait_given_back(guest)
        guest.wait_until(lambda: guest.run("kill -0 $(cat /run/rig-command)", check=False).code != 0, 20,
                         "the command to be ended with its `run`")
    # A session's end, as logind has it: all of its scope is killed.
    with running(guest, "guest-gpu", before="systemd-run --quiet --scope --unit=rig-session "):
        guest.run("systemctl kill --signal=KILL rig-session.scope", 30)
        wait_given_back(guest)


@scenario("lease-is-not-a-rules-end")
def always(guest):
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    with guest.no_kernel_writes("a lease on a group that a rule holds always"):
        guest.run("vfio-bindctl run guest-gpu -- true", 60)
        guest.wait_until(lambda: not leases(guest, GPU), 20, "the lease to end")
    guest.expect_drivers(BOUND, guest.pristine)


@scenario("leases-are-counted")
def counted(guest):
    guest.configure(ASKED)
    with running(guest, "guest-gpu --what 'VM one'"):
        with running(guest, "guest-gpu --what 'VM two'"):
            expect(len(leases(guest, GPU)) == 2, f"the leases are {leases(guest, GPU)}")
            said = ctl(guest, f"release {GPU}", 3)
            expect("VM one" in said and "VM two" in said, f"the refusal does not name both leases: {said}")
        with guest.no_kernel_writes("the end of one of two leases"):
            guest.wait_until(lambda: len(leases(guest, GPU)) == 1, 20, "one lease to end")
        guest.expect_drivers(BOUND, guest.pristine)
        ctl(guest, f"release {GPU} --allow leased", 0)
        guest.expect_drivers({}, guest.pristine)


@contextlib.contextmanager
def three_leases(guest):
    streams = [guest.machine.start_stream(f"vfio-bindctl hold {target}") for target in (GPU, TWIN_A, TWIN_B)]
    try:
        for stream in streams:
            stream.wait(lambda text: "bound until this ends" in text, 60, what="the lease to be there")
        yield streams
    finally:
        for stream in streams:
            stream.stop()


@scenario("leases-outlive-the-daemon", seconds=240)
def outlive(guest):
    with three_leases(guest) as (_, ending, _):
        pid = guest.pid()
        guest.run(f"kill -STOP {pid}; true")
        ending.signal(9)
        ending.wait_end(30)
        guest.run(f"kill -9 {pid}")
        guest.wait_until(lambda: guest.pid() not in (0, pid), 40, "systemd to start the killed daemon again")
        wait_given_back(guest, TWIN_A)
        for address in (GPU, TWIN_B):
            expect(guest.state(address) == "bound", f"{address} is '{guest.state(address)}' after the daemon's death")
            expect(len(leases(guest, address)) == 1, f"the leases on {address} are {leases(guest, address)}")
        guest.systemctl("restart")
        expect(guest.state(GPU) == "bound" and len(leases(guest, GPU)) == 1, "a restart has lost a lease")
        # systemd forgets the daemon's ends; the holders are found.
        guest.systemctl("stop")
        guest.expect_drivers({**BOUND, TWIN_B: "vfio-pci"}, guest.pristine)
        guest.systemctl("start")
        expect(guest.state(GPU) == "bound" and len(leases(guest, GPU)) == 1, "a stop and a start have lost a lease")
    for address in (GPU, TWIN_B):
        wait_given_back(guest, address)
    guest.expect_drivers({}, guest.pristine)


def kill_cycles(guest, cycles):
    """Client and daemon are killed at random moments: no lease is lost while its holder lives, none is left after it."""
    seed = int(os.environ.get("VFIO_BIND_SEED") or random.SystemRandom().randrange(10**6))
    print(f"  VFIO_BIND_SEED={seed}", flush=True)
    dice = random.Random(seed)
    guest.put("/run/systemd/system/vfio-bind.service.d/quick.conf", "[Service]\nRestartSec=50ms\n")
    guest.run("systemctl daemon-reload")
    try:
        for number in range(1, cycles + 1):
            victims = dice.choice(("vfio-bindctl", "vfio-bindd", "vfio-bindctl vfio-bindd", "vfio-bindd vfio-bindctl"))
            after = dice.uniform(0.02, 1.0)
            guest.run(f"(vfio-bindctl hold {TWIN_A} </dev/null >/dev/null 2>&1 &); sleep {after:.3f}; "
                      f"for v in {victims}; do pkill -9 -x $v; [ $v = vfio-bindd ] || pidwait -x $v; done", 60, check=False)
            lives = guest.run("pgrep -x vfio-bindctl", check=False).code == 0
            what = f"cycle {number} ({victims} after {after:.3f} s)"
            try:
                guest.wait_until(lambda: guest.pid() != 0 and guest.run("vfio-bindctl status", check=False).code == 0, 40,
                                 "the daemon")
                if lives:
                    guest.wait_until(lambda: guest.state(TWIN_A) == "bound" and len(leases(guest, TWIN_A)) == 1, 40,
                                     "the lease, whose holder lives")
                    guest.run("pkill -9 -x vfio-bindctl; true")
                guest.wait_until(lambda: not leases(guest, TWIN_A), 40, "the lease to end")
                wait_given_back(guest, TWIN_A)
            except Failed as error:
                raise Failed(f"{what}: {error}") from error
        print(f"  {cycles} cycles", flush=True)
    finally:
        guest.run("pkill -9 -x vfio-bindctl; rm -f /run/systemd/system/vfio-bind.service.d/quick.conf; "
                  "systemctl daemon-reload", 30, check=False)


@scenario("lease-kills", seconds=400)
def twenty_cycles(guest):
    kill_cycles(guest, CYCLES)


@scenario("lease-kills-200", named=True, seconds=3000)
def two_hundred_cycles(guest):
    kill_cycles(guest, NAMED_CYCLES)
