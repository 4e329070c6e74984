"""A browser, and a page of every kind in a file.

Chromium and its driver are those at hand, as of Debian's packages chromium and chromium-driver;
nothing is downloaded.
"""

import os
import shutil

import pytest

from tests.reports.in_browser import BROWSERS, FLAGS, PAGES


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    pytest.importorskip("selenium", reason="selenium (extra dev) drives the browser")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium and chromedriver here: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(driver, env={**os.environ, "SE_OFFLINE": "true"})
    found = webdriver.Chrome(options=options, service=service)
    yield found
    found.quit()


@pytest.fixture(params=PAGES)
def page(request, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGES[request.param](tmp_path / "run"), encoding="utf-8")
    return path
