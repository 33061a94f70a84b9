# SPDX-License-Identifier: LGPL-2.1-or-later
"""From the last release to this one, and back: whoever uses a device goes on doing so, and nothing is forgotten."""

import contextlib
import json

import released
from boots import MANY_NICS
from guest import CONFIG, GROUP, JOB, MANAGER, ROOT, UNIT, expect
from scenarios import scenario
from scenarios_faults import expect_job_result, force_release, held
from scenarios_lease import leases
from scenarios_package import DPKG, PACKAGE, installed

# Over what an administrator has written, as unattended-upgrades does it.
INSTALL = f"{DPKG} --force-confold -i"
RELEASED = "/var/tmp/vfio-bind-released.deb"
LEDGER, JOURNALS = "/run/vfio-bind/ledger.json", "/run/vfio-bind/journal"
DROP_IN = "/etc/vfio-bind.d/50-rig.toml"

BY_RULE, BY_CALL, PERSISTED, LET_GO = MANY_NICS[:8], MANY_NICS[8:15], MANY_NICS[15], MANY_NICS[16]
BOUND = MANY_NICS[:16]
# Two of a rule and one of a call are in use; the last two of these hang in a release.
USED_A, USED_B, STUCK = BY_RULE[0], BY_CALL[0], BY_RULE[7]

# Each way of 0.1.0 to write a rule.
RULES = f"""\
[daemon]
log-level = "debug"

[defaults]
driver = "auto"
timeout = "5s"

[vfio-pci]
disable-idle-d3 = true

[[bind]]
name = "addresses"
devices = [{', '.join(f'"{address}"' for address in BY_RULE[:4])}]
node = {{ group = "disk", mode = "0660" }}

[[bind]]
name = "tables"
devices = [{', '.join(f'{{ address = "{address}", id = "8086:10d3" }}' for address in BY_RULE[4:7])}]
driver = "vfio-pci"
method = "override"
count = 3

[[bind]]
name = "short"
devices = ["{BY_RULE[7].removeprefix('0000:')}", "{LET_GO.removeprefix('0000:')}"]
keep = true
allow = ["default-route"]
"""


def groups(guest):
    """What the daemon says of each group of the NICs, without what only one of the two versions knows, and without holders: who
    they are is looked for where it matters."""
    described = json.loads(guest.call(ROOT, MANAGER, "Describe")[0])
    return {group["devices"][0]: {key: group[key] for key in ("number", "state", "rule", "driver", "node", "viable")}
            for group in described["groups"] if group["devices"][0] in MANY_NICS}


def expect_same_groups(guest, before, when):
    now = {}

    def same():
        now.update(groups(guest))
        return now == before
    with contextlib.suppress(Exception):
        guest.wait_until(same, 60, "")
    wrong = [f"{address} was {before[address]} and is {now.get(address)}" for address in before if now.get(address) != before[address]]
    expect(not wrong, f"{when}: {'; '.join(wrong)}")


def ledger(guest):
    return json.loads(guest.machine.get(LEDGER))


def install(guest, package, what):
    """Over what is there, with everything in use; what dpkg said."""
    pid = guest.pid()
    with guest.no_kernel_writes(what):
        said = guest.run(f"{INSTALL} {package}", 300)
        guest.wait_until(lambda: guest.pid() not in (0, pid) and guest.get(ROOT, MANAGER, "Version"), 60, "the other daemon")
    return said.stdout + said.stderr


def unread(guest, since):
    """Lines of the daemon's log since a cursor in which it says that it cannot read something."""
    log = guest.out(f"journalctl -u {UNIT} --after-cursor={since!r} -o cat --no-pager")
    return [line for line in log.splitlines() if "cannot be read" in line or "is no journal" in line or "unknown" in line]


def cursor(guest):
    return guest.out("journalctl -n 0 --show-cursor --no-pager | sed -n 's/^-- cursor: //p'")


def with_released(guest):
    """The last release's package in place of today's, as it was when it came new, and sixteen groups bound by it."""
    expect(guest.machine.boot.suite == released.host_suite(), f"the last release's package is built for "
           f"{released.host_suite()}, where this runs, and the guest has {guest.machine.boot.suite}")
    guest.put(RELEASED, released.package().read_bytes())
    guest.run(f"{DPKG} --purge vfio-bind && {DPKG} -i {RELEASED}", 300)
    expect(installed(guest) == f"installed {released.VERSION}", f"dpkg has it as '{installed(guest)}'")
    guest.configure(RULES)
    for address in BY_CALL:
        guest.done("Bind", address)
    guest.run(f"vfio-bindctl bind --persist {PERSISTED}", 60)
    for address in BOUND:
        guest.wait_state(address, "bound")
    guest.done("Release", LET_GO)


@contextlib.contextmanager
def in_use(guest):
    """Two groups are held by a VM, and a third, whose release hangs for it; gives the VM and the release's job."""
    with held(guest, USED_A) as first, held(guest, USED_B) as second, held(guest, STUCK) as third:
        yield (first, second), third, force_release(guest, STUCK)


