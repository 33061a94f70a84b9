# SPDX-License-Identifier: LGPL-2.1-or-later
"""Groups that are somebody's for as long as he holds a lease, and rules that take groups when they are asked for."""

import json

from cases import GPU, NIC, case, equal, rule
from machines import device

ASKED = rule("desk", GPU, when='"asked"')


@case("a lease is shown with its user, its time and what it is for", picture="leased")
def _(page, host):
    page.open(host.url("group/3"), "#bind")
    lease = host.lease("group/3", "VM win11")
    page.see("[data-state='bound']")
    page.see("#held li", "user 0 holds a lease since")
    page.see("#held li", ": VM win11")
    second = host.lease("group/3", "a test")
    page.see("#held li:nth-child(2)", ": a test")
    page.picture("leased")
    lease.terminate()
    page.wait("one lease", lambda: len(page.find("#held li")) == 1)
    page.see("#held li", ": a test")
    second.terminate()
    page.see("#bind")
    equal(page.find("#held"), [], "who has it after the last lease")
    equal(host.driver(NIC), "e1000e", "the driver")


@case("a leased group is given back only by its own tick, which names who has it", picture="leased-release")
def _(page, host):
    lease = host.lease("group/3", "VM win11")
    page.open(host.url("group/3"), "#held li")
    page.click("#release")
    page.see("dialog fieldset", "when its last lease has ended")
    page.see("dialog .tick", ": VM win11")
    assert page.js("return document.querySelector('#go').disabled"), "it may be given back before that is allowed"
    equal(page.find("dialog [name='allow-held-by-vm']"), [], "ticks for a program")
    page.picture("leased-release")
    page.click("dialog [name='allow-leased']")
    page.click("#go")
    page.see("[data-result='done']", "is given back")
    equal(host.driver(NIC), "e1000e", "the driver")
    equal(lease.poll(), None, "how whoever holds the lease ended")


@case("a rule that waits to be asked shows its devices, with the host until then", config=ASKED, picture="asked")
def _(page, host):
    page.open(host.url("rules"), "[data-rule='desk']")
    page.see("[data-rule='desk']", "only when asked for")
    page.see("[data-rule='desk']", "GK208")
    page.see("[data-rule='desk'] [data-state='native']")
    assert "no such device" not in page.text("[data-rule='desk']")
    page.picture("asked")
    lease = host.lease("desk", "a test")
    page.see("[data-rule='desk'] [data-state='bound']")
    page.open(host.url("group/1"), "#release")
    page.click("#release")
    page.see("dialog fieldset", ": a test")
    assert "takes it again" not in page.text("dialog"), "a rule that waits takes nothing by itself"
    page.click("#cancel")
    page.gone("dialog")
    lease.terminate()
    page.see("#bind")
    equal(host.driver(GPU), "nouveau", "the driver")


@case("a rule that comes to wait, and a device that comes for it, are seen", config=ASKED.replace(GPU, "8086:1533"))
def _(page, host):
    page.open(host.url("rules"), "[data-rule='desk']")
    page.see("[data-rule='desk']", "no such device in this machine now")
    host.tell("hotplug " + json.dumps(device("0000:05:00.0", "8086:1533", "020000", 12)))
    page.see("[data-rule='desk'] [data-state='native']")
    host.config.write_text(rule("desk", "8086:1533"))
    page.click("#reload")
    page.see("[data-rule='desk'] [data-state='bound']")
    assert "only when asked for" not in page.text("[data-rule='desk']")
