# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is not root: he may look, and change what polkit lets him change. With the polkitd of the distribution."""

import contextlib
import json
import re
import shlex

from boots import AUDIO, GPU, TWIN_A, TWIN_B
from guest import MANAGER, NAME, ROOT, expect
from scenarios import scenario

MEMBER, OTHER, CIRCLE = "rigmember", "rigother", "rigcircle"    # two users, and the group that the first is in
RULES = "/etc/polkit-1/rules.d/50-vfio-bind-rig.rules"
POLKIT = "polkit.service"
DENIED, ASK = (f"org.freedesktop.DBus.Error.{name}" for name in ("AccessDenied", "InteractiveAuthorizationRequired"))
ONE_CARD = """\
polkit.addRule(function(action, subject) {
    if ((action.id == "org.vfiobind1.bind" || action.id == "org.vfiobind1.release") &&
        action.lookup("group") == "%(group)d" && action.lookup("devices") == "%(device)s" &&
        action.lookup("driver") == "auto" && !action.lookup("allow") && subject.isInGroup("%(circle)s"))
        return polkit.Result.YES;
});
"""


@contextlib.contextmanager
def users(guest):
    guest.run(f"groupadd {CIRCLE} && useradd -M -G {CIRCLE} {MEMBER} && useradd -M {OTHER}", 30)
    try:
        yield
    finally:
        guest.run(f"userdel {MEMBER}; userdel {OTHER}; groupdel {CIRCLE}", 30, check=False)


@contextlib.contextmanager
def rules(guest, text):
    """polkitd reads its rules before it takes its name, and the start waits for that."""
    guest.put(RULES, text)
    try:
        guest.run(f"systemctl restart {POLKIT}", 60)
        yield
    finally:
        guest.run(f"rm -f {RULES}; systemctl restart {POLKIT}", 60, check=False)


def by(user, *words):
    return shlex.join(["runuser", "-u", user, "--", *words])


def bus_call(member, target, options=("0",)):
    return ["busctl", "--json=short", "call", NAME, ROOT, MANAGER, member, "sa{sv}", target, *options]


def gdbus_call(member, target, options="{}", interactive=False):
    """busctl prints neither the name of an error nor, of AccessDenied, its sentence; gdbus does."""
    flags = ["--interactive"] if interactive else []
    return ["gdbus", "call", "--system", *flags, "--dest", NAME, "--object-path", ROOT, "--method", f"{MANAGER}.{member}",
            f"'{target}'", f"@a{{sv}} {options}"]


def refused_to(guest, user, member, target, options="{}", interactive=False):
    """The error's name and its sentence."""
    result = guest.run(by(user, *gdbus_call(member, target, options, interactive)), 60, check=False)
    expect(result.code != 0, f"{member} of {target} with {options} was not refused to {user}: {result.stdout.strip()}")
    found = re.search(r"GDBus\.Error:([\w.]+): (.*)", result.stderr, re.S)
    expect(found, f"{member} of {target} by {user} failed without the name of a D-Bus error: {result.stderr.strip()}")
    return found.group(1), found.group(2).strip()


def done_by(guest, user, member, target):
    """Bind or Release by the user, which is one job that ends well."""
    mark = guest.signals().mark()
    jobs = json.loads(guest.out(by(user, *bus_call(member, target)), 60))["data"][0]
    expect(len(jobs) == 1, f"{member} of {target} by {user} gave the jobs {jobs}")
    message = guest.wait_signal(mark, lambda m: m["member"] == "JobRemoved" and m["payload"]["data"][1] == jobs[0], 60,
                                f"the end of {jobs[0]}")
    expect(message["payload"]["data"][3] == "done", f"{member} of {target} by {user} ended {message['payload']['data'][3]}")


@scenario("polkit-reading-is-open-to-everyone")
def reading(guest):
    with users(guest):
        status = guest.out(by(OTHER, "vfio-bindctl", "status", "--all"))
        expect("01:00.0" in status, f"status shows an ordinary user no {GPU}: {status}")
        document = json.loads(guest.out(by(OTHER, "vfio-bindctl", "--json", "status")))
        expect(document == json.loads(guest.call(ROOT, MANAGER, "Describe")[0]), "Describe tells an ordinary user another state")
        objects = json.loads(guest.out(by(OTHER, "busctl", "--json=short", "call", NAME, ROOT,
                                          "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")))["data"][0]
        expect(objects == guest.objects(), "GetManagedObjects gives an ordinary user other objects")
        possible = json.loads(guest.out(by(OTHER, *bus_call("Check", TWIN_A))))["data"][0]
        expect(possible is True, f"Check tells an ordinary user that Bind of {TWIN_A} is not possible")


