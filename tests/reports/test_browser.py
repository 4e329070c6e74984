"""Every kind of report in a real browser: nothing is loaded, nothing overflows, pictures grow."""

import base64
import json

import pytest

from tests.reports.in_browser import DESKTOP, PAGES, PHONE, opened

pytestmark = pytest.mark.slow


def requests(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_it_loads_itself_alone_and_fits(browser, page, size):
    opened(browser, page, size)
    assert browser.get_log("browser") == []
    assert requests(browser) == [page.as_uri()]
    widths = "return [document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
    shown, there = browser.execute_script(widths)
    assert shown <= there <= size[0]
    assert browser.execute_script("return document.querySelector('h1').innerText.length") > 20
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('.picture > svg')].map(s => "
        "{const b = s.getBoundingClientRect(); return [b.left, b.right, b.width, b.height]})"
    )
    assert bool(boxes) == ('class="pictures' in page.read_text())
    for left, right, width, height in boxes:
        assert width > 100 and height > 60 and left >= 0 and right <= size[0] + 1


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_text_within_a_picture_stays_in_it(browser, page, size):
    opened(browser, page, size)
    outside = browser.execute_script(
        "return [...document.querySelectorAll('.picture > svg')].flatMap(s => {"
        "const f = s.getBoundingClientRect();"
        "return [...s.querySelectorAll('text')].filter(t => {const b = t.getBoundingClientRect();"
        "return b.left < f.left - 1 || b.right > f.right + 1 || b.top < f.top - 1"
        "|| b.bottom > f.bottom + 1}).map(t => t.textContent)})"
    )
    assert outside == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_names_of_widths_do_not_touch(browser, tmp_path, size):
    path = tmp_path / "page.html"
    path.write_text(PAGES["many widths"](tmp_path / "run"), encoding="utf-8")
    opened(browser, path, size)
    gaps = browser.execute_script(
        "return [...document.querySelectorAll('.plot')].flatMap(plot => {"
        "const b = [...plot.querySelectorAll('.tick.middle')].map(t => t.getBoundingClientRect())"
        ".sort((p, q) => p.left - q.left);"
        "return b.slice(1).map((one, i) => one.left - b[i].right)})"
    )
    assert len(gaps) > 50 and min(gaps) > 2, min(gaps)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(browser, page, scheme):
    """Contrast of at least 4.5 (WCAG AA), of words on the page and in pictures."""
    opened(browser, page, prefers_color_scheme=scheme)
    found = browser.execute_script(
        """
        const parts = c => c.match(/[\\d.]+/g).map(Number);
        const light = c => { const [r, g, b] = parts(c).map(v => (v /= 255) <= .03928
          ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
        const ground = e => { for (; e; e = e.parentElement) {
          const c = getComputedStyle(e).backgroundColor;
          if ((parts(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
        const words = document.querySelectorAll(
          'p, li, th, td, dt, dd, a, h1, h2, h3, figcaption, code, svg text, footer, button');
        return [...words].filter(e => e.textContent.trim() && !e.closest('.picture > button'))
          .map(e => { const s = getComputedStyle(e), a = light(e.closest('svg') ? s.fill : s.color),
            b = light(ground(e)), [low, high] = a < b ? [a, b] : [b, a];
            return [(high + .05) / (low + .05), e.textContent.slice(0, 40)]; });
        """
    )
    assert found and min(found)[0] >= 4.5, min(found)


def test_pictures_grow_by_click_and_by_keyboard(browser, tmp_path):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    path = tmp_path / "page.html"
    path.write_text(PAGES["sweep"](tmp_path / "run"), encoding="utf-8")
    opened(browser, path)
    open_ = "return document.querySelector('dialog')?.open === true"
    assert not browser.execute_script(open_)

    def view():
        return browser.execute_script(
            "return document.querySelector('dialog svg').getAttribute('viewBox')"
        )

    def press(key):
        browser.switch_to.active_element.send_keys(key)

    browser.find_element(By.CSS_SELECTOR, ".picture > svg").click()
    assert browser.execute_script(open_)
    whole = view()
    press("+")
    nearer = view()
    assert float(nearer.split()[2]) < float(whole.split()[2])
    press(Keys.ARROW_RIGHT)
    assert float(view().split()[0]) > float(nearer.split()[0])
    press("0")
    assert view() == whole
    press(Keys.ESCAPE)
    assert not browser.execute_script(open_)
    # The keyboard is where it was, at the picture's button.
    button = browser.find_element(By.CSS_SELECTOR, ".picture > button")
    assert browser.switch_to.active_element == button
    assert button.get_attribute("aria-label") == "Enlarge: Total variation"
    press(Keys.ENTER)
    assert browser.execute_script(open_)
    drag = browser.find_element(By.CSS_SELECTOR, "dialog .stage")
    ActionChains(browser).drag_and_drop_by_offset(drag, 50, 20).perform()
    assert float(view().split()[0]) < float(whole.split()[0])
    ActionChains(browser).scroll_from_origin(ScrollOrigin.from_element(drag), 0, -200).perform()
    assert float(view().split()[2]) < float(whole.split()[2])
    press(Keys.ESCAPE)
    assert browser.get_log("browser") == []


def test_it_prints(browser, page):
    opened(browser, page, PHONE, prefers_color_scheme="dark")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    document = base64.b64decode(printed["data"])
    assert document.startswith(b"%PDF") and len(document) > 5000


def test_all_is_there_without_scripts(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, page)
        source = browser.page_source
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "<button" not in source and source.count("<svg") == page.read_text().count("<svg")
