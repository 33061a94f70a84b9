# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in a browser."""

import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PATIENCE = 120  # seconds; processors that others use, too, are slow
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--lang=en-US"]


def start_browser(*, trusts_all=False):
    """With `trusts_all`, certificates that nobody has signed are good enough."""
    folder = tempfile.TemporaryDirectory(prefix="vfio-bind-chromium-")
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in [*ARGUMENTS, f"--user-data-dir={folder.name}", "--window-size=1280,900"]:
        options.add_argument(argument)
    options.accept_insecure_certs = trusts_all
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.folder = folder
    return driver


class Page:
    """One tab; waits for what is to be seen, and reads what is."""

    def __init__(self, driver, pictures):
        self.driver = driver
        self.pictures = pictures

    def open(self, url, ready="h1"):
        self.driver.get("about:blank")
        self.errors()
        self.driver.get(url)
        self.see(ready)

    def js(self, script, *args):
        return self.driver.execute_script(script, *args)

    def find(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come about; the page says:\n{self.text()}")
            time.sleep(0.02)

    def text(self, selector="body"):
        return self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def see(self, selector, text=""):
        self.wait(f"'{text}' in {selector}", lambda: self.js(
            "return [...document.querySelectorAll(arguments[0])].some(e => e.checkVisibility() && e.innerText.includes(arguments[1]))", selector, text))

    def gone(self, selector):
        self.wait(f"no {selector}", lambda: not self.find(selector))

    def click(self, selector):
        self.wait(f"{selector} to click", lambda: self.js(
            "const e = document.querySelector(arguments[0]); return e && e.checkVisibility() && !e.disabled", selector))
        element = self.find(selector)[0]
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def type(self, selector, text):
        element = self.find(selector)[0]
        element.send_keys(Keys.CONTROL, "a")
        element.send_keys(text)

    def state(self, group):
        return self.js("return document.querySelector(`[data-group='${arguments[0]}'] [data-state]`)?.dataset.state", group)

    def see_state(self, group, state):
        self.wait(f"group {group} {state}", lambda: self.state(group) == state)

    def size(self, width, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def theme(self, style):
        self.js("window.dispatchEvent(new CustomEvent('cockpit-style', {detail: {style: arguments[0]}}))", style)

    def languages(self, wanted):
        """What the browser asks for, until it is told otherwise."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Accept-Language": wanted}})

    def picture(self, name):
        height = self.js("return document.documentElement.scrollHeight")
        width = self.js("return window.innerWidth")
        self.size(width, max(500, min(height, 3000)))
        self.driver.save_screenshot(str(self.pictures / f"{name}.png"))
        self.size(width)

    def errors(self):
        """What the console has complained of since it was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "WARNING") and "favicon" not in entry["message"]]
