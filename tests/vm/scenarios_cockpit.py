# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in Cockpit as its package brings it: a login by password, clicks, and what vfio-bindctl says then."""

import contextlib
import pathlib
import sys

from boots import AUDIO, GPU, LAN
from guest import Failed, expect
from scenarios import scenario

TOP = pathlib.Path(__file__).resolve().parents[2]
USER, PASSWORD = "rigadmin", "a rig's password"
PORT = 9090
FRAME = "iframe[name='cockpit1:localhost/vfio_bind']"


@contextlib.contextmanager
def page_of(port):
    """A browser on this host, at Cockpit's login; what it showed last is kept where that is not what was awaited."""
    sys.path.append(str(TOP / "tests/cockpit"))
    import page as pages    # needs selenium, which no other scenario does
    pictures = TOP / "build/cockpit"
    pictures.mkdir(parents=True, exist_ok=True)
    driver = pages.start_browser(trusts_all=True)
    try:
        page = pages.Page(driver, pictures)
        page.open(f"https://127.0.0.1:{port}/vfio_bind", "#login-user-input")
        yield page
    except AssertionError as error:
        page.picture("failed-in-the-guest")
        raise Failed(f"{error} (see {pictures.relative_to(TOP)}/failed-in-the-guest.png)") from error
    finally:
        driver.quit()
        driver.folder.cleanup()


@contextlib.contextmanager
def cockpit(guest):
    """The package, an administrator with a password, and a network; the port of this host that leads to Cockpit."""
    package = next(guest.built.glob("cockpit-vfio-bind_*_all.deb"), None)
    expect(package, f"there is no cockpit-vfio-bind_*_all.deb in {guest.built}")
    guest.put("/var/tmp/cockpit-vfio-bind.deb", package.read_bytes())
    guest.run("DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/cockpit-vfio-bind.deb", 240)
    guest.run(f"useradd --create-home --shell /bin/sh --groups sudo {USER} && chpasswd", 30, stdin=f"{USER}:{PASSWORD}".encode())
    guest.run(f"set -e; lan=$(ls /sys/bus/pci/devices/{LAN}/virtio*/net); ip address add 10.0.2.15/24 dev $lan; ip link set $lan up; "
              "systemctl start cockpit.socket", 60)
    try:
        yield guest.machine.forward(PORT)
    finally:
        guest.run(f"pkill -KILL -u {USER}; userdel --force --remove {USER}; dpkg --purge cockpit-vfio-bind", 120, check=False)


def log_in(page):
    page.type("#login-user-input", USER)
    page.type("#login-password-input", PASSWORD)
    page.click("#login-button")
    page.click("#super-user-indicator button")
    page.see("[role='dialog'] input[type='password']")
    page.type("[role='dialog'] input[type='password']", PASSWORD + "\n")
    page.gone("[role='dialog']")
    page.see("#super-user-indicator", "Administrative access")
    page.see(FRAME)
    page.driver.switch_to.frame(page.find(FRAME)[0])


def by_clicks(page, group, state):
    page.click(f"[data-group='{group}'] button")
    page.click("dialog #go")
    page.gone("dialog")
    page.see_state(group, state)
    page.see("[data-result='done']")


@scenario("cockpit-binds-and-releases-a-card-by-clicks", boot="cockpit", named=True, seconds=400)
def card_by_clicks(guest):
    before = guest.drivers()
    group = guest.group(GPU)
    with cockpit(guest) as port, page_of(port) as page:
        log_in(page)
        page.see(f"[data-group='{group}']", "01:00.0")
        by_clicks(page, group, "bound")
        guest.expect_drivers({GPU: "vfio-pci", AUDIO: "vfio-pci"}, before)
        told = guest.out("vfio-bindctl status", 60)
        expect(f"{group}  bound" in told, f"vfio-bindctl says: {told}")
        page.picture("in-the-guest")
        by_clicks(page, group, "native")
        guest.expect_drivers({}, before)
        told = guest.out("vfio-bindctl status", 60)
        expect(f"{group}  bound" not in told, f"vfio-bindctl says that it is bound still: {told}")
        errors = [error for error in page.errors() if "/vfio_bind/" in error]
        expect(not errors, f"the browser complains of the page: {'; '.join(errors)}")