@scenario("polkit-refuses-ordinary-users")
def refuses(guest):
    with users(guest):
        before = guest.drivers()
        with guest.no_kernel_writes("what an ordinary user is refused"):
            for member, action in (("Bind", "bind"), ("Release", "release")):
                name, text = refused_to(guest, MEMBER, member, TWIN_A)
                expect(name == ASK and f"org.vfiobind1.{action}" in text, f"{member} without a dialogue: {name}: {text}")
                # There is no agent that could ask.
                name, text = refused_to(guest, MEMBER, member, TWIN_A, interactive=True)
                expect(name == DENIED and f"org.vfiobind1.{action}" in text, f"{member} with nobody to ask: {name}: {text}")
            for allowed, words in (("no", "the call does not allow to ask"), ("yes", "Access denied")):
                call = bus_call("Bind", TWIN_A)
                call.insert(1, f"--allow-interactive-authorization={allowed}")
                result = guest.run(by(MEMBER, *call), 60, check=False)
                expect(result.code != 0 and words in result.stderr, f"no refusal with '{words}' by busctl: {result}")
            result = guest.run(by(MEMBER, "vfio-bindctl", "bind", TWIN_A), 60, check=False)
            expect(result.code == 1 and "org.vfiobind1.bind" in result.stderr, f"no refusal by vfio-bindctl: {result}")
        guest.expect_drivers({}, before)


@scenario("polkit-rule-for-one-card", seconds=150)
def one_card(guest):
    """One group of users, one device; nobody else, and nothing else."""
    with users(guest), rules(guest, ONE_CARD % {"group": guest.group(TWIN_A), "device": TWIN_A, "circle": CIRCLE}):
        before = guest.drivers()
        done_by(guest, MEMBER, "Bind", TWIN_A)
        guest.expect_drivers({TWIN_A: "vfio-pci"}, before)
        name, text = refused_to(guest, OTHER, "Release", TWIN_A)
        expect(name == ASK, f"Release by who is not in the group of users: {name}: {text}")
        done_by(guest, MEMBER, "Release", TWIN_A)
        guest.expect_drivers({}, before)
        with guest.no_kernel_writes("what the rule does not cover"):
            for user, target, options in (
                    (OTHER, TWIN_A, "{}"), (MEMBER, TWIN_B, "{}"), (MEMBER, GPU, "{}"), (MEMBER, AUDIO, "{}"),
                    (MEMBER, "8086:10d3", "{}"),    # both twins
                    (MEMBER, TWIN_A, "{'driver': <'pci-stub'>}"), (MEMBER, TWIN_A, "{'allow': <['mounted']>}"),
                    (MEMBER, TWIN_A, "{'persist': <true>}")):
                name, text = refused_to(guest, user, "Bind", target, options)
                expect(name == ASK, f"Bind of {target} with {options} by {user}: {name}: {text}")
        guest.expect_drivers({}, before)


def at(text):
    """When the bus passed the message on, in seconds."""
    return json.loads(text)["timestamp-realtime"] / 1e6


@scenario("polkit-that-hangs-holds-up-nobody", seconds=150, timed=True)
def hung(guest):
    with users(guest), contextlib.ExitStack() as stack:
        guest.run("modprobe vfio-pci", 30)
        before = guest.drivers()
        guest.run(f"systemctl start {POLKIT}", 60)
        stack.callback(guest.run, f"systemctl kill --signal=CONT {POLKIT}", 30)
        guest.run(f"systemctl kill --signal=STOP {POLKIT}", 30)
        bus = guest.monitor("type='error'", "type='method_call',member='CheckAuthorization'")
        stack.callback(bus.stop)
        user = guest.machine.start_stream(by(MEMBER, *gdbus_call("Bind", TWIN_A)))
        asked = at(bus.wait(lambda text: "org.vfiobind1.bind" in text, 20, what="the question to polkit"))

        mark = guest.signals().mark()
        shown = guest.out(by(OTHER, "vfio-bindctl", "status", "--all"))
        jobs = guest.call(ROOT, MANAGER, "Bind", "sa{sv}", GPU, 0)[0]
        expect(not user.ended, "the user's denial came before root's answer: nothing was shown")
        expect("01:00.0" in shown, f"status shows no {GPU} meanwhile: {shown}")
        message = guest.wait_signal(mark, lambda m: m["member"] == "JobRemoved" and m["payload"]["data"][1] == jobs[0], 60,
                                    "the end of root's job")
        expect(message["payload"]["data"][3] == "done", f"root's job ended {message['payload']['data'][3]}")

        seconds = at(bus.wait(lambda text: DENIED in text and "does not answer" in text, 30, what="the denial")) - asked
        expect(seconds < 10, f"the user was denied after {seconds:.1f} s")
        expect(user.wait_end(30) != 0, "the user's call was not refused")
        print(f"note: with polkitd stopped, an ordinary user is denied after {seconds:.1f} s", flush=True)
        guest.expect_drivers({GPU: "vfio-pci", AUDIO: "vfio-pci"}, before)


@scenario("polkit-that-is-missing-denies-all-but-root")
def missing(guest):
    with users(guest):
        before = guest.drivers()
        guest.run(f"systemctl mask --runtime --now {POLKIT}", 60)
        try:
            name, text = refused_to(guest, MEMBER, "Bind", TWIN_A)
            expect(name == DENIED and "polkit" in text, f"Bind without polkit: {name}: {text}")
            guest.done("Bind", TWIN_B)
        finally:
            guest.run(f"systemctl unmask --runtime {POLKIT}", 60)
        guest.expect_drivers({TWIN_B: "vfio-pci"}, before)
