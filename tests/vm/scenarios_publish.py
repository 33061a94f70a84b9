# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon tells those who schedule and watch, as they read it."""

import json
import os
import pathlib
import random
import re
import statistics
import time

from boots import GPU, GPU_ID, HOTPLUGGED, HOTPLUGGED_ID, HOTPLUGGED_MODEL, HOTPLUG_PORTS, NIC_A, TWIN_A, TWIN_B
from guest import MANAGER, ROOT, expect
from scenarios import scenario

SPEC = "/run/cdi/vfio-bind.json"
METRICS = "/run/vfio-bind/metrics.prom"
RULE = f'[[bind]]\nname = "guest-gpu"\ndevices = ["{GPU_ID}"]\n'
PLUGGED_RULE = f'[[bind]]\nname = "plugged"\ndevices = ["{HOTPLUGGED_ID}"]\n'
READER = pathlib.Path(__file__).with_name("publish_reader.py")


def spec(guest):
    """{name: nodes}; empty where there is no spec."""
    text = guest.run(f"cat {SPEC}", check=False).stdout
    return {device["name"]: [edit["path"] for edit in device["containerEdits"]["deviceNodes"]]
            for device in json.loads(text)["devices"]} if text else {}


def plug_and_unplug(guest, stream):
    """A card comes and goes meanwhile: it is in the spec while it is bound."""
    uevents = guest.uevents()
    mark = uevents.mark()
    guest.machine.device_add(HOTPLUGGED_MODEL, id="hp", bus=HOTPLUG_PORTS[0])
    try:
        uevents.wait(lambda text: re.search(rf"\badd .*{HOTPLUGGED} ", text), 60, mark, "the card")
        guest.wait_until(lambda: guest.driver(HOTPLUGGED) == "vfio-pci", 60, "the card to be bound")
        node = f"/dev/vfio/{guest.group(HOTPLUGGED)}"
        guest.wait_until(lambda: spec(guest).get("plugged") == [node], 60, "the card in the spec")
    finally:
        guest.machine.device_del("hp")
    guest.wait_until(lambda: "plugged" not in spec(guest), 60, "the spec to be without the card")
    expect(not stream.ended, f"the reader ended before the card had gone: {stream.lines[-5:]}")


def churn(guest, count, seconds):
    """Binds, releases, hotplugs and kills at random while a reader looks at each file that comes; it has so many seconds."""
    seed = int(os.environ.get("VFIO_BIND_SEED", random.randrange(1 << 30)))
    guest.put("/run/publish_reader.py", READER.read_text(encoding="utf-8"))
    guest.configure(PLUGGED_RULE)
    deadline = time.monotonic() + seconds
    stream = guest.machine.start_stream(f"python3 /run/publish_reader.py {count} {seed} {GPU} {NIC_A} {TWIN_A} {TWIN_B}")
    for number in range(0, count - 30, 20):     # the last card is to come and go before the reader ends
        stream.wait(lambda text, number=number: f'"round": {number},' in text, deadline - time.monotonic(),
                    what=f"round {number}")
        plug_and_unplug(guest, stream)
    code = stream.wait_end(deadline - time.monotonic())
    expect(code == 0, f"with VFIO_BIND_SEED={seed} the reader ended with {code}: {stream.lines[-5:]}")
    lines = [json.loads(text) for name, text in stream.lines if name == "stdout"]
    told, kills = lines[-1], sum(line["killed"] for line in lines[:-1])
    expect(not told["wrong"], f"with VFIO_BIND_SEED={seed}: {told['wrong'][:5]}")
    expect(told["seen"][SPEC] >= count / 2 and told["seen"][METRICS] >= count / 2, f"too few files came: {told['seen']}")
    print(f"  {count - kills} binds and releases, {kills} kills, seed {seed}: the spec was true "
          f"{statistics.median(told['late']):.1f} ms after JobRemoved (median; at most {told['late'][-1]:.1f})", flush=True)
    for address in told["left"]:
        guest.done("Release", address)
    guest.wait_until(lambda: not spec(guest), 30, "no spec where nothing is bound")


@scenario("publish-is-always-true", seconds=900)
def always_true(guest):
    churn(guest, 100, 800)


@scenario("publish-is-always-true-1000x", named=True, seconds=8400)
def always_true_long(guest):
    churn(guest, 1000, 8000)


@scenario("publish-follows-the-rule", seconds=180)
def follows(guest):
    """The name stays through a restart and a kill of the daemon; the metrics say how it stands."""
    guest.configure(RULE)
    guest.wait_state(GPU, "bound")
    expect(list(spec(guest)) == ["guest-gpu"], f"the spec has {spec(guest)}")
    group = guest.group(GPU)
    sample = f'vfio_bind_group_state{{group="{group}",rule="guest-gpu",state="bound"}} 1'
    expect(sample in guest.out("vfio-bindctl metrics").splitlines(), f"no {sample}")
    before = guest.out(f"stat -c %i {SPEC}")
    guest.systemctl("restart")
    guest.run(f"pkill -9 -x vfio-bindd; timeout 30 sh -c 'until busctl status org.vfiobind1 >/dev/null 2>&1; do :; done'", 40)
    expect(list(spec(guest)) == ["guest-gpu"] and guest.out(f"stat -c %i {SPEC}") == before, "a true spec was written anew")
    guest.configure("[publish]\nmetrics = false\n" + RULE)
    guest.run(f"timeout 10 sh -c 'while test -e {METRICS}; do :; done'", 20)
    said = guest.run("vfio-bindctl metrics", check=False)
    expect(said.code == 1 and "metrics = false" in said.stderr, f"without the file: {said}")


@scenario("publish-says-what-the-spec-lacks", seconds=120)
def lacks(guest):
    """Debian's kernels make no cdevs. The group is bound all the same, and by its own node it comes back."""
    guest.configure('[publish]\ncdi-nodes = "cdev"\n' + RULE)
    guest.wait_state(GPU, "bound")
    guest.wait_until(lambda: "the CDI spec lacks guest-gpu: cdi-nodes is" in str(guest.get(ROOT, MANAGER, "Warnings")), 20,
                     "a warning of the spec")
    expect(spec(guest) == {}, f"the spec has {spec(guest)}")
    guest.configure(RULE)
    guest.wait_until(lambda: "CDI" not in str(guest.get(ROOT, MANAGER, "Warnings")), 20, "the end of the warning")
    expect(spec(guest) == {"guest-gpu": [f"/dev/vfio/{guest.group(GPU)}"]}, f"the spec has {spec(guest)}")


@scenario("publish-nfd-says-what-is-missing", seconds=120)
def nfd(guest):
    """The folder is not there: a warning, and the group is bound all the same."""
    guest.configure("[publish]\nnfd = true\n" + RULE)
    guest.wait_state(GPU, "bound")
    guest.wait_until(lambda: "features.d/vfio-bind" in guest.out("vfio-bindctl --json status"), 20, "a warning of NFD's file")
