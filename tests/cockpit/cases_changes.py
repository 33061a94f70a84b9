# SPDX-License-Identifier: LGPL-2.1-or-later
"""What changes while the page is open."""

import json

from cases import DISK, GPU, NIC, bind_by_clicks, case, equal, rule
from machines import device


@case("what is plugged in is shown, and what is torn out is gone")
def _(page, host):
    page.open(host.url(), "[data-group]")
    host.tell("hotplug " + json.dumps(device("0000:05:00.0", "8086:10d3", "020000", 12)))
    page.see("[data-group='12']", "05:00.0")
    host.tell("unplug 0000:05:00.0")
    page.gone("[data-group='12']")


@case("a group that goes while it is looked at is said to be gone, and is back when it is")
def _(page, host):
    page.open(host.url("group/9"), "#bind")
    page.click("#bind")
    page.see("dialog")
    host.tell(f"unplug {DISK}")
    page.gone("dialog")
    page.see(".empty", "no such group")
    host.tell("hotplug " + json.dumps(device(DISK, "144d:a808", "010802", 9)))
    page.see("#bind")


@case("what is plugged in and has a rule is shown handed over", config=rule("lan", "8086:1533"))
def _(page, host):
    page.open(host.url(), "[data-group]")
    host.tell("hotplug " + json.dumps(device("0000:05:00.0", "8086:1533", "020000", 12)))
    page.see_state(12, "bound")
    page.see("[data-group='12']", "Rule lan")


@case("two pages see the same at once")
def _(page, host):
    first = page.driver.current_window_handle
    page.open(host.url(), "[data-group]")
    page.driver.switch_to.new_window("tab")
    second = page.driver.current_window_handle
    try:
        page.open(host.url("group/3"), "#bind")
        page.driver.switch_to.window(first)
        bind_by_clicks(page, 3)
        page.see("[data-result='done']")
        page.driver.switch_to.window(second)
        page.see("[data-state='bound']")
        equal(page.find(".toast"), [], "what is said of another page's request")
        page.click("#release")
        page.click("dialog #go")
        page.driver.switch_to.window(first)
        page.see_state(3, "native")
        equal(page.errors(), [], "errors of the first page")
    finally:
        page.driver.switch_to.window(second)
        page.driver.close()
        page.driver.switch_to.window(first)


@case("what another program changes is seen as that", picture="drifted")
def _(page, host):
    page.open(host.url(), "[data-group]")
    bind_by_clicks(page, 3)
    page.see_state(3, "bound")
    host.tell(f"echo /sys/bus/pci/drivers/vfio-pci/unbind {NIC}")
    page.see_state(3, "drifted")
    page.see("[data-trouble='3']")
    page.picture("drifted")


@case("a rule that is in the way of the host is blocked, and says why", config=rule("card", GPU), machine="boot-display", picture="rule-blocked")
def _(page, host):
    page.open(host.url(), "[data-trouble='1']")
    page.see_state(1, "blocked")
    page.see("[data-trouble='1']", "boot")


@case("while the daemon is away nothing is claimed, and it goes on by itself", picture="away")
def _(page, host):
    page.open(host.url(), "[data-group]")
    host.stop_daemon()
    page.see("[data-away='away']", "does not run")
    equal(page.find("[data-group], [data-state]"), [], "what is claimed of groups")
    page.picture("away")
    host.start_daemon()
    page.see("[data-group='1']")


@case("a daemon that starts anew is followed, with what it has adopted")
def _(page, host):
    page.open(host.url(), "[data-group]")
    bind_by_clicks(page, 3)
    page.see_state(3, "bound")
    page.type("#search", "82574L")
    host.tell("restart")
    host.settle()
    page.see_state(3, "bound")
    equal(page.js("return document.querySelector('#search').value"), "82574L", "what was searched for")
    host.tell("hotplug " + json.dumps(device("0000:05:00.0", "8086:10d3", "020000", 12)))
    page.see("[data-group='12']")


@case("a daemon that does not run when the page is opened is said so, and can be started")
def _(page, host):
    host.stop_daemon()
    page.open(host.url(), "[data-away='away']")
    page.click("#start")
    page.see("[data-away='away']", "does not run")
    host.start_daemon()
    page.see("[data-group='1']")


@case("focus, selection and what was typed survive changes")
def _(page, host):
    page.open(host.url(), "[data-group]")
    page.type("#search", "10d3")
    page.gone("[data-group='1']")
    bound = ("call", "org.vfiobind1", "/org/vfiobind1/group/5", "org.vfiobind1.Group")
    page.js("document.querySelector(\"[data-group='5'] button\").focus(); window.row = document.querySelector(\"[data-group='3']\")")
    host.bus_call(*bound, "Bind", "a{sv}", "0")
    page.see_state(5, "bound")
    equal(page.js("return document.activeElement.innerText"), "Give back", "what has the focus")
    assert page.js("return row === document.querySelector(\"[data-group='3']\")"), "a row that did not change was made anew"
    equal(page.js("return document.querySelector('#search').value"), "10d3", "the search")
