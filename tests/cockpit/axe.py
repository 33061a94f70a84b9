# SPDX-License-Identifier: LGPL-2.1-or-later
"""axe-core on every view: nothing serious is found."""

from cases import NIC, QUICK, USB, begin_stuck, case, rule
from machines import without_iommu

script = None

RUN = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(result => done(result.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .map(one => `${one.id}: ${one.help}: ${one.nodes.map(node => node.html.slice(0, 200)).join(" | ")}`)), error => done([String(error)]));
"""


def nothing_serious(page, where):
    for style in ("light", "dark"):
        page.theme(style)
        page.js(script.read_text())
        found = page.driver.execute_async_script(RUN)
        assert not found, f"{where}, {style}:\n" + "\n".join(found)


@case("axe finds nothing serious on the views", config=QUICK + rule("lan", NIC) + rule("desk", USB, when='"asked"'),
      machine="boot-display")
def _(page, host):
    for view, ready in (("", "[data-group]"), ("group/1", "[data-blocker]"), ("group/3", "#export-text"), ("rules", "[data-rule]"),
                        ("health", "[data-level]"), ("group/99", ".empty")):
        page.open(host.url(view), ready)
        nothing_serious(page, view or "groups")
    page.open(host.url("group/1"), "#bind")
    page.click("#bind")
    page.see("dialog fieldset")
    nothing_serious(page, "the dialog")
    host.lease("group/9", "VM win11")
    page.open(host.url("group/9"), "#held li")
    nothing_serious(page, "a leased group")
    page.click("#release")
    page.see("dialog fieldset")
    nothing_serious(page, "the dialog for a leased group")


@case("axe finds nothing serious where something is wrong", config="")
def _(page, host):
    page.open(host.url("group/3"), "#bind")
    begin_stuck(host, NIC, "e1000e")
    page.see("#job .job-stuck")
    nothing_serious(page, "a stuck group")
    host.config.write_text("nonsense")
    page.open(host.url("rules"), "#reload")
    page.click("#reload")
    page.see("#config-error .source-wrong")
    nothing_serious(page, "a broken configuration")
    host.stop_daemon()
    page.see("[data-away]")
    nothing_serious(page, "no daemon")


@case("axe finds nothing serious without an IOMMU", machine=without_iommu)
def _(page, host):
    page.open(host.url(), ".empty-state")
    nothing_serious(page, "no IOMMU")
