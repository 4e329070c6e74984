"""What users see of tables, commands and pictures at the widths of a phone and of two screens."""

import base64
import io

import matplotlib.image
import numpy as np
import pytest

from tests.reports.in_browser import DESKTOP, LARGE, PAGES, PHONE, opened

pytestmark = pytest.mark.slow

SIZES = [PHONE, DESKTOP, LARGE]
SWEEPS = ("sweep", "unfinished", "many widths", "grid")


def shown(browser, page, size, style="", **media):
    """The page with everything unfolded, and with more style.

    Without the screen's own bar, which would come and go as pictures are taken of the page.
    """
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    opened(browser, page, size, **media)
    browser.execute_script(
        "document.querySelectorAll('details').forEach(d => { d.open = true; });"
        "document.head.append(Object.assign(document.createElement('style'),"
        " {textContent: arguments[0]}))",
        style,
    )


def out_of_sight(browser):
    """Of tables: cells that are beyond the screen, or that only scrolling shows, with no hint."""
    found = browser.execute_script(
        """
        const box = e => e.getBoundingClientRect();
        return [...document.querySelectorAll('table')].map(table => {
          const frame = table.closest('.wide') ?? document.body, f = box(frame);
          const style = getComputedStyle(frame), scrolls = /auto|scroll/.test(style.overflowX);
          const cells = [...table.querySelectorAll('th, td')].filter(c => box(c).width);
          const past = cells.filter(c => box(c).right > f.right + 1 || box(c).left < f.left - 1);
          const spilt = cells.filter(c => c.scrollWidth > c.clientWidth + 1);
          const lost = f.left < -1 || f.right > document.documentElement.clientWidth + 1 ? cells
            : [...spilt, ...(scrolls ? [] : past)];
          return {frame, lost: lost.map(c => c.innerText), past: past.length,
            name: table.ariaLabel, more: frame.scrollWidth > frame.clientWidth};
        });
        """
    )
    assert found
    bad = [one["name"] for one in found if one["past"] > 0 and not one["more"]]
    bad += [f"{one['name']}: {cell}" for one in found for cell in one["lost"]]
    return bad + [one["name"] for one in found if one["past"] and not hinted(browser, one["frame"])]


def hinted(browser, frame):
    """Whether its right edge looks other than when it is scrolled to its end."""
    start = edge(browser, frame)
    browser.execute_script("arguments[0].scrollLeft = 1e6", frame)
    end = edge(browser, frame)
    browser.execute_script("arguments[0].scrollLeft = 0", frame)
    return float(np.abs(start - end).max()) > 0.15


def edge(browser, frame):
    """The usual colour of the last eight columns of pixels, where most have no letters."""
    at = browser.execute_script(
        "const b = arguments[0].getBoundingClientRect();"
        "return {x: b.right - 8 + scrollX, y: b.top + scrollY, width: 8, height: b.height,"
        " scale: 1}",
        frame,
    )
    asked = {"captureBeyondViewport": True, "clip": at}
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(taken)), format="png")
    return np.median(pixels[..., :3], axis=(0, 1))


def covered(browser):
    """Of what can be copied: lines of text that are under the button, or beyond the box."""
    return browser.execute_script(
        """
        return [...document.querySelectorAll('.code')].flatMap(one => {
          const button = one.querySelector('button').getBoundingClientRect();
          const text = document.createRange(), box = one.getBoundingClientRect();
          text.selectNodeContents(one.querySelector('code'));
          return [...text.getClientRects()].filter(r => r.width && (r.right > box.right
            || (r.right > button.left && r.left < button.right
              && r.bottom > button.top && r.top < button.bottom)))
            .map(r => `${one.innerText.slice(0, 30)}: ${r.width}`);
        });
        """
    )


def smaller_panels(browser):
    """Width, height and letters of main panels that are less than those of the others."""
    main, others = browser.execute_script(
        """
        return ['.main', '.across-3'].map(kind =>
          [...document.querySelectorAll(`${kind} .plot`)].map(plot => {
            const b = plot.getBoundingClientRect();
            const letters = [...plot.querySelectorAll('.title, .note, .tick')].map(t =>
              parseFloat(getComputedStyle(t).fontSize) * b.width / plot.viewBox.baseVal.width);
            return [b.width, b.height, Math.min(...letters)];
          }));
        """
    )
    least, most = np.min(main, axis=0), np.max(others, axis=0)
    return [pair for pair in zip(least, most, strict=True) if pair[0] < 0.98 * pair[1]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_no_cell_is_out_of_sight_and_no_command_covered(browser, page, size, scheme):
    shown(browser, page, size, prefers_color_scheme=scheme)
    if "<table" in page.read_text():
        assert out_of_sight(browser) == []
    assert covered(browser) == []


@pytest.mark.parametrize("kind", SWEEPS)
def test_main_panels_are_the_largest_on_a_phone_too(browser, tmp_path, kind):
    path = tmp_path / "page.html"
    path.write_text(PAGES[kind](tmp_path / "run"), encoding="utf-8")
    shown(browser, path, PHONE)
    assert smaller_panels(browser) == []


@pytest.mark.parametrize(
    ("style", "found"),
    [
        (".wide { background: none !important; }", out_of_sight),
        (".wide { overflow-x: hidden !important; }", out_of_sight),
        (".wide { overflow-x: visible !important; }", out_of_sight),
        (".code { position: relative; } .code button { position: absolute; right: 0; }", covered),
        (".main .plot text { font-size: 10px !important; }", smaller_panels),
        (".main .plot { width: 60%; }", smaller_panels),
    ],
)
def test_what_is_hidden_is_found(browser, tmp_path, style, found):
    path = tmp_path / "page.html"
    path.write_text(PAGES["unfinished"](tmp_path / "run"), encoding="utf-8")
    shown(browser, path, PHONE, style)
    assert found(browser)