# case 40
@scenario("upgrade-from-the-last-release-and-back", boot="many", seconds=1500, named=True)
def upgrade(guest):
    native = guest.drivers()
    with_released(guest)
    with in_use(guest) as (vms, hung, job):
        before, noted, drivers = groups(guest), ledger(guest), guest.drivers()
        holders = guest.get(guest.group_path(STUCK), GROUP, "Holders")
        expect(holders, "the last release does not say who holds the group that hangs: nothing was tested")
        states = [group["state"] for group in before.values()]
        expect(sorted(states) == ["bound"] * 15 + ["native", "stuck"], f"the last release's groups are {states}")
        expect(len(noted) == 17, f"the last release's ledger has {len(noted)} groups: nothing was tested")
        journals = guest.out(f"ls {JOURNALS}")
        since = cursor(guest)
        install(guest, PACKAGE, "the upgrade")
        expect_same_groups(guest, before, "after the upgrade")
        guest.wait_until(lambda: guest.get(guest.group_path(STUCK), GROUP, "Holders") == holders, 30, f"Holders to be {holders} again")
        expect(ledger(guest) == noted, f"the ledger was {noted} and is {ledger(guest)}")
        guest.expect_drivers({}, drivers)
        expect(guest.machine.get(CONFIG).decode() == RULES, "the administrator's configuration was touched")
        expect(guest.get(ROOT, MANAGER, "ConfigError") == "", f"ConfigError: {guest.get(ROOT, MANAGER, 'ConfigError')}")
        expect(not unread(guest, since), f"the upgraded daemon: {unread(guest, since)}")
        expect(guest.out(f"ls {JOURNALS}") == journals, f"the journals were {journals} and are {guest.out(f'ls {JOURNALS}')}")
        jobs = guest.get(ROOT, MANAGER, "Jobs")
        expect(len(jobs) == 1 and guest.get(jobs[0], JOB, "State") == "stuck" and guest.get(jobs[0], JOB, "Kind") == "release",
               f"the release that hangs, {job} before, is not among the jobs: {jobs}")
        expect(not any(vm.ended for vm in (*vms, hung)), "the upgrade has ended a VM")
        end_of_the_hang(guest, hung, jobs[0])
        back(guest, drivers)
    release_all(guest, native)


def end_of_the_hang(guest, hung, job):
    """The VM ends: the worker of the last release ends its transaction, and this release's daemon hears of it."""
    mark = guest.signals().mark()
    hung.stop()
    expect_job_result(guest, mark, job, "done")
    guest.wait_state(STUCK, "native")
    expect(guest.out(f"ls -A {JOURNALS}") == "", f"journals are left: {guest.out(f'ls -A {JOURNALS}')}")
    guest.done("Bind", STUCK)


def back(guest, drivers):
    """To the last release again, with what it knows nothing of: a key of a rule, and a lease."""
    guest.put(DROP_IN, '[[bind]]\nname = "new"\ndevices = ["fffe:fffe"]\nwhen = "asked"\n')
    guest.call(ROOT, MANAGER, "Reload")
    guest.wait_state(LET_GO, "bound")       # a changed configuration ends the release that was asked for
    holder = guest.machine.start_stream(f"vfio-bindctl hold {USED_A}")
    try:
        guest.wait_until(lambda: leases(guest, USED_A), 30, "a lease")
        before, noted, since = groups(guest), ledger(guest), cursor(guest)
        said = install(guest, RELEASED, "the downgrade")
        expect("lease" in said and released.VERSION in said, f"the package does not say that leases are unknown there: {said}")
        error = guest.get(ROOT, MANAGER, "ConfigError")
        expect(error.startswith(f"{DROP_IN}:4:") and "when" in error, f"the last release does not say what it cannot read: {error}")
        status = guest.run("vfio-bindctl status", 60, check=False)
        expect(f"{DROP_IN}:4:" in status.stdout + status.stderr, f"its status does not show that: {status}")
        guest.expect_drivers({STUCK: "vfio-pci", LET_GO: "vfio-pci"}, drivers)
        expect(ledger(guest) == noted, f"the ledger was {noted} and is {ledger(guest)}")
        guest.run(f"rm {DROP_IN}")
        with guest.no_kernel_writes("a reload without the key"):
            guest.call(ROOT, MANAGER, "Reload")
        expect_same_groups(guest, before, "after the downgrade")
        other = [line for line in unread(guest, since) if DROP_IN not in line]
        expect(not other, f"the last release: {other}")

        install(guest, PACKAGE, "the second upgrade")
        expect_same_groups(guest, before, "after the second upgrade")
        expect(len(leases(guest, USED_A)) == 1, f"the lease is not there again: {leases(guest, USED_A)}")
    finally:
        holder.stop()


def release_all(guest, native):
    """What the last release had noted of native drivers serves to give every group back."""
    guest.put(CONFIG, "# no rules\n")
    guest.run("rm -f /etc/vfio-bind.d/*")
    guest.call(ROOT, MANAGER, "Reload")
    for address in MANY_NICS:
        guest.done("Release", address)
    guest.expect_drivers({}, native)
    left = guest.get(guest.group_path(USED_A), GROUP, "LastError")
    expect(left == "", f"LastError stays: {left}")
