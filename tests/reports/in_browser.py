"""A summary and a page of every kind of report, and how a browser is shown one."""

import dataclasses
import math

from bnnpost import reports
from bnnpost.reports.draws_summary import summary_of_draws
from bnnpost.summaries.html_page import as_page
from bnnpost.sweeps import SweepConfig
from bnnpost.verification.effects import Effect
from bnnpost.verification.report import Check
from tests.reports import made_up, made_up_grid
from tests.reports.test_draws_page import CAPPED, CHAINS, EXACT, pairs, run
from tests.reports.test_writing import VERDICT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-quic",
    "--disable-dev-shm-usage",
)  # fmt: skip
PHONE, DESKTOP, LARGE = (390, 844), (1280, 900), (1920, 1080)


def a_sweep(path):
    config = SweepConfig(num_test=5, widths=(4, 16, 64, 256, 1024), num_samples=40)
    made_up.directory(path, config)
    return reports.summary_of(path)


def an_unfinished_sweep(path):
    config = SweepConfig(data="a_long_name" * 20 + ".csv", num_test=5, num_samples=40)
    made_up.directory(path, config, done=(4, 64), state="failed", whole=False)
    return reports.summary_of(path)


def a_grid(path):
    made_up_grid.directory(path, failed=(1,), refused=(4,), undone=(5,))
    return reports.summary_of(path)


def a_wrong_verdict():
    """Words as long as those of the checks of a sampler that is far off."""
    high = Effect("mean", "f_train[12, 0]", 1.5, 1.4, 1.6)
    wide = Effect("std", "f_train[12, 0] along the largest principal axis", 1.5, 1.4, 1.6, right=1)
    normal = "at any one value, if values are normal and as many draws are worth as many"
    checks = (
        Check("means of values", "largest z", 23.123, 1e-99, 1e-98, (300.0, 12345.0),
              "f_train[12, 0]: too high", f"a mean shift of 0.25 posterior std, {normal}",
              effect=high),
        Check("PIT uniformity", "KS distance", 0.1234, 1e-9, 1e-8, (300.0, math.inf),
              "f_test[3], output 2", "a distance of 0.12 at one value", effect=wide),
        Check("log evidence", "z", 0.3, 0.77, 1.0, (300.0, 12345.0), "the log evidence",
              "0.25 nats"),
    )  # fmt: skip
    return dataclasses.replace(VERDICT, checks=checks, effects=(high, wide)).describe()


def many_widths(path):
    widths = (4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
    made_up.directory(path, SweepConfig(num_test=5, widths=widths, num_samples=40))
    return reports.summary_of(path)


SUMMARIES = {
    "grid": a_grid,
    "sweep": a_sweep,
    "many widths": many_widths,
    "unfinished": an_unfinished_sweep,
    "exact": lambda path: summary_of_draws(run(EXACT, points=5)),
    "capped": lambda path: summary_of_draws(run(CAPPED, features=1, points=30)),
    "chains": lambda path: summary_of_draws(run(CHAINS, points=3, outputs=2)),
    "coupled": lambda path: summary_of_draws(run(pairs([*range(14, 413), 2000], 300, 0.5))),
    "begun": lambda path: summary_of_draws(run(None)),
    "verdict": lambda path: dataclasses.replace(VERDICT, notes=("a" * 200,)).describe(),
    "wrong": lambda path: a_wrong_verdict(),
}
PAGES = {name: lambda path, make=make: as_page(make(path)) for name, make in SUMMARIES.items()}


def sized(browser, size, **media):
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def opened(browser, page, size=DESKTOP, **media):
    sized(browser, size, **media)
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what came before
    browser.get(page.as_uri())
