"""The report in Chromium: sorting by mouse and keyboard, widths, print, and the same content without scripts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.report.site import render
from tests.fixtures.made_up_aggregate import made_up_aggregate, write_aggregate

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    content = made_up_aggregate(1, 4, 4, long=True, graphs=True)
    content["suites"][0]["notes"] = ["results/runs/" + "a-path-without-any-space/" * 6]
    return render(write_aggregate(folder / "aggregate", content), folder / "site").parent


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """A page that fails the test if anything is written to the console or loaded from outside."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    # Leaving a page ends what it was still loading: not a failure.
    opened.on("requestfailed", lambda request: request.failure == "net::ERR_ABORTED" or complaints.append(request.url))
    opened.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))
    yield opened
    context.close()
    assert not complaints


def pages_of(site: Path) -> list[Path]:
    return sorted(site.glob("*.html"))


def column(page: playwright.Page, place: int) -> list[str]:
    """The sort keys of a column of the first table, rows of headings left out."""
    rows = page.locator("table").first.locator("tbody:not(.heading)").first.locator("tr")
    return [rows.nth(k).locator("th, td").nth(place).get_attribute("data-sort") for k in range(rows.count())]


def test_every_page_opens_with_all_its_images(page: playwright.Page, site: Path) -> None:
    for path in pages_of(site):
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        page.wait_for_function("[...document.images].every(image => image.complete)")
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)"), path.name


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_no_page_is_wider_than_its_window(page: playwright.Page, site: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path in pages_of(site):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


def test_a_click_sorts_a_column_and_a_second_click_turns_it(page: playwright.Page, site: Path) -> None:
    page.goto((site / "records.html").as_uri())
    header = page.get_by_role("button", name="Fingerprint")
    header.click()
    page.wait_for_timeout(50)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    falling = column(page, 0)
    assert falling == sorted(falling, reverse=True)
    header.click()
    page.wait_for_timeout(50)
    assert column(page, 0) == sorted(falling)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_numbers_as_numbers(page: playwright.Page, site: Path) -> None:
    page.goto((site / "leaderboard.html").as_uri())
    page.get_by_role("button", name="P(beats the leader)").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(50)
    values = column(page, 5)
    known = [float(value) for value in values if value and value != "the leader"]
    assert known == sorted(known, reverse=True)
    page.get_by_role("button", name="Place").focus()
    page.keyboard.press("Space")
    page.wait_for_timeout(50)
    assert [float(value) for value in column(page, 1)] == [4.0, 3.0, 1.0]


def test_rows_without_a_number_go_to_the_end_in_both_directions(page: playwright.Page, site: Path) -> None:
    page.goto(next(site.glob("method-*-b.html")).as_uri())
    table = page.locator("table").last
    values = "table => [...table.tBodies[0].rows].map(row => row.cells[3].dataset.sort)"
    for _ in range(2):
        table.get_by_role("button", name="Final return").click()
        page.wait_for_timeout(50)
        found = table.evaluate(values)
        assert found.count("") == 3
        assert found[-3:] == [""] * 3


def test_groups_keep_their_headings_when_sorted(page: playwright.Page, site: Path) -> None:
    page.goto((site / "leaderboard.html").as_uri())
    page.get_by_role("button", name="IQM, final").click()
    page.wait_for_timeout(50)
    bodies = page.locator("table").first.locator("tbody")
    assert bodies.nth(0).inner_text().strip() == "Ranked and preliminary"
    assert bodies.nth(2).inner_text().strip() == "Not ranked, for the reason given"
    assert "unranked" in bodies.nth(3).inner_text()


def test_the_skip_link_is_the_first_stop_and_shows_itself(page: playwright.Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0


def test_everything_can_be_read_without_scripts(browser: playwright.Browser, site: Path) -> None:
    with_scripts, without = browser.new_context(), browser.new_context(java_script_enabled=False)
    for path in (site / name for name in ("index.html", "leaderboard.html", "provenance.html", "records.html")):
        texts = []
        for context in (with_scripts, without):
            opened = context.new_page()
            opened.goto(path.as_uri())
            texts.append(opened.locator("main").inner_text())
            opened.close()
        assert texts[0] == texts[1], path.name
    with_scripts.close()
    without.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(browser: playwright.Browser, site: Path, scheme: str) -> None:
    """Contrast of at least 4.5 (WCAG AA) wherever there is text, badges included."""
    context = browser.new_context(color_scheme=scheme)
    opened = context.new_page()
    for name in ("index.html", "leaderboard.html"):
        opened.goto((site / name).as_uri())
        worst = opened.evaluate(CONTRAST)
        assert worst[0] >= 4.5, f"{name}: {worst}"
    context.close()


def test_print_has_no_navigation_and_dark_text(page: playwright.Page, site: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.goto((site / "leaderboard.html").as_uri())
    assert not page.locator(".rail").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('main')).color") == "rgb(0, 0, 0)"


CONTRAST = """() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 120)];
  }
  return worst;
}"""
