# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is to be seen."""

from cases import GPU, NIC, case, equal, rule
from machines import function, many, without_iommu
from page import Keys


def names(page, kind):
    return page.js("return [...document.querySelectorAll(`[data-kind='${arguments[0]}'] [data-group]`)].map(e => e.dataset.group)", kind)


@case("groups are listed by what they are", picture="groups")
def _(page, host):
    page.open(host.url(), "[data-group]")
    found = {kind: names(page, kind) for kind in ("display", "network", "storage", "usb")}
    equal(found, {"display": ["1"], "network": ["3", "5"], "storage": ["9"], "usb": ["10"]}, "groups by kind")
    page.see("#machine, .head", "vfio-bind 0.")
    page.see("[data-group='1']", "GK208")
    page.see("[data-group='1']", "snd_hda_intel")


@case("bridges and parts of the chipset are folded, and unfold on demand")
def _(page, host):
    page.open(host.url(), "[data-group]")
    equal(names(page, "system"), [], "shown while folded")
    page.click("[data-kind='system'] summary")
    page.see("[data-kind='system'] [data-group='6']")
    equal(page.find("[data-kind='system'] button"), [], "buttons at what no VM is given")


@case("devices in no group are said to be out of reach")
def _(page, host):
    page.open(host.url(), "[data-group]")
    page.click("[data-kind='groupless'] summary")
    page.see("[data-kind='groupless']", "00:19.0")


@case("search finds by name, address, id, driver and group, bridges too")
def _(page, host):
    page.open(host.url(), "[data-group]")
    for words, groups in {"geforce": ["1"], "02:00.0": ["3"], "10d3": ["3", "5"], "nvme": ["9"], "snd_hda": ["1"], "29c0": ["6"],
                          "82574L 03:00": ["5"]}.items():
        page.type("#search", words)
        page.wait(f"what '{words}' finds", lambda: page.js(
            "return [...document.querySelectorAll('[data-group]')].map(e => e.dataset.group)") == groups)
    page.type("#search", "no such thing")
    page.see(".empty", "no such thing")


@case("one group tells of its devices, their resets and what drives them", picture="group")
def _(page, host):
    host.answer("groups --json", {"groups": [{"devices": [{"address": GPU, "kind": "VGA compatible controller", "msi": True, "msi-x": False}]}],
                                  "groupless": []})
    page.open(host.url("group/1"), "#against .alert")
    page.see(f"[data-device='{GPU}']", "reset: flr, bus")
    page.see(f"[data-device='{GPU}'] .marks", "MSI")
    page.see(f"[data-device='{GPU}']", "VGA compatible controller")
    page.see(f"[data-device='{GPU}']", "nouveau")
    page.see(f"[data-device='{GPU}']", "0000:00/01.0/00.0")
    assert "MSI-X" not in page.text(f"[data-device='{GPU}'] .marks")


@case("what stands against a group is said in the daemon's words, with what to do in the doctor's", picture="blocked", machine="boot-display")
def _(page, host):
    host.answer("doctor group/1 --json", {"target": "group/1", "possible": False, "certain": True, "findings": [
        {"level": "error", "topic": "boot-display", "device": GPU, "sentence": "", "remedy": "let another card be the first", "unknown": False}]})
    page.open(host.url("group/1"), "[data-blocker='boot-display']")
    page.see("[data-blocker='boot-display']", "To do: let another card be the first")


@case("a group that does not exist is said not to")
def _(page, host):
    page.open(host.url("group/4711"), ".empty")
    page.see(".empty", "no such group")


@case("texts for VMs are those of vfio-bindctl, for every program that it knows", picture="export")
def _(page, host):
    host.bus_call("call", "org.vfiobind1", "/org/vfiobind1/group/3", "org.vfiobind1.Group", "Bind", "a{sv}", "0")
    host.settle()
    page.open(host.url("group/3"), "#export-text")
    page.see("#export-text", "-device vfio-pci,host=0000:02:00.0")
    equal(page.js("return [...document.querySelectorAll('#program option')].map(e => e.value)"), host.exporters(), "programs")
    page.js("const s = document.querySelector('#program'); s.value = 'libvirt'; s.dispatchEvent(new Event('change'))")
    page.see("#export-text", "<hostdev")


@case("the copy button copies")
def _(page, host):
    host.bus_call("call", "org.vfiobind1", "/org/vfiobind1/group/3", "org.vfiobind1.Group", "Bind", "a{sv}", "0")
    host.settle()
    page.open(host.url("group/3"), "#export-text")
    page.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    page.click("#copy")
    page.see("#export", "Copied")
    copied = page.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    equal(copied, page.text("#export-text"), "the clipboard")


