"""The programs in docs/API.md for browsers run as they stand, in a page of another origin."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.by import By

from tests.browser.chromium import Page
from tests.live_server import run_server
from topfive.bundles.store import demo_root

TEXT = (Path(__file__).parents[2] / "docs" / "API.md").read_text()
PROGRAMS = [
    block for block in re.findall(r"^```js\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    if '"node:' not in block
]  # fmt: skip
# One picture alone, and a line for each of two.
EXPECTED = (["eight"], ["sample-eight.png eight", "sample-five.png five"])
PAGE = """<!doctype html><title>Another origin</title><link rel="icon" href="data:,">
<input type="file" id="input" multiple>
<script>
  const input = document.getElementById("input"), printed = [];
  console.log = (...words) => printed.push(words.join(" "));
  input.onchange = async () => {
    %s
    document.title = printed.join("; ");
  };
</script>
"""


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files without a line for each request."""

    def log_message(self, *words: object) -> None:
        """Write nothing."""


@contextmanager
def another_origin(folder: Path) -> Iterator[str]:
    """Serve a folder on a port of its own, until the block ends."""
    handler = partial(QuietFiles, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        thread = Thread(target=files.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{files.server_port}"
        finally:
            files.shutdown()
            thread.join()


def test_programs_for_browsers_print_the_best_class(page: Page, tmp_path: Path) -> None:
    """With `TOPFIVE_CORS_ORIGINS`, as a page of another site would use them."""
    samples = sorted((demo_root() / "digits").glob("*/sample-*.png"))[:2]
    with another_origin(tmp_path) as origin:
        settings = {"model": "digits", "cors_origins": origin}
        with run_server(tmp_path, **settings) as server:
            for number, program in enumerate(PROGRAMS):
                here = PAGE % program.replace("http://127.0.0.1:5000", server.url)
                (tmp_path / f"{number}.html").write_text(here)
                page.driver.get(f"{origin}/{number}.html")
                chosen = "\n".join(map(str, samples))
                page.driver.find_element(By.ID, "input").send_keys(chosen)
                page.wait(lambda: page.driver.title != "Another origin", "nothing was printed")
                found = page.driver.title.split("; ")
                assert found in EXPECTED, found
