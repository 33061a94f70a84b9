# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad input: a sentence that names the thing and what would be right, and nothing is touched."""

import re

from boots import AUDIO, GPU, TWIN_A
from guest import CONFIG, GROUP, MANAGER, ROOT, UNIT, BusError, expect, sysfs
from scenarios import scenario
from scenarios_bind import BOUND, GPU_RULE

PLACE = r"/etc/vfio-bind\.toml:\d+:\d+: "


def reload_refused(guest, text, *words):
    """The text as configuration is refused with file:line:column and a sentence with these words in it."""
    guest.put(CONFIG, text)
    name, message = guest.refused(ROOT, MANAGER, "Reload")
    expect(name == "ConfigInvalid", f"Reload failed with {name}, not ConfigInvalid: {message}")
    expect(re.search(PLACE, message), f"no file:line:column in: {message}")
    for word in words:
        expect(re.search(word, message), f"'{word}' is not named in: {message}")
    return message


# case 47
@scenario("reload-of-a-broken-file-keeps-the-policy")
def broken_reload(guest):
    before = guest.drivers()
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    message = reload_refused(guest, '[[bind]]\nname = "x"\ndevices = [\n')
    rules = guest.get(ROOT, MANAGER, "Rules")
    expect([rule[0] for rule in rules] == ["guest-gpu"], f"the rules in force are now {rules}")
    error = guest.get(ROOT, MANAGER, "ConfigError")
    expect(re.search(PLACE, error), f"ConfigError is '{error}' after a refused Reload ({message})")
    guest.expect_drivers(BOUND, before)
    guest.configure(GPU_RULE)
    expect(guest.get(ROOT, MANAGER, "ConfigError") == "", "ConfigError stays after a good Reload")


# case 63
@scenario("start-with-a-broken-file")
def broken_start(guest):
    before = guest.drivers()
    guest.put(CONFIG, GPU_RULE + "no-such-key = 1\n")
    with guest.no_kernel_writes("a start with a broken configuration"):
        guest.systemctl("restart")
        expect(guest.out(f"systemctl is-active {UNIT} || true") == "active", "the daemon does not run")
        error = guest.get(ROOT, MANAGER, "ConfigError")
    expect(error and re.search(PLACE + ".*no-such-key", error), f"ConfigError is '{error}'")
    expect(guest.get(ROOT, MANAGER, "Rules") == [], "rules are in force from a broken configuration")
    guest.expect_drivers({}, before)
    shown = guest.run("vfio-bindctl status", check=False)
    expect("no-such-key" in shown.stdout + shown.stderr, "vfio-bindctl status does not show the error")


# case 63
@scenario("start-without-a-file")
def missing_file(guest):
    before = guest.drivers()
    guest.run(f"rm {CONFIG}")
    guest.systemctl("restart")
    expect(guest.get(ROOT, MANAGER, "ConfigError") == "", "a missing file counts as an error")
    guest.expect_drivers({}, before)


@scenario("unknown-key-is-refused")
def unknown_key(guest):
    message = reload_refused(guest, f'[[bind]]\nname = "a"\ndevices = ["{GPU}"]\ndevics = []\n', "devics")
    expect(":4:" in message, f"the key is in line 4, the message says: {message}")


@scenario("wrong-type-is-refused")
def wrong_type(guest):
    reload_refused(guest, f'[[bind]]\nname = "a"\ndevices = ["{GPU}"]\ncount = "one"\n', "count", "integer|number")


@scenario("unknown-selector-is-refused")
def unknown_selector(guest):
    reload_refused(guest, '[[bind]]\nname = "a"\ndevices = ["the big card"]\n', "the big card")


@scenario("all-errors-at-once")
def all_errors(guest):
    message = reload_refused(guest, '[[bind]]\nname = "a b"\ndevices = ["zz"]\nwhat = 1\n', "a b", "zz", "what")
    expect(len(re.findall(PLACE, message)) >= 3, f"three mistakes, but: {message}")


# case 61
@scenario("two-drivers-for-one-group-are-refused")
def two_drivers(guest):
    before = guest.drivers()
    guest.put(CONFIG, f'[[bind]]\nname = "first"\ndevices = ["{GPU}"]\ndriver = "vfio-pci"\n'
                      f'[[bind]]\nname = "second"\ndevices = ["{AUDIO}"]\ndriver = "pci-stub"\n')
    name, message = guest.refused(ROOT, MANAGER, "Reload")
    expect(name == "ConfigInvalid", f"Reload failed with {name}: {message}")
    for word in ("first", "second"):
        expect(word in message, f"rule '{word}' is not named in: {message}")
    guest.expect_drivers({}, before)


def not_possible(guest, rule, target):
    """A rule that cannot be carried out: refused at Reload, or by Check; gives all that was said."""
    before = guest.drivers()
    guest.put(CONFIG, rule)
    try:
        guest.call(ROOT, MANAGER, "Reload")
        possible, blockers, _ = guest.call(ROOT, MANAGER, "Check", "sa{sv}", target, 0)
        expect(not possible, f"Check says that rule '{target}' can be carried out")
        said = "; ".join(" ".join(blocker) for blocker in blockers)
    except BusError as error:
        said = error.text
    guest.expect_drivers({}, before)
    return said


