"""The page of ``ourdl draw --to html``, as a person uses it: in a real browser, from a file, without a network."""

import json
import os
import re
import shutil

import pytest

from ourdl import Graph, Variable, load, ops
from ourdl_cli.main import main
from ourdl_view.graph_diagram import graph_diagram
from ourdl_view.page import for_script, page
from ourdl_view.svg import svg

HOSTILE = [
    "</script><script>window.harm = 1</script>",
    "<img src=x onerror=window.harm=1>",
    "'\"&amp;",
    "{{script}}",
    "<!--",
    "]]>",
]
MODEL = """
ourdl = 1
inputs.x = { shape = ["batch", 64], dtype = "float32" }
inputs.y = { shape = ["batch"], dtype = "int64" }

[nodes]
h      = { op = "Dense", in = "x", units = 128 }
a      = { op = "Relu", in = "h" }
logits = { op = "Dense", in = "a", units = 10 }
loss   = { op = "SoftmaxCrossEntropy", in = ["logits", "y"] }

[outputs]
logits = "logits"
"""


def hostile_graph():
    with Graph() as graph:
        for i, text in enumerate(HOSTILE):
            graph.outputs[text] = ops.Relu(Variable(name=f"x{i}", shape=(text, 4), dtype="float32"), name=f"r{i}")
    return graph


# ---- without a browser ----------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path):
    (tmp_path / "m.toml").write_text(MODEL)
    return tmp_path / "m.toml"


def test_data_in_a_script_cannot_end_it():
    text = for_script(HOSTILE)
    assert not set("<>&") & set(text)
    assert json.loads(text) == HOSTILE


def test_a_page_loads_nothing_and_may_not(model):
    found = page(graph_diagram(load(model).graph))
    assert re.findall(r"https?:|\bsrc=|\bhref=|url\(|@import|\bfetch\(|XMLHttpRequest|\bimport\(", found) == []
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', found)
    assert policy[1].startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'")


def test_names_end_up_in_a_page_as_text():
    found = page(graph_diagram(hostile_graph()))
    assert found.count("<script") == found.count("</script") == 2
    assert "<img" not in found
    assert "<!--" not in found


def test_a_page_knows_what_there_is_to_know_of_a_node(model):
    found = page(graph_diagram(load(model).graph))
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', found, re.DOTALL)[1])
    h = next(box for box in data["boxes"] if box["key"] == "h")
    assert (h["id"], h["provider"].partition(" ")[0]) == ("ourdl::Dense-v1", "ourdl")
    assert ["units", "128", False] in h["attributes"]
    assert h["inputs"] == [
        ["x", "x", "[batch, 64] float32"],
        ["weight", "h.weight", "[64, 128] float32"],
        ["bias", "h.bias", "[128] float32"],
    ]
    assert [name for name, *_ in h["makes"]] == ["h.weight", "h.bias"]
    assert re.search(r"^  return x=v\d+, weight=v\d+, bias=v\d+$", h["gradient"], re.MULTILINE)
    a = next(box for box in data["boxes"] if box["key"] == "a")
    assert "Where" in a["gradient"] or "Greater" in a["gradient"]


def test_a_node_without_a_gradient_says_why():
    with Graph() as graph:
        x = Variable(name="x", shape=(3,), dtype="int64")
        graph.outputs["y"] = ops.Add(x, x, name="sum")
    found = page(graph_diagram(graph))
    data = json.loads(re.search(r'id="data">(.*?)</script>', found, re.DOTALL)[1])
    assert next(box for box in data["boxes"] if box["key"] == "sum")["gradient"].startswith("none: ")


