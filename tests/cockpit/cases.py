# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a case is, and what cases have in common."""

from machines import DISK, GPU, NIC, TWIN, USB, standard  # noqa: F401, for the cases

CASES = {}
QUICK = '[defaults]\ntimeout = "200ms"\n'


def case(sentence, machine=standard, picture=None, **host):
    """A case is a function of (page, host); `host` is what Host takes; `picture` names what is kept of its end."""

    def register(function):
        assert sentence not in CASES, sentence
        CASES[sentence] = (function, machine, picture, host)
        return function

    return register


def rule(name, *devices, **keys):
    more = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'[[bind]]\nname = "{name}"\ndevices = [{", ".join(f"{chr(34)}{one}{chr(34)}" for one in devices)}]\n{more}'


def equal(actual, expected, what):
    assert actual == expected, f"{what}: {actual!r}, not {expected!r}"


def begin_stuck(host, address, driver):
    """A rule comes into force for a device whose driver does not let go of it."""
    host.tell(f"hang-at {driver}/unbind <- {address}")
    host.config.write_text(QUICK + rule("slow", address))
    host.bus_call("call", "org.vfiobind1", "/org/vfiobind1", "org.vfiobind1.Manager", "Reload")


def bind_by_clicks(page, group, number="go"):
    """Opens the dialog from the list, and confirms."""
    page.click(f"[data-group='{group}'] button")
    page.see("dialog")
    page.click(f"dialog #{number}")
    page.gone("dialog")
