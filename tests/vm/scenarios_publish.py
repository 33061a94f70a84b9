# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon tells those who schedule and watch, as they read it; and the target that they come after."""

import json
import os
import pathlib
import random
import statistics

from boots import GPU, GPU_ID, NIC_A, TWIN_A, TWIN_B
from guest import CONFIG, expect, sysfs
from scenarios import scenario

SPEC = "/run/cdi/vfio-bind.json"
METRICS = "/run/vfio-bind/metrics.prom"
RULE = f'[[bind]]\nname = "guest-gpu"\ndevices = ["{GPU_ID}"]\n'
READER = pathlib.Path(__file__).with_name("publish_reader.py")
AFTER = f"""[Unit]
Wants=vfio-bind-ready.target
After=vfio-bind-ready.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'basename $(readlink {sysfs(GPU, "driver")}) > /run/rig-after'
"""


def names(guest):
    return [device["name"] for device in json.loads(guest.out(f"cat {SPEC}"))["devices"]]


def churn(guest, count):
    """Binds and releases at random while a reader looks at each file that comes."""
    seed = int(os.environ.get("VFIO_BIND_SEED", random.randrange(1 << 30)))
    guest.put("/run/publish_reader.py", READER.read_text(encoding="utf-8"))
    told = json.loads(guest.out(f"python3 /run/publish_reader.py {count} {seed} {GPU} {NIC_A} {TWIN_A} {TWIN_B}", 8 * count))
    expect(not told["wrong"], f"with VFIO_BIND_SEED={seed}: {told['wrong'][:5]}")
    expect(told["seen"][SPEC] >= count / 2 and told["seen"][METRICS] >= count / 2, f"too few files came: {told['seen']}")
    print(f"  {count} binds and releases: the spec was true {statistics.median(told['late']):.1f} ms after JobRemoved "
          f"(median; at most {told['late'][-1]:.1f})", flush=True)
    for address in told["left"]:
        guest.done("Release", address)
    expect(guest.run(f"test ! -e {SPEC}", check=False).code == 0, "a spec is there though nothing is bound")


@scenario("publish-is-always-true", named=True, seconds=900)
def always_true(guest):
    churn(guest, 100)


@scenario("publish-is-always-true-1000x", named=True, seconds=8400)
def always_true_long(guest):
    churn(guest, 1000)


@scenario("publish-follows-the-rule", named=True, seconds=180)
def follows(guest):
    """The name stays through a restart and a kill of the daemon; the metrics say how it stands."""
    guest.configure(RULE)
    guest.wait_state(GPU, "bound")
    expect(names(guest) == ["guest-gpu"], f"the spec has {names(guest)}")
    group = guest.group(GPU)
    sample = f'vfio_bind_group_state{{group="{group}",rule="guest-gpu",state="bound"}} 1'
    expect(sample in guest.out("vfio-bindctl metrics").splitlines(), f"no {sample}")
    before = guest.out(f"stat -c %i {SPEC}")
    guest.systemctl("restart")
    guest.run(f"pkill -9 -x vfio-bindd; timeout 30 sh -c 'until busctl status org.vfiobind1 >/dev/null 2>&1; do :; done'", 40)
    expect(names(guest) == ["guest-gpu"] and guest.out(f"stat -c %i {SPEC}") == before, "a true spec was written anew")
    guest.configure("[publish]\nmetrics = false\n" + RULE)
    guest.run(f"timeout 10 sh -c 'while test -e {METRICS}; do :; done'", 20)
    said = guest.run("vfio-bindctl metrics", check=False)
    expect(said.code == 1 and "metrics = false" in said.stderr, f"without the file: {said}")


@scenario("publish-nfd-says-what-is-missing", named=True, seconds=120)
def nfd(guest):
    """The folder is not there: a warning, and the group is bound all the same."""
    guest.configure("[publish]\nnfd = true\n" + RULE)
    guest.wait_state(GPU, "bound")
    guest.wait_until(lambda: "features.d/vfio-bind" in guest.out("vfio-bindctl --json status"), 20, "a warning of NFD's file")


@scenario("ready-target-comes-after-the-first-pass", named=True, seconds=240)
def ready(guest):
    guest.put("/run/systemd/system/rig-after.service", AFTER)
    guest.run("systemctl stop vfio-bind.service vfio-bind-ready.target; systemctl daemon-reload", 60)
    native = guest.driver(GPU)
    expect(native not in ("", "vfio-pci"), f"{GPU} is with '{native}' before")
    try:
        guest.put(CONFIG, RULE)
        guest.run("systemctl start rig-after.service", 120)
        expect(guest.out("cat /run/rig-after") == "vfio-pci", "what comes after the target came before the first pass ended")
        guest.run("systemctl is-active vfio-bind-ready.target", 20)
        # An error in the configuration fails nobody.
        guest.run("systemctl stop rig-after.service vfio-bind-ready.target vfio-bind.service", 60)
        guest.put(CONFIG, "[[bind]\n")
        guest.run("systemctl start rig-after.service", 120)
    finally:
        guest.put(CONFIG, "")
        guest.run("systemctl stop rig-after.service; rm /run/systemd/system/rig-after.service; systemctl daemon-reload; "
                  "systemctl restart vfio-bind.service", 90, check=False)
