# SPDX-License-Identifier: LGPL-2.1-or-later
"""pause-units: a unit that holds the card stands still for a bind and runs again, however that ends."""

import contextlib

from boots import GPU
from guest import JOB, MANAGER, ROOT, expect
from scenarios import scenario
from scenarios_bind import BOUND, GPU_RULE
from scenarios_lease import ASKED, running, wait_given_back

HOLDER, IDLE, OTHER = "rig-holder.service", "rig-idle.service", "rig-other.service"
UNITS = "/run/systemd/system"
STARTS = "/run/rig-starts"      # a line for each start of a unit
GATE = "/run/rig-gate"          # a stop waits for a line from here
BIND = "/sys/bus/pci/drivers/vfio-pci/bind"


def holding(node, more=""):
    """A unit that is up once it has the node open."""
    return ("[Service]\nType=notify\nNotifyAccess=all\n"
            f"ExecStart=/bin/sh -c 'exec 3<{node} && echo %n >> {STARTS} && systemd-notify --ready && exec sleep 1000'\n{more}")


@contextlib.contextmanager
def holder(guest, more=""):
    """A unit that has the card's DRM node open, another one that does not run, and a rule that pauses both."""
    node = f"/dev/dri/by-path/pci-{GPU}-card"
    guest.run(f"udevadm settle; test -e {node}; rm -f {STARTS}", 60)
    guest.put(f"{UNITS}/{HOLDER}", holding(node, more))
    guest.put(f"{UNITS}/{IDLE}", holding("/dev/null"))
    guest.put(f"{UNITS}/{OTHER}", holding(node))
    try:
        guest.run(f"systemctl daemon-reload && systemctl start {HOLDER}", 60)
        guest.configure(ASKED + f'pause-units = ["{HOLDER}", "{IDLE}"]\n')
        yield
    finally:
        # The end of the first can start the last.
        guest.run(f"rm -f {GATE}; systemctl kill --signal=KILL {HOLDER}; systemctl stop {HOLDER}; systemctl stop {IDLE} {OTHER}; "
                  f"cd {UNITS} && rm -f {HOLDER} {IDLE} {OTHER}; rm -f {STARTS}; systemctl daemon-reload; "
                  "systemctl reset-failed", 60, check=False)


def active(guest, unit=HOLDER):
    return guest.out(f"systemctl is-active {unit} || true")


@contextlib.contextmanager
def starts_of(guest):
    """The lines of STARTS as they come."""
    stream = guest.machine.start_stream(f"tail -n +1 -F {STARTS}")
    try:
        yield stream
    finally:
        stream.stop()


def wait_runs_again(guest, began=(HOLDER, HOLDER)):
    """The unit has been started once more, as the last that is said in STARTS; the other one has not."""
    with starts_of(guest) as starts:
        seen = []
        starts.wait(lambda text: seen.append(text) or seen.count(HOLDER) == began.count(HOLDER), 60,
                    what=f"{HOLDER} to be started again")
    guest.wait_until(lambda: active(guest) == "active", 60, f"{HOLDER} to be up again")
    expect(active(guest, IDLE) == "inactive", f"{IDLE}, which did not run before, is {active(guest, IDLE)}")
    seen = guest.out(f"cat {STARTS}").splitlines()
    expect(seen == list(began), f"the units that were started are {seen}")


@scenario("paused-unit-runs-again-after-the-lease", seconds=180)
def after_the_lease(guest):
    with holder(guest):
        steps = guest.call(ROOT, MANAGER, "Check", "sa{sv}", GPU, 0)[2]
        expect(f"stop {HOLDER}" in steps, f"a check does not tell what is stopped: {steps}")
        expect(active(guest) == "active", "a check has stopped the unit")
        with running(guest, "guest-gpu"):
            guest.expect_drivers(BOUND, guest.pristine)
            expect(active(guest) == "inactive", f"under the lease the unit is {active(guest)}")
        wait_given_back(guest)
        wait_runs_again(guest)


@scenario("paused-unit-runs-again-after-a-refusal", seconds=240)
def after_a_refusal(guest):
    """When the unit has stopped another process has the card; then the kernel refuses the bind."""
    with holder(guest, f"ExecStopPost=systemctl start {OTHER}\n"):
        name, text = guest.refused(ROOT, MANAGER, "Bind", "'guest-gpu'", "{}", seconds=60)
        expect(name == "Blocked" and "display-in-use" in text, f"refused with {name}: {text}")
        guest.expect_drivers({}, guest.pristine)
        wait_runs_again(guest, (HOLDER, OTHER, HOLDER))
    with holder(guest):
        guest.run("modprobe vfio-pci", 30)
        with guest.tampered_writes(BIND, "error=EBUSY"):
            results = guest.job("Bind", "guest-gpu")
            expect(list(results.values()) == ["rolled-back"], f"the job ended with {results}")
        wait_given_back(guest)
        wait_runs_again(guest)


