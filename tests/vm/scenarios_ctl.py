# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfio-bindctl as a person or a script meets it: what it prints, and its exit codes."""

from boots import AUDIO, GPU, TWIN_A
from guest import UNIT, expect, sysfs
from scenarios import scenario
from scenarios_bind import BOUND


def ctl(guest, arguments, code):
    result = guest.run(f"COLUMNS=80 vfio-bindctl {arguments}", 60, check=False)
    expect(result.code == code, f"exit code {result.code} instead of {code}: {result}")
    return result.stdout + result.stderr


@scenario("ctl-bind-status-release")
def bind_status_release(guest):
    before = guest.drivers()
    said = ctl(guest, f"bind {GPU}", 0)
    guest.expect_drivers(BOUND, before)
    expect(AUDIO in said, f"the steps that `bind` shows do not name {AUDIO}: {said}")
    table = ctl(guest, "status", 0)
    line = next((text for text in table.splitlines() if "01:00.0" in text), "")
    expect("vfio-pci" in line, f"status has no line with 01:00.0 and vfio-pci:\n{table}")
    wide = [text for text in table.splitlines() if len(text) > 80]
    expect(not wide, f"a line of status is wider than 80 columns: {wide[:1]}")
    ctl(guest, f"release {GPU}", 0)
    guest.expect_drivers({}, before)


@scenario("ctl-exit-codes")
def exit_codes(guest):
    ctl(guest, "bind --no-such-option x", 2)
    ctl(guest, "no-such-command", 2)
    said = ctl(guest, "bind 0000:77:00.0", 1)
    expect("0000:77:00.0" in said, f"the target is not named: {said}")
    guest.run(f"echo none > {sysfs(TWIN_A, 'driver_override')}", 20)
    try:
        said = ctl(guest, f"check {TWIN_A}", 3)
        expect("foreign-driver-override" in said, f"the blocker's code is not named: {said}")
        ctl(guest, f"bind {TWIN_A}", 3)
    finally:
        guest.run(f"echo > {sysfs(TWIN_A, 'driver_override')}", 20)


@scenario("ctl-without-a-daemon")
def no_daemon(guest):
    # Masked: otherwise the bus would start the daemon for the asking.
    guest.run(f"systemctl mask --runtime --now {UNIT}", 60)
    try:
        said = ctl(guest, "status", 4)
        expect(UNIT in said or "vfio-bindd" in said, f"it does not say what is not running: {said}")
    finally:
        guest.run(f"systemctl unmask --runtime {UNIT} && systemctl start {UNIT}", 60)


@scenario("ctl-started-by-the-bus")
def bus_activation(guest):
    guest.systemctl("stop")
    ctl(guest, "status", 0)
    expect(guest.out(f"systemctl is-active {UNIT} || true") == "active", "the bus did not start the service")


@scenario("dry-run-prints-the-plan")
def dry_run(guest):
    before = guest.drivers()
    guest.put("/tmp/dry.toml", f'[[bind]]\nname = "dry"\ndevices = ["{GPU}"]\n')
    with guest.no_kernel_writes("--dry-run"):
        plan = guest.out("/usr/libexec/vfio-bindd --dry-run --config /tmp/dry.toml")
    for address in (GPU, AUDIO):
        expect(address in plan, f"the plan does not name {address}: {plan}")
    guest.expect_drivers({}, before)