# ---- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    programs = [shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")]
    if None in programs:
        assert not os.environ.get("CI"), "there is no Chromium with chromedriver, which CI must have"
        pytest.skip("there is no Chromium with chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--force-device-scale-factor=1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, model):
    """Opens the page of the model, with a fragment; nothing may be told to the console."""

    def open_(fragment="", width=1200, height=800):
        assert main(["draw", str(model), "--to", "html"]) == 0
        browser.get("about:blank")
        browser.set_window_size(width, height)
        browser.get(model.with_suffix(".html").as_uri() + fragment)
        return browser

    yield open_
    assert browser.get_log("browser") == []


def at(browser, key):
    from selenium.webdriver.common.by import By

    return browser.find_element(By.CSS_SELECTOR, f'[data-key="{key}"]')


def by_id(browser, name):
    from selenium.webdriver.common.by import By

    return browser.find_element(By.ID, name)


def scale(browser):
    return browser.execute_script("return document.getElementById('view').getCTM().a")


def middle_is_shown(browser, key):
    """Whether the middle of a box is in the drawing, and nothing is over it."""
    code = """
        const shape = document.querySelector(`[data-key="${arguments[0]}"]`), r = shape.getBoundingClientRect();
        const hit = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
        return hit !== null && shape.contains(hit);"""
    return browser.execute_script(code, key)


READ = """
    const [data, spots, done] = arguments, image = new Image();
    image.onload = () => {
        const canvas = new OffscreenCanvas(image.width, image.height);
        const context = canvas.getContext("2d", {willReadFrequently: true});
        context.drawImage(image, 0, 0);
        const all = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
        done([new Set(all).size, spots.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data])]);
    };
    image.src = "data:image/png;base64," + data;"""


def read_picture(browser, picture, spots):
    """How many colours a screenshot has, and those at some places; the browser reads it."""
    browser.get("about:blank")
    return browser.execute_async_script(READ, picture, spots)


def corner(browser, key):
    """A place near the left border of a box, where there is no text."""
    box = at(browser, key).rect
    return [int(box["x"] + 5), int(box["y"] + box["height"] / 2)]


def test_a_click_on_a_node_tells_about_it(opened):
    browser = opened()
    assert not by_id(browser, "panel").is_displayed()
    at(browser, "h").click()
    text = by_id(browser, "panel").text
    for part in (
        "ourdl::Dense-v1 from ourdl",
        "x @ weight + bias",
        "[batch, 128] float32",
        "units",
        "h.weight",
        "return x=",
    ):
        assert part in text
    assert browser.current_url.endswith("#node=h")
    near = {key for key in ("x", "y", "a", "logits", "loss") if "near" in at(browser, key).get_attribute("class").split()}
    assert near == {"x", "a"}


def test_a_click_on_a_node_changes_its_colour(opened):
    browser = opened()
    pictures = []
    for _ in range(2):
        pictures.append((browser.get_screenshot_as_base64(), [corner(browser, "h"), corner(browser, "loss")]))
        at(browser, "h").click()
    browser.get("about:blank")
    (colours, (old, other)), (_, (new, same)) = (read_picture(browser, *picture) for picture in pictures)
    assert colours > 20  # a blank page has one
    assert max(abs(a - b) for a, b in zip(old, new, strict=True)) > 60
    assert other == same == old


def test_search_finds_names_and_ops(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    search = by_id(browser, "search")
    search.send_keys("dense")
    assert by_id(browser, "found").text == "1 of 2"
    assert "match" in at(browser, "logits").get_attribute("class")
    search.send_keys(Keys.ENTER)
    assert browser.current_url.endswith("#node=h")
    search.send_keys(Keys.ENTER)
    assert browser.current_url.endswith("#node=logits")
    assert middle_is_shown(browser, "logits")
    search.clear()
    search.send_keys("nosuch")
    assert by_id(browser, "found").text == "nothing found"


def test_zoom_by_buttons_wheel_and_keys(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    first = scale(browser)
    by_id(browser, "zoom-in").click()
    assert scale(browser) == pytest.approx(1.3 * first)
    by_id(browser, "zoom-out").click()
    assert scale(browser) == pytest.approx(first)
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys("+")
    assert scale(browser) > first
    body.send_keys("0", Keys.NULL)
    browser.execute_script(
        "document.getElementById('drawing').dispatchEvent("
        "new WheelEvent('wheel', {deltaY: -200, clientX: 300, clientY: 300, bubbles: true, cancelable: true}))"
    )
    assert scale(browser) > first


def test_the_drawing_is_dragged(opened):
    from selenium.webdriver import ActionChains

    browser = opened()
    before = at(browser, "h").rect
    ActionChains(browser).drag_and_drop_by_offset(at(browser, "h"), 60, -20).perform()
    after = at(browser, "h").rect
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((60, -20), abs=2)
    assert not by_id(browser, "panel").is_displayed()  # a drag is no click


def test_a_link_opens_the_page_at_a_node(opened):
    browser = opened("#node=logits")
    assert by_id(browser, "panel").text.splitlines()[1] == "logits"
    assert middle_is_shown(browser, "logits")
    browser.execute_script("location.hash = '#node=nosuch'")
    browser.execute_async_script("requestAnimationFrame(() => arguments[0]())")
    assert not by_id(browser, "panel").is_displayed()


def test_keys_alone_reach_everything(opened):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    focused = "return document.activeElement.dataset.key || document.activeElement.id"

    def press(*keys):
        ActionChains(browser).send_keys(*keys).perform()
        return browser.execute_script(focused)

    reached = [press(Keys.TAB) for _ in range(5)]
    assert reached == ["search", "zoom-out", "zoom-fit", "zoom-in", "x"]
    assert press(Keys.ARROW_DOWN) == "h"
    press(Keys.ENTER)
    assert by_id(browser, "panel").text.splitlines()[1] == "h"
    press(Keys.ESCAPE)
    assert not by_id(browser, "panel").is_displayed()


def test_a_narrow_screen_shows_drawing_and_panel(opened):
    browser = opened(width=500)
    code = "document.documentElement.style.width = '375px'; dispatchEvent(new Event('resize'))"  # no window is that narrow
    browser.execute_script(code)
    at(browser, "h").click()
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    panel, drawing = by_id(browser, "panel").rect, by_id(browser, "drawing").rect
    assert drawing["height"] > 150
    assert panel["y"] >= drawing["y"] + drawing["height"] - 1
    assert panel["width"] <= 375
    assert middle_is_shown(browser, "h")


def test_opened_composites_are_chosen_and_so_is_what_is_in_them(browser, model):
    out = model.with_name("deep.html")
    assert main(["draw", str(model), "--depth", "1", "--out", str(out)]) == 0
    browser.get(out.as_uri() + "#node=h")
    assert "ourdl::Dense-v1" in by_id(browser, "panel").text
    inner = next(
        box.key
        for box, around in graph_diagram(load(model).graph, 1).everything()
        if around.name == "h" and box.title == "MatMul"
    )
    at(browser, inner).click()
    assert "ourdl::MatMul-v1" in by_id(browser, "panel").text
    assert browser.get_log("browser") == []


def test_hostile_names_do_nothing(browser, tmp_path):
    file = tmp_path / "hostile.html"
    file.write_text(page(graph_diagram(hostile_graph())), encoding="utf-8")
    browser.get(file.as_uri())
    at(browser, "r0").click()
    assert HOSTILE[0][:20] in by_id(browser, "panel").text
    assert browser.execute_script("return window.harm") is None
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_alone_can_be_read_in_both_schemes(browser, model, scheme):
    file = model.with_suffix(".svg")
    file.write_text(svg(graph_diagram(load(model).graph)), encoding="utf-8")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.get(file.as_uri())
    code = "return ['.ground', '.name', '.op rect'].map((s) => getComputedStyle(document.querySelector(s)).fill)"
    ground, text, box = (list(map(int, re.findall(r"\d+", colour))) for colour in browser.execute_script(code))
    assert contrast(text, box) > 7
    assert contrast(text, ground) > 7
    assert (sum(ground) > 384) == (scheme == "light")
    wide = browser.execute_script(
        "return [...document.querySelectorAll('.node')].filter((n) => [...n.querySelectorAll('text')].some((t) => "
        "t.getComputedTextLength() > n.querySelector('rect').width.baseVal.value)).map((n) => n.dataset.key)"
    )
    assert wide == []  # text fits in its box
    assert read_picture(browser, browser.get_screenshot_as_base64(), [])[0] > 20
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(first, second):
    """That of WCAG 2: 1 for the same colour, 21 for black on white."""
    lights = sorted(
        sum(w * _linear(c / 255) for w, c in zip((0.2126, 0.7152, 0.0722), colour, strict=True))
        for colour in (first, second)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _linear(value):
    return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