@scenario("unit-stays-where-pausing-it-helps-nobody", seconds=120)
def helps_nobody(guest):
    with holder(guest):
        guest.run(f"systemctl start {OTHER}", 30)
        name, text = guest.refused(ROOT, MANAGER, "Bind", "'guest-gpu'", "{}", seconds=60)
        expect(name == "Blocked" and "display-in-use" in text, f"refused with {name}: {text}")
        began = guest.out(f"cat {STARTS}").splitlines()
        expect(active(guest) == "active" and began == [HOLDER, OTHER], f"the unit is {active(guest)}; started were {began}")


def kill_daemon(guest):
    pid = guest.pid()
    guest.run(f"kill -9 {pid}")
    guest.wait_until(lambda: guest.pid() not in (0, pid), 40, "systemd to start the killed daemon again")


def wait_step(guest, step):
    def reached():
        return any(step in str(guest.get(job, JOB, "Steps")) for job in guest.get(ROOT, MANAGER, "Jobs") or [])
    guest.wait_until(reached, 60, f"the step '{step}'")


@scenario("paused-unit-runs-again-after-the-daemons-death", seconds=300)
def after_death(guest):
    """The daemon is killed while the unit stops; then with the unit stopped and the bind begun."""
    gate = f"ExecStopPost=/bin/sh -c 'echo stops >> {STARTS}; read line < {GATE}'\n"
    with holder(guest, gate), starts_of(guest) as starts:
        guest.run(f"mkfifo {GATE}")
        client = guest.machine.start_stream("vfio-bindctl run guest-gpu -- sleep 1000")
        starts.wait(lambda text: text == "stops", 60, what="the unit to stop")
        kill_daemon(guest)
        guest.run(f"echo go > {GATE}", 30)
        expect(client.wait_end(60) == 125, f"`run` ended with {client.code}")
        wait_runs_again(guest, (HOLDER, "stops", HOLDER))
        guest.expect_drivers({}, guest.pristine)
    with holder(guest):
        guest.run("modprobe vfio-pci", 30)
        with guest.tampered_writes(BIND, "delay_enter=5000000"):
            client = guest.machine.start_stream("vfio-bindctl run guest-gpu -- sleep 1000")
            wait_step(guest, f"bind {GPU} vfio-pci")
            expect(active(guest) == "inactive", f"while the card is bound the unit is {active(guest)}")
            kill_daemon(guest)
        expect(client.wait_end(60) == 125, f"`run` ended with {client.code}")
        wait_given_back(guest)
        wait_runs_again(guest)


def consoles(guest):
    """Names of the framebuffer consoles, and whether the kernel has the terminals on them."""
    text = guest.out("cd /sys/class/vtconsole && grep -l '(M) frame buffer' */name | while read f; do "
                     "echo ${f%/name} $(cat ${f%/name}/bind); done")
    return dict(line.split() for line in text.splitlines())


# case 9
@scenario("console-is-let-go-of-and-taken-back", seconds=240)
def console(guest):
    """However a bind ends; and only a console that was bound before."""
    had = consoles(guest)
    expect(list(had.values()) == ["1"], f"the card does not show the terminals: {had}")
    name = next(iter(had))
    # What the terminals are taken off by hand goes on showing a picture, which is nobody's then.
    guest.configure(GPU_RULE + 'when = "asked"\nallow = ["console", "boot-display", "display-in-use"]\n')
    steps = guest.call(ROOT, MANAGER, "Check", "sa{sv}", "guest-gpu", 0)[2]
    expect(f"let-go {name}" in steps, f"a check does not tell of the console: {steps}")
    guest.run("modprobe vfio-pci", 30)
    unbind = f"/sys/bus/pci/drivers/{guest.pristine[GPU]}/unbind"

    def rolled_back(still):
        with guest.tampered_writes(unbind, "error=EIO"):
            results = guest.job("Bind", "guest-gpu")
            expect(list(results.values()) == ["rolled-back"], f"the job ended with {results}")
        expect(consoles(guest) == {name: still}, f"after a failed bind the consoles are {consoles(guest)}")

    rolled_back("1")
    guest.run(f"echo 0 > /sys/class/vtconsole/{name}/bind")
    rolled_back("0")
    guest.run(f"echo 1 > /sys/class/vtconsole/{name}/bind")
    with guest.tampered_writes(unbind, "delay_enter=20000000"):
        guest.run("vfio-bindctl bind guest-gpu >/dev/null 2>&1 &")
        wait_step(guest, f"unbind {GPU}")
        expect(consoles(guest) == {name: "0"}, f"before the unbind the consoles are {consoles(guest)}")
        guest.run("pkill -9 -x vfio-bind-work")
        guest.wait_until(lambda: consoles(guest) == {name: "1"}, 40, "the console of a worker that was killed")
    guest.wait_until(lambda: guest.state(GPU) in ("native", "bound"), 60, "the daemon to be through")
    guest.job("Bind", "guest-gpu")
    guest.expect_drivers(BOUND, guest.pristine)
    guest.done("Release", "guest-gpu")
    expect(consoles(guest) == {name: "1"}, f"with the card back the consoles are {consoles(guest)}")
