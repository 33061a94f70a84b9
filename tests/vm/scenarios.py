# SPDX-License-Identifier: LGPL-2.1-or-later
"""The register of scenarios. Importing a scenarios_*.py fills it; run.py runs it."""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    run: Callable
    boot: str           # a name from boots.BOOTS; all scenarios of one boot share it
    seconds: int        # limit for the scenario, the clean-up before it not counted
    fresh: bool         # wants the guest as it is right after the installation: runs before the others
    named: bool         # runs only when --only names it: long
    timed: bool         # measures time: nothing else is to use the host's processors meanwhile


REGISTER: list[Scenario] = []


def scenario(name, *, boot="intel", seconds=90, fresh=False, named=False, timed=False):
    """Registers a function that takes a Guest. It passes unless it raises; see guest.expect()."""
    def register(function):
        if any(other.name == name for other in REGISTER):
            raise ValueError(f"two scenarios are named {name}")
        REGISTER.append(Scenario(name, function, boot, seconds, fresh, named, timed))
        return function
    return register


def load():
    for path in sorted(pathlib.Path(__file__).resolve().parent.glob("scenarios_*.py")):
        importlib.import_module(path.stem)
    return REGISTER