@case("a text that cannot be had says why")
def _(page, host):
    host.bus_call("call", "org.vfiobind1", "/org/vfiobind1/group/3", "org.vfiobind1.Group", "Bind", "a{sv}", "0")
    host.settle()
    host.answer("export group/3 --for qemu --json", {"error": {"name": "", "message": "no text for <b>you</b>"}})
    page.open(host.url("group/3"), "#export .alert")
    page.see("#export .alert", "no text for <b>you</b>")


@case("rules in force are listed with their groups", config=rule("lan", NIC) + rule("absent", "0000:7f:00.0"), picture="rules")
def _(page, host):
    page.open(host.url("rules"), "[data-rule]")
    page.see("[data-rule='lan']", "Group 3")
    page.see("[data-rule='lan'] [data-state='bound']")
    page.see("[data-rule='absent']", "no such device")
    page.see(".files", str(host.config))


@case("a broken configuration is shown at line and column, with the line", config=rule("lan", NIC), picture="broken")
def _(page, host):
    page.open(host.url("rules"), "[data-rule='lan']")
    host.config.write_text(rule("lan", NIC) + "[[bind]]\nname = \"card\"\ndevices = [\"nonsense\"]\n")
    page.click("#reload")
    page.see("#config-error", "line 6, column 12")
    page.see("#config-error .source-wrong", "nonsense")
    page.see("[data-rule='lan']")
    page.open(host.url(), "#config")
    page.see("#config", "nonsense")
    host.config.write_text(rule("lan", NIC) + rule("card", GPU))
    page.open(host.url("rules"), "#config-error")
    page.click("#reload")
    page.gone("#config-error")
    page.see("[data-rule='card']")


@case("health is what the doctor says, the worst first", picture="health")
def _(page, host):
    host.answer("doctor --json", {"target": "", "possible": False, "certain": True, "findings": [
        {"level": "ok", "topic": "iommu", "device": "", "sentence": "the IOMMU is on", "remedy": "", "unknown": False},
        {"level": "note", "topic": "memlock", "device": "", "sentence": "root may lock all memory", "remedy": "", "unknown": False},
        {"level": "error", "topic": "modules", "device": "", "sentence": "vfio_pci is not installed", "remedy": "install it", "unknown": False},
        {"level": "warning", "topic": "msi", "device": GPU, "sentence": "interrupts are not remapped", "remedy": "", "unknown": False}]})
    page.open(host.url("health"), "[data-level]")
    equal(page.js("return [...document.querySelectorAll('[data-level]')].map(e => e.dataset.level)"), ["error", "warning", "note", "ok"], "order")
    page.see("[data-level='error']", "To do: install it")
    page.see(".toolbar", "cannot pass devices through")


@case("health without vfio-bindctl says that, and is examined again on demand")
def _(page, host):
    host.answer("doctor --json", "not JSON")
    page.open(host.url("health"), "main .tone-danger")
    host.answer("doctor --json", {"target": "", "possible": True, "certain": True, "findings": []})
    page.click("#examine")
    page.see(".toolbar", "can pass devices through")


@case("without an IOMMU the page says how to switch it on", machine=without_iommu, picture="no-iommu")
def _(page, host):
    host.answer("doctor --json", {"target": "", "possible": False, "certain": True, "findings": [
        {"level": "error", "topic": "iommu", "device": "", "sentence": "the firmware offers one", "remedy": "add amd_iommu=on", "unknown": False}]})
    page.open(host.url(), ".empty-state")
    page.see(".empty-state", "intel_iommu=on")
    page.see("[data-finding]", "add amd_iommu=on")
    page.see("[data-kind='groupless']")


@case("what devices, rules and programs are called is text, never markup")
def _(page, host):
    host.answer("groups --json", {"groups": [{"devices": [{"address": NIC, "kind": "<img src=x onerror=document.title='had'>", "msi": None, "msi-x": None}]}],
                                  "groupless": []})
    host.answer("doctor group/3 --json", {"target": "", "possible": True, "certain": True, "findings": []})
    page.open(host.url("group/3"), "#against .alert")
    page.see(f"[data-device='{NIC}']", "<img src=x")
    equal(page.find("img"), [], "images")
    page.open(host.url(), "#search")
    page.type("#search", "<script>alert(1)</script>")
    page.see(".empty", "<script>alert(1)</script>")
    equal(page.find("main script"), [], "scripts")


