# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the README and the manual print is typed in as it stands there."""

import json
import pathlib
import re

from boots import AUDIO, GPU, GPU_ID, TWIN_A
from guest import CONFIG, expect
from scenarios import scenario
from scenarios_bind import GPU_RULE

TOP = pathlib.Path(__file__).resolve().parents[2]
README = TOP / "README.md"
MANUAL = TOP / "packaging/man/vfio-bindctl.1"
# The guest's devices in place of the examples'.
IN_THE_GUEST = {"10de:1284": GPU_ID, "0000:03:00.0": TWIN_A}


def commands(program):
    """The README's lines that call the program; `sudo` is left out, since the guest's channel is root's."""
    found = re.findall(rf"^    (?:sudo )?({program} .*?)(?: +#.*)?$", README.read_text(encoding="utf-8"), re.MULTILINE)
    expect(found, f"the README has no line that calls {program}")
    return found


@scenario("readme-busctl-examples", seconds=150)
def busctl_examples(guest):
    for command in commands("busctl"):
        # A monitor ends only when it is told to; by then it must have connected.
        ends = " monitor " not in command
        result = guest.run(command if ends else f"timeout 3 {command}", 60, check=False)
        expect(result.code == (0 if ends else 124), f"`{command}` ends with {result.code}: {result.stderr}")
        if " Bind " in command:
            guest.wait_state(GPU, "bound")
        if " Release " in command:
            guest.wait_state(GPU, "native")


@scenario("readme-configuration-is-valid")
def configuration(guest):
    text = README.read_text(encoding="utf-8")
    guest.put(CONFIG, re.search(r"```toml\n(.*?)```", text, re.DOTALL).group(1))
    said = guest.run("/usr/libexec/vfio-bindd --dry-run").stdout
    expect("rule guest-gpu" in said and AUDIO not in said, f"the dry run of the README's configuration says: {said}")


def in_the_guest(text):
    for example, device in IN_THE_GUEST.items():
        text = text.replace(example, device)
    return text


@scenario("readme-vfio-bindctl-examples", seconds=200)
def tool_examples(guest):
    """From an empty configuration to the first bound group, and back."""
    text = re.search(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL).group(1)
    guest.put(CONFIG, in_the_guest(text))
    for command in map(in_the_guest, commands("vfio-bindctl")):
        result = guest.run(command, 60, check=False)
        expect(result.code == 0, f"`{command}` ends with {result.code}: {result.stdout}{result.stderr}")
        if " reload" in command:
            guest.wait_state(GPU, "bound")
            guest.wait_state(TWIN_A, "bound")
        if " release" in command:
            guest.wait_state(GPU, "native")


def manual_commands():
    """The lines of vfio-bindctl(1)'s examples that call it; what is behind a pipe is left out."""
    examples = MANUAL.read_text(encoding="utf-8").split("\n.Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    examples = examples.replace("\\e\n", "").replace(r"\(aq", "'")
    found = re.findall(r"^[#$] (vfio-bindctl [^|\n]*[^|\n ])", examples, re.MULTILINE)
    expect(found, f"{MANUAL.name} has no examples")
    return found


# A QEMU that is content with a device: the guest is too small for another guest; `run-qemu` has a real one.
STAND_IN = ("/usr/local/bin/qemu-system-x86_64",
            '#!/bin/sh\ncase "$*" in *vfio-pci,host=*) ;; *) echo "no device in: $*" >&2; exit 1 ;; esac\n', 0o755)


@scenario("manual-vfio-bindctl-examples", seconds=200)
def manual_examples(guest):
    guest.put(*STAND_IN)
    try:
        tried_examples(guest)
    finally:
        guest.run(f"rm -f {STAND_IN[0]}")


def tried_examples(guest):
    for command in manual_commands():
        if "guest-gpu" in command:
            guest.configure(GPU_RULE)
            guest.wait_state(GPU, "bound")
        result = guest.run(command, 60, check=False)
        expect(result.code == 0, f"`{command}` ends with {result.code}: {result.stdout}{result.stderr}")
        if " bind " in command:
            guest.wait_state(GPU, "bound")
        if "--json" in command:
            states = [group["state"] for group in json.loads(result.stdout)["groups"]]
            expect(states == ["bound"], f"`{command}` tells {states}")
