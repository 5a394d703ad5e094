"""The page of a review in a real browser: opened from the disk without a network, and clicked through."""

import pytest
from report_cases import NAMES

FIRST, SECOND = NAMES.values()


@pytest.fixture
def opened(a_browser, a_folder):
    """The page, and the list of its complaints and of what it asked for elsewhere."""
    context = a_browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))
    page.goto((a_folder / "review.html").as_uri())
    yield page
    assert complaints == []
    context.close()


def box_of(page, selector):
    return page.locator(selector).first.bounding_box()


def test_it_shows_every_picture_at_once(opened):
    """In the proportions of the CT, and none is empty."""
    shown = opened.evaluate(
        """async () => {
          const images = [...document.querySelectorAll("svg image")];
          await Promise.all(images.map((image) => image.decode && image.decode()));
          return images.map((image) => [image.getBoundingClientRect().width, image.getBoundingClientRect().height]);
        }"""
    )
    assert len(shown) > 4 and all(width > 50 and height > 50 for width, height in shown)
    svg = opened.locator("figure > svg").first
    ratio = svg.evaluate("(svg) => svg.viewBox.baseVal.width / svg.viewBox.baseVal.height")
    image = svg.locator("image").first.bounding_box()
    assert image["width"] / image["height"] == pytest.approx(ratio, rel=0.01)
    assert opened.title() == "Review of patient <1>"


def test_it_is_no_wider_than_the_window(opened):
    for width in (1280, 400):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_a_name_in_the_summary_leads_to_its_segment(opened):
    opened.get_by_role("link", name=FIRST).click()
    heading = opened.get_by_role("heading", name=FIRST, exact=True)
    bar = box_of(opened, "nav")
    assert bar["y"] + bar["height"] <= heading.bounding_box()["y"] < 900


def test_lines_and_tints_can_be_hidden(opened):
    for label, selector in (("Outlines", "path.judged >> nth=-1"), ("Likely errors", "image.errors >> nth=0")):
        box = opened.get_by_label(label)
        assert opened.locator(selector).is_visible()
        box.uncheck()
        assert not opened.locator(selector).is_visible()
        box.check()
        assert opened.locator(selector).is_visible()


def test_n_and_p_go_from_suspect_to_suspect(opened):
    """As in the panel; a screen reader follows, and it ends at the last one."""
    suspects = opened.locator(".suspect")
    count = suspects.count()
    for number in range(count):
        opened.keyboard.press("n")
        at = opened.evaluate("document.activeElement.id")
        assert at == suspects.nth(number).get_attribute("id")
        assert opened.locator("#place").inner_text() == f"Suspect {number + 1} of {count}"
    opened.keyboard.press("n")
    assert opened.evaluate("document.activeElement.id") == suspects.last.get_attribute("id")
    opened.keyboard.press("p")
    assert opened.evaluate("document.activeElement.id") == suspects.nth(count - 2).get_attribute("id")
    opened.get_by_role("button", name="Next suspect").click()
    assert opened.locator("#place").inner_text() == f"Suspect {count} of {count}"


def test_a_suspect_is_not_hidden_behind_the_bar(opened):
    opened.keyboard.press("n")
    heading, bar = box_of(opened, ".suspect h4"), box_of(opened, "nav")
    assert heading["y"] >= bar["y"] + bar["height"] - 1


def test_a_picture_can_be_enlarged(opened):
    button = opened.locator(".larger").first
    before = button.locator("xpath=..").bounding_box()["width"]
    button.click()
    assert button.locator("xpath=..").bounding_box()["width"] > 1.5 * before
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.locator("xpath=..").bounding_box()["width"] == pytest.approx(before)


def test_the_self_check_opens(opened):
    table = opened.locator("#check table")
    assert not table.is_visible()
    opened.locator("#check summary").click()
    assert table.is_visible() and "between others" in table.inner_text()


def test_all_controls_have_names_and_pictures_have_words(opened):
    """For those who do not see them."""
    nameless = opened.evaluate(
        """() => [...document.querySelectorAll("button, input, a, svg[role=img], summary")].filter((one) =>
          !(one.textContent.trim() || one.getAttribute("aria-label") || (one.labels && one.labels.length))).length"""
    )
    assert nameless == 0
    assert opened.locator("html").get_attribute("lang") == "en" and opened.locator("h1").count() == 1


def test_on_paper_there_is_all_but_the_controls(opened):
    opened.emulate_media(media="print")
    assert not opened.locator("#controls").is_visible() and not opened.locator(".larger").first.is_visible()
    assert opened.locator(".suspect svg").first.is_visible() and opened.locator(".legend").is_visible()
    assert opened.pdf(format="A4").startswith(b"%PDF")


def test_without_a_script_all_is_there(a_browser, a_folder):
    context = a_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((a_folder / "review.html").as_uri())
    assert not page.locator("#controls").is_visible()
    assert page.locator(".suspect svg").first.is_visible() and page.locator("#summary table").first.is_visible()
    context.close()
