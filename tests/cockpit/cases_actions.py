# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done, and how it ends."""

from cases import GPU, NIC, QUICK, begin_stuck, bind_by_clicks, case, equal, rule
from page import Keys

AS_USER = {"user": "nobody", "polkit": "no"}


@case("a card is handed over and given back by clicks", picture="bound")
def _(page, host):
    page.open(host.url(), "[data-group]")
    bind_by_clicks(page, 1)
    page.see("[data-result='done']", "Group 1, NVIDIA Corporation GK208 [GeForce GT 630 Rev. 2] is handed over.")
    page.see_state(1, "bound")
    equal(host.driver(GPU), "vfio-pci", "the driver")
    bind_by_clicks(page, 1)
    page.see("[data-result='done']", "is given back")
    page.see_state(1, "native")
    equal(host.driver(GPU), "nouveau", "the driver")


@case("the dialog says beforehand what will be done", picture="dialog")
def _(page, host):
    page.open(host.url("group/1"), "#bind")
    page.click("#bind")
    page.see("dialog h2", "Hand over NVIDIA Corporation GK208")
    page.see("dialog .alert", "Nothing stands against it")
    page.click("dialog summary")
    page.see("dialog ol", f"bind {GPU} vfio-pci")
    page.click("#cancel")
    page.gone("dialog")
    equal(host.tell("writes"), [], "what was written")


@case("each reason that can be allowed has a tick, and is allowed by it alone", picture="allow", machine="boot-display")
def _(page, host):
    page.open(host.url("group/1"), "[data-blocker]")
    codes = page.js("return [...new Set([...document.querySelectorAll('[data-blocker]')].map(e => e.dataset.blocker))]")
    assert "boot-display" in codes, codes
    page.click("#bind")
    page.see("dialog fieldset")
    for code in codes:
        assert page.js("return document.querySelector('#go').disabled"), f"it may be done before {code} is allowed"
        page.click(f"dialog [name='allow-{code}']")
    page.click("#go")
    page.see("[data-result='done']")
    equal(host.driver(GPU), "vfio-pci", "the driver")


@case("what cannot be allowed has no tick", machine="direct")
def _(page, host):
    page.open(host.url("group/3"), "[data-blocker='direct-reserved-region']")
    page.click("#bind")
    page.see("#firm", "This cannot be allowed")
    equal(page.find("dialog [name^='allow-']"), [], "ticks")
    assert page.js("return document.querySelector('#go').disabled")


@case("what is kept after a restart is written as a rule, and taken out again")
def _(page, host):
    page.open(host.url("group/3"), "#bind")
    page.click("#bind")
    page.see("dialog .alert")
    page.click("dialog [name='persist']")
    page.click("#go")
    page.see("[data-result='done']")
    written = list(host.config.parent.glob("vfio-bind.d/*.toml"))
    assert written and "02:00.0" in written[0].read_text(), written
    page.click("#release")
    page.see("dialog", "takes it again")
    page.click("dialog [name='persist']")
    page.click("#go")
    page.see("[data-result='done']", "is given back")
    assert not any("02:00.0" in file.read_text() for file in host.config.parent.glob("vfio-bind.d/*.toml"))


@case("steps are shown while they are done, and what hangs as stuck", picture="stuck")
def _(page, host):
    page.open(host.url("group/3"), "#bind")
    begin_stuck(host, NIC, "e1000e")
    page.see("#job", f"unbind {NIC}")
    page.see("#job .job-stuck", "hangs in the kernel")
    page.see("[data-trouble='3']", "Stuck in the kernel")
    equal(page.find("#bind, #release"), [], "buttons while it is stuck")
    page.picture("stuck")
    page.open(host.url(), "[data-trouble='3']")
    page.see_state(3, "stuck")
    host.tell("finish-hang")
    page.see_state(3, "bound")
    page.gone("[data-trouble='3']")


@case("a release that hangs is stuck until the holder ends", config=QUICK + rule("lan", NIC), picture="hung-release")
def _(page, host):
    page.open(host.url("group/3"), "#release")
    host.tell("hold 812 3")
    page.click("#release")
    page.see("dialog")
    page.click("#go")
    page.see("dialog [data-refusal='InUse']", "812")
    assert page.js("return document.querySelector('#go').disabled")
    page.click("dialog [name='allow-held-by-vm']")
    page.click("#go")
    page.gone("dialog")
    page.see("#job .job-stuck", "hangs in the kernel")
    page.see("#held", "812")
    page.picture("hung-release")
    host.tell("end 812")
    page.see("#bind")
    equal(host.driver(NIC), "e1000e", "the driver")


