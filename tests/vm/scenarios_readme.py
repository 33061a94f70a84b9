# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the README prints is typed in as it stands there."""

import pathlib
import re

from boots import AUDIO, GPU
from guest import CONFIG, expect
from scenarios import scenario

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


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
