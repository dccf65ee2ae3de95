"""The pages that show the OpenAPI document, in a real browser."""

from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.by import By

from tests.browser.chromium import Page
from tests.live_server import LiveServer
from tests.pictures import jpeg


def test_a_picture_can_be_tried_in_swagger(page: Page, server: LiveServer, tmp_path: Path) -> None:
    """Try it out, with a file and nothing else changed, gets a prediction."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg())
    page.driver.get(f"{server.url}/docs")
    page.wait_until_shown("#operations-predict-predict .opblock-summary-control")
    for button in (".opblock-summary-control", ".try-out__btn"):
        page.wait_until_shown(f"#operations-predict-predict {button}")
        page.run(f"document.querySelector('#operations-predict-predict {button}').click()")
    page.wait_until_shown("input[type=file]")
    page.driver.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(photo))
    page.run("document.querySelector('.execute').click()")
    page.wait_until_shown(".live-responses-table")
    assert page.text(".live-responses-table tbody .response-col_status").startswith("200")


def test_redoc_shows_the_zebra_first(page: Page, server: LiveServer) -> None:
    """Who opens /redoc sees a real answer of /predict beside the first route."""
    page.driver.get(f"{server.url}/redoc")
    page.wait(lambda: "zebra" in page.text("#redoc"), "no example was shown")
    assert page.text("#redoc h2") == "predict"