@case("a failure that was undone says so, with step and error", picture="rolled-back")
def _(page, host):
    host.tell(f"fail-at vfio-pci/bind <- {NIC} ENODEV 1000")
    page.open(host.url(), "[data-group]")
    bind_by_clicks(page, 3)
    page.see("[data-result='rolled-back']", "Group 3, Intel Corporation 82574L Gigabit Network Connection: this failed, and everything is as it was before")
    page.see("[data-result='rolled-back']", "ENODEV")
    page.see("[data-trouble='3']", "ENODEV")
    equal(host.driver(NIC), "e1000e", "the driver")


@case("a failure that could not be undone looks worse", picture="failed")
def _(page, host):
    host.tell(f"fail-at vfio-pci/bind <- {NIC} ENODEV 1000")
    host.tell(f"fail-at e1000e/bind <- {NIC} EIO 1000")
    page.open(host.url(), "[data-group]")
    bind_by_clicks(page, 3)
    page.see("[data-result='failed'].toast .tone-danger", "not all of it could be undone")


@case("a second request while the group is worked on is told so", config='[defaults]\ntimeout = "60s"\n', picture="busy")
def _(page, host):
    page.open(host.url("group/3"), "#bind")
    page.click("#bind")
    page.see("dialog .alert")
    host.tell(f"hang-at e1000e/unbind <- {NIC}")
    host.bus_call("call", "org.vfiobind1", "/org/vfiobind1/group/3", "org.vfiobind1.Group", "Bind", "a{sv}", "0")
    page.click("#go")
    page.see("[data-refusal='Busy'] .tone-busy", "being worked on")
    page.picture("busy")
    host.tell("finish-hang")


@case("who may not is told so, and nothing is done", picture="denied", **AS_USER)
def _(page, host):
    page.open(host.url(), "[data-group]")
    page.click("[data-group='3'] button")
    page.click("dialog #go")
    page.see("[role='alert'] .tone-denied", "You may not do this")
    page.see("[role='alert'] .tone-denied", "administrative access")
    page.picture("denied")
    equal(host.driver(NIC), "e1000e", "the driver")


@case("who is asked for a password by polkit, and knows it, may", user="nobody", polkit="challenge")
def _(page, host):
    page.open(host.url(), "[data-group]")
    bind_by_clicks(page, 3)
    page.see("[data-result='done']")
    equal(host.driver(NIC), "vfio-pci", "the driver")


@case("who may not reload is told so", **AS_USER)
def _(page, host):
    page.open(host.url("rules"), "#reload")
    page.click("#reload")
    page.see("[role='alert'] .tone-denied", "You may not do this")
    page.wait("the button", lambda: page.js("return !document.querySelector('#reload').disabled"))


@case("a reload takes a new rule into force")
def _(page, host):
    page.open(host.url("rules"), "#reload")
    page.see("main", "There are none")
    host.config.write_text(rule("lan", NIC))
    page.click("#reload")
    page.see("[data-rule='lan'] [data-state='bound']")
    page.see(".toast", "in force")


@case("a request that changes nothing says that nothing was to be done")
def _(page, host):
    page.open(host.url("group/3"), "#bind")
    page.click("#bind")
    page.see("dialog .alert")
    host.bus_call("call", "org.vfiobind1", "/org/vfiobind1/group/3", "org.vfiobind1.Group", "Bind", "a{sv}", "0")
    host.settle()
    page.click("#go")
    page.see(".toast", "Nothing was to be done")


@case("all is done by keyboard alone")
def _(page, host):
    page.open(host.url(), "[data-group]")

    def tab_to(what, condition):
        for _step in range(60):
            page.press(Keys.TAB)
            if page.js(f"const e = document.activeElement; return {condition}"):
                return
        raise AssertionError(f"the tab key does not come to {what}")

    tab_to("the search", "e.id === 'search'")
    page.press("82574L 02:00")
    page.gone("[data-group='1']")
    tab_to("the button", "e.ariaLabel?.startsWith('Hand over')")
    outline = page.js("return getComputedStyle(document.activeElement).outlineStyle")
    equal(outline, "solid", "the mark of what has the focus")
    page.press(Keys.ENTER)
    page.see("dialog .alert")
    tab_to("the tick", "e.name === 'persist'")
    tab_to("the verb", "e.id === 'go'")
    page.press(Keys.ENTER)
    page.gone("dialog")
    page.see_state(3, "bound")
    assert page.js("return document.activeElement.closest('[data-group]')?.dataset.group") == "3", "the focus is lost"
    page.press(Keys.ENTER)
    page.see("dialog")
    page.press(Keys.ESCAPE)
    page.gone("dialog")
    tab_to("the rules", "e.hash === '#/rules'")
    page.press(Keys.ENTER)
    page.see("#reload")
    equal(page.js("return document.activeElement.tagName"), "H1", "where the focus goes with the view")