# case 65
@scenario("rule-that-names-only-a-bridge")
def only_a_bridge(guest):
    said = not_possible(guest, '[[bind]]\nname = "port"\ndevices = ["0000:00:05.0"]\n', "port")
    for word in ("0000:00:05.0", "bridge"):
        expect(word in said, f"'{word}' is not in the sentence: {said}")


# case 11
@scenario("address-with-the-wrong-id")
def wrong_id(guest):
    rule = f'[[bind]]\nname = "gpu"\ndevices = [{{ address = "{GPU}", id = "10de:1284" }}]\n'
    said = not_possible(guest, rule, "gpu")
    for word in (GPU, "10de:1284", "1234:1111"):
        expect(word in said, f"'{word}' is not in the sentence: {said}")


# case 12
@scenario("count-that-does-not-fit")
def wrong_count(guest):
    said = not_possible(guest, '[[bind]]\nname = "nic"\ndevices = ["8086:10d3"]\ncount = 1\n', "nic")
    expect(re.search(r"\b2\b|two", said) and re.search(r"\b1\b|one", said), f"it does not say how many matched: {said}")


@scenario("unknown-targets-on-the-bus")
def unknown_targets(guest):
    """case 52, the forms that are no address at all included."""
    for target, wanted in (("0000:77:00.0", "NoSuchDevice"), ("group/999", "NoSuchGroup"), ("no-such-rule", "NoSuchRule"),
                           ("ffff:ffff", "NoSuchDevice"), ("../../etc", "InvalidArgument"), ("", "InvalidArgument")):
        name, message = guest.refused(ROOT, MANAGER, "Bind", f"'{target}'", "@a{sv} {}")
        expect(name == wanted, f"target '{target}': {name} instead of {wanted} ({message})")
        expect(target in message, f"target '{target}' is not named in: {message}")


@scenario("unknown-options-on-the-bus")
def unknown_options(guest):
    for options, word in (("{'colour': <'red'>}", "colour"), ("{'driver': <7>}", "driver"),
                          ("{'method': <'magic'>}", "magic"), ("{'allow': <['no-such-code']>}", "no-such-code")):
        name, message = guest.refused(ROOT, MANAGER, "Bind", f"'{GPU}'", options)
        expect(name == "InvalidArgument", f"options {options}: {name} ({message})")
        expect(word in message, f"'{word}' is not named in: {message}")


# case 19
@scenario("missing-vfio-pci-module", seconds=150)
def missing_module(guest):
    before = guest.drivers()
    module = guest.out("modinfo -n vfio-pci")
    guest.run("modprobe -r vfio-pci", 20)
    guest.run(f"mv {module} {module}.away")
    try:
        name, message = guest.refused(ROOT, MANAGER, "Bind", f"'{GPU}'", "@a{sv} {}", seconds=60)
        expect(name in ("DriverMissing", "Blocked"), f"Bind without the module: {name} ({message})")
        expect("module vfio_pci could not be loaded" in message, f"why it is not there is not told in: {message}")
        guest.configure(GPU_RULE)
        guest.wait_state(GPU, "blocked")
        codes = [blocker[0] for blocker in guest.get(guest.group_path(GPU), GROUP, "Blockers")]
        expect("driver-missing" in codes, f"the group's blockers are {codes}")
        guest.expect_drivers({}, before)
    finally:
        guest.run(f"mv {module}.away {module}")


# case 28
@scenario("foreign-override-is-respected")
def foreign_override(guest):
    before = guest.drivers()
    guest.run(f"echo none > {sysfs(TWIN_A, 'driver_override')}", 20)
    try:
        name, message = guest.refused(ROOT, MANAGER, "Bind", f"'{TWIN_A}'", "@a{sv} {}")
        expect(name == "Blocked", f"Bind over a foreign override: {name} ({message})")
        expect("none" in message and TWIN_A in message, f"override and device are not named in: {message}")
        expect(guest.override(TWIN_A) == "none", "the foreign override was changed")
        guest.expect_drivers({}, before)
    finally:
        guest.run(f"echo > {sysfs(TWIN_A, 'driver_override')}", 20)


@scenario("no-iommu-is-explained", boot="no-iommu")
def no_iommu(guest):
    """case 21, 22"""
    before = guest.drivers()
    kind = guest.get(ROOT, MANAGER, "Iommu")
    expect(kind == "none", f"Iommu is '{kind}'")
    name, message = guest.refused(ROOT, MANAGER, "Bind", f"'{GPU}'", "@a{sv} {}")
    expect(name == "Blocked", f"Bind without an IOMMU: {name} ({message})")
    expect("intel_iommu=on" in message, f"it does not say what to switch on: {message}")
    with guest.no_kernel_writes("a rule where there is no IOMMU"):
        guest.configure(GPU_RULE)
        possible, blockers, _ = guest.call(ROOT, MANAGER, "Check", "sa{sv}", "guest-gpu", 0)
    expect(not possible and "no-iommu" in [b[0] for b in blockers], f"Check says {possible}, {blockers}")
    guest.expect_drivers({}, before)