@case("German is spoken", picture="german")
def _(page, host):
    page.languages("de")
    page.open(host.url(), "[data-group]")
    page.see("h2", "Grafikkarten")
    page.click("[data-group='3'] button")
    page.see("dialog h2", "Intel Corporation 82574L Gigabit Network Connection übergeben")
    page.see("dialog", "Nichts spricht dagegen")


@case("a picture of it all", config=rule("guest-gpu", GPU) + rule("guest-nic", NIC))
def _(page, host):
    """The README has it as doc/cockpit.png."""
    page.open(host.url(), "[data-group]")
    page.see_state(1, "bound")
    page.see_state(3, "bound")
    page.picture("readme")


@case("360 pixels are enough", picture="narrow")
def _(page, host):
    page.size(360, 740)
    for view, ready in (("", "[data-group]"), ("group/1", "#against .alert"), ("rules", "#reload"), ("health", "#examine")):
        page.open(host.url(view), ready)
        wide = page.js("return [document.documentElement.scrollWidth, ...[...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect().right)]")
        assert max(wide) <= 360.5, f"{view or 'groups'}: {max(wide)} pixels wide"
    page.open(host.url(), "[data-group]")
    page.click("[data-group='1'] button")
    page.see("dialog .alert")
    assert page.js("return document.querySelector('dialog').getBoundingClientRect().right") <= 360
    page.press(Keys.ESCAPE)
    page.gone("dialog")


@case("the dark style is Cockpit's", picture="dark")
def _(page, host):
    page.open(host.url(), "[data-group]")
    dark = "return getComputedStyle(document.documentElement).backgroundColor"
    equal(page.js(dark), "rgb(242, 242, 242)", "light")
    page.theme("dark")
    equal(page.js(dark), "rgb(21, 21, 21)", "dark, as the shell says")
    page.theme("light")
    page.js("localStorage.setItem('shell:style', 'dark')")
    page.open(host.url(), "[data-group]")
    equal(page.js(dark), "rgb(21, 21, 21)", "dark from the start")
    page.picture("dark")
    page.js("localStorage.removeItem('shell:style')")


WATCH_PAINT = """
window.times = {};
new MutationObserver((list, observer) => {
    if (document.querySelector("[data-group]")) {
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => { times.painted = performance.now() }));
    }
}).observe(document, { childList: true, subtree: true });
const parse = JSON.parse;
JSON.parse = function (text, ...rest) {
    if (text.length > 1e6) times.answered ??= performance.now();
    return parse.call(this, text, ...rest);
};"""

WATCH_CHANGE = """
const [group, words] = arguments;
times.changed = times.told = undefined;
const parse = JSON.parse;
JSON.parse = function (text, ...rest) {
    if (text.includes("PropertiesChanged")) times.told = performance.now();
    return parse.call(this, text, ...rest);
};
new MutationObserver((list, observer) => {
    if (document.querySelector(`[data-group='${group}']`).innerText.includes(words)) {
        times.changed = performance.now() - times.told;
        observer.disconnect();
        JSON.parse = parse;
    }
}).observe(document.querySelector(`[data-group='${group}']`), { childList: true, subtree: true, characterData: true });"""


@case("4,096 functions: first paint and changes", machine=lambda: many(4096))
def _(page, host):
    """The processors may be busy with other things: of three openings and five changes the quickest counts."""
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH_PAINT})["identifier"]
    paints, changes = [], []
    for _turn in range(3):
        page.open(host.url(), "[data-group]")
        times = page.wait("the first paint", lambda: page.js("return times.painted && times"))
        paints.append(times["painted"] - times["answered"])
    page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})
    for group in range(5):
        page.js(WATCH_CHANGE, group, "no driver")
        host.tell(f"echo /sys/bus/pci/drivers/iavf/unbind {function(group)}")
        changes.append(page.wait("the change", lambda: page.js("return times.changed")))
    print(f"  4,096 functions: first paint {min(paints):.0f} to {max(paints):.0f} ms after the bridge's answer, "
          f"a change shown after {min(changes):.0f} to {max(changes):.0f} ms", flush=True)
    assert min(paints) <= 1000 and min(changes) <= 100
    before = len(page.find("[data-group]"))
    page.click("[data-more='network']")
    page.wait("more rows", lambda: len(page.find("[data-group]")) > before)
    page.type("#search", "group 4095")
    page.see("[data-group='4095']")
