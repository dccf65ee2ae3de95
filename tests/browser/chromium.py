"""Drives a real Chromium through what a person can do with the page."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_WAIT_S = 10


def find_programs() -> tuple[str, str] | None:
    """Find Chromium and its driver; None where either is missing."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


@contextmanager
def run_chromium(programs: tuple[str, str], profile: Path) -> Iterator["Page"]:
    """Run Chromium with a new profile folder until the block ends."""
    options = ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(programs[1]))
    try:
        yield Page(driver)
    finally:
        driver.quit()


class Page:
    """The page in the one tab there is."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Open the page at the root of a service."""
        self.driver.get(f"{url}/")

    def reset(self) -> None:
        """Go back to a plain desktop window with an empty page."""
        self.tell("Emulation.setScriptExecutionDisabled", value=False)
        self.driver.get("about:blank")
        self.resize(1000, 800)
        self.prefer()
        self.set_online(is_online=True)
        self.console()

    def tell(self, command: str, **values: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, values)

    def run(self, script: str, *values: Any) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *values)

    def at(self, element_id: str) -> WebElement:
        """Find an element by its id."""
        return self.driver.find_element(By.ID, element_id)

    def text(self, selector: str) -> str:
        """Read the text of the first element that matches, shown or not."""
        found = self.driver.find_element(By.CSS_SELECTOR, selector)
        return " ".join(str(found.get_property("textContent")).split())

    def shown(self, selector: str) -> bool:
        """Tell whether an element that matches is shown."""
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return any(one.is_displayed() for one in found)

    def wait_until_shown(self, selector: str) -> None:
        """Wait until an element that matches is shown."""
        self.wait(lambda: self.shown(selector), f"{selector} was not shown")

    def wait(self, is_so: Any, otherwise: str) -> None:
        """Wait until a condition holds.

        An element that the page replaces while the condition reads it is read anew.
        """
        replaced = [StaleElementReferenceException]
        wait = WebDriverWait(self.driver, _WAIT_S, 0.05, ignored_exceptions=replaced)
        wait.until(lambda _: is_so(), otherwise)

    def try_sample(self, number: int = 1) -> None:
        """Click one of the sample pictures."""
        self.driver.find_elements(By.CLASS_NAME, "sample")[number - 1].click()

    def allow_clipboard(self) -> None:
        """Let the page read and write the clipboard, as a user would."""
        self.tell(
            "Browser.grantPermissions",
            origin=self.driver.current_url.rstrip("/"),
            permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        )

    def clipboard(self) -> str:
        """Read the text on the clipboard."""
        script = "navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](String(e)))"
        return str(self.driver.execute_async_script(script))

    def pick(self, file: Path) -> None:
        """Choose a file, as its dialog does."""
        self.at("file").send_keys(str(file))

    def drop(self, *files: Path) -> None:
        """Drag files over the page and let them fall."""
        data = {"items": [], "files": [str(one) for one in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.tell("Input.dispatchDragEvent", type=kind, x=300, y=300, data=data)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def paste(self) -> None:
        """Press Ctrl+V, wherever the focus is."""
        keys = ActionChains(self.driver)
        keys.key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()

    def focused_id(self) -> str:
        """Tell the id of the element that has the focus; empty without one."""
        return str(self.run("return document.activeElement.id"))

    def resize(self, width: int, height: int, *, is_phone: bool = False, scale: float = 1) -> None:
        """Give the window a size in CSS pixels, each `scale` pixels of the screen wide."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=is_phone,
        )  # fmt: skip
        self.tell("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    def prefer(self, **features: str) -> None:
        """Set what the user prefers, such as `prefers_color_scheme="dark"`."""
        named = {"prefers_color_scheme": "light", "prefers_reduced_motion": ""} | features
        listed = [{"name": k.replace("_", "-"), "value": v} for k, v in named.items()]
        self.tell("Emulation.setEmulatedMedia", features=listed)

    def set_online(self, *, is_online: bool) -> None:
        """Cut or join the network."""
        self.tell("Network.enable")
        self.tell(
            "Network.emulateNetworkConditions",
            offline=not is_online, latency=0, downloadThroughput=-1, uploadThroughput=-1,
        )  # fmt: skip

    def console(self) -> list[dict[str, Any]]:
        """Take what the console got since the last call."""
        return list(self.driver.get_log("browser"))

    def content_width(self) -> int:
        """Tell how wide the page's content is in CSS pixels.

        A phone's window grows with content that does not fit, so its own width tells nothing.
        """
        return int(self.run("return document.documentElement.scrollWidth"))

    def picture(self, width: int, height: int) -> bytes:
        """Take a PNG of the page's upper `width` x `height` CSS pixels."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = self.tell(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip
        )
        return base64.b64decode(taken["data"])
