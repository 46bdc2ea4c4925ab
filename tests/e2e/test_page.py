"""The page in a real browser: marked, stripped, ordinary, broken and huge pictures; making one; looking one up; axe."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from filigrane.app.heat import HeatMaps
from filigrane.app.serving.api_keys import ApiKeys
from filigrane.app.serving.settings import load_service
from filigrane.app.serving.tables import Ledger
from filigrane.core.settings import load
from filigrane.service.testing import served

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra [dev])")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (extra [dev])")
CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent (apt-get install chromium)")
DESK, PHONE = {"width": 1280, "height": 850}, {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """The address of a server that sketches instead of generating."""
    service = load_service(max_upload_bytes=2_000_000, rate_per_minute=1_000_000, warm=False)
    with served(load(home=home, workers=2), service) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pictures(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    asked = {"prompt": "a lighthouse at dusk", "seed": 7}
    made = httpx.post(f"{url}/v1/images/generations", json=asked, timeout=120).json()["data"][0]
    found = {name: folder / name for name in ("marked.png", "stripped.jpg", "ordinary.png", "broken.jpg", "huge.png")}
    found["marked.png"].write_bytes(base64.b64decode(made["b64_json"]))
    Image.open(found["marked.png"]).convert("RGB").save(found["stripped.jpg"], quality=88)
    noise = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(found["ordinary.png"])
    found["broken.jpg"].write_bytes(b"\xff\xd8\xff\xe0" + bytes(500))
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "png")
    found["huge.png"].write_bytes(bomb.getvalue())
    return found


@pytest.fixture(params=["desk light en", "phone dark fr"])
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    size, scheme, language = request.param.split()
    viewport = DESK if size == "desk" else PHONE
    context = browser.new_context(viewport=viewport, color_scheme=scheme, locale=language)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def check(page: Any, url: str, picture: Path) -> None:
    page.goto(f"{url}/")
    page.set_input_files("#file", str(picture))


def sound(page: Any) -> None:
    """No violation that axe can find, and nothing wider than the screen."""
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(
    ("name", "label", "sources"),
    [
        ("marked.png", "ai_generated", ("manifest", "watermark", "metadata")),
        ("stripped.jpg", "ai_generated", ("watermark",)),
        ("ordinary.png", "no_evidence_of_ai", ()),
    ],
)
def test_a_picture_gets_a_plain_answer(
    page: Any, url: str, pictures: dict[str, Path], name: str, label: str, sources: tuple[str, ...]
) -> None:
    check(page, url, pictures[name])
    page.wait_for_selector(f".verdict.{label}")
    cards = page.locator(".card.present").all()
    assert {card.get_attribute("data-source") for card in cards} - {"classifier"} == set(sources)
    assert page.locator(".look .picture").is_visible()
    assert page.locator("#sentence").inner_text()
    sound(page)
    with page.expect_download() as download:
        page.click("a[download$='report.json']")
    assert b'"signature"' in Path(download.value.path()).read_bytes()
    page.reload()
    assert page.locator(f".verdict.{label} h1").is_visible()


@pytest.mark.parametrize("name", ["broken.jpg", "huge.png"])
def test_what_cant_be_read_is_said_and_another_can_be_tried(
    page: Any, url: str, pictures: dict[str, Path], name: str
) -> None:
    check(page, url, pictures[name])
    page.wait_for_selector("#problem:not([hidden])")
    assert page.locator("#problem").inner_text()
    page.set_input_files("#file", str(pictures["ordinary.png"]))
    page.wait_for_selector(".verdict")


def test_a_picture_is_dropped_or_pasted(page: Any, url: str, pictures: dict[str, Path]) -> None:
    data = base64.b64encode(pictures["ordinary.png"].read_bytes()).decode()
    for kind in ("drop", "paste"):
        page.goto(f"{url}/")
        page.evaluate(
            """([data, kind]) => {
                const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
                const moved = new DataTransfer();
                moved.items.add(new File([bytes], "a.png", {type: "image/png"}));
                const options = {bubbles: true, cancelable: true};
                dispatchEvent(kind === "drop" ? new DragEvent("drop", {...options, dataTransfer: moved})
                                              : new ClipboardEvent("paste", {...options, clipboardData: moved}));
            }""",
            [data, kind],
        )
        page.wait_for_selector(".verdict")


def test_a_picture_is_made_and_found_again(page: Any, url: str) -> None:
    page.goto(f"{url}/make")
    page.fill("#prompt", "a yellow star")
    page.click("#make button")
    page.wait_for_selector("figcaption:not([hidden])", timeout=60_000)
    assert page.locator("#picture").get_attribute("src").startswith("data:image/png;base64,")
    sound(page)
    page.click("#check")
    page.wait_for_selector(".verdict.ai_generated")
    page.go_back()
    page.fill("#prompt", "a naked child")
    page.click("#make button")
    page.wait_for_selector("#problem:not([hidden])")
    sound(page)


def test_a_mark_is_looked_up_by_its_number(page: Any, url: str, pictures: dict[str, Path]) -> None:
    answer = httpx.post(f"{url}/v1/detections", files={"file": pictures["stripped.jpg"].read_bytes()}, timeout=60)
    mark = next(item["details"]["id"] for item in answer.json()["evidence"] if item["source"] == "watermark")
    page.goto(f"{url}/find?id={mark}")
    page.wait_for_selector(".box dl")
    sound(page)
    page.goto(f"{url}/find?id=abc")
    assert page.locator(".notice.warn").is_visible()
    sound(page)


def test_a_heat_map_is_laid_over_the_picture(
    page: Any, url: str, pictures: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeatMaps, "draw", lambda self, data: {"llr": [[-2.0, 2.0], [0.0, 1.0]], "crop_px": 64})
    check(page, url, pictures["stripped.jpg"])
    page.wait_for_selector("#heatswitch")
    page.check("#heatswitch")
    page.locator(".look .heat").evaluate("image => image.decode()")
    sizes = [page.locator(f".look .{name}").bounding_box() for name in ("picture", "heat")]
    assert sizes[0] == sizes[1]
    sound(page)


def test_a_stripped_picture_is_recovered(page: Any, url: str, pictures: dict[str, Path]) -> None:
    page.goto(f"{url}/find")
    page.set_input_files("#file", str(pictures["stripped.jpg"]))
    page.wait_for_selector(".notice.good")
    sound(page)


def test_everything_is_reached_by_keyboard(page: Any, url: str) -> None:
    page.goto(f"{url}/")
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('href')"))
    assert seen[0] == "#content" and {"/", "/make", "/find", "/signin", "file"} <= set(seen)


def test_whoever_signs_in_sees_recent_results(page: Any, url: str, home: Path, pictures: dict[str, Path]) -> None:
    ledger = Ledger.open(home)
    _, text = ApiKeys(ledger).create("reader", ["detect"])
    ledger.close()
    page.goto(f"{url}/signin")
    sound(page)
    page.fill("#key", text)
    page.click("form[action='/signin'] button")
    check(page, url, pictures["ordinary.png"])
    page.wait_for_selector(".verdict")
    page.goto(f"{url}/recent")
    assert page.locator("tbody tr").count() == 1
    sound(page)


def test_the_page_works_without_scripts(browser: Any, url: str, pictures: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    check(page, url, pictures["marked.png"])
    page.click("#upload button")
    assert page.locator(".verdict.ai_generated").is_visible() and "/results/det_" in page.url
    page.click("button[value=agree]")
    assert page.locator("span[role=status]").is_visible()
    context.close()


def test_nothing_is_asked_of_other_sites(page: Any, url: str, pictures: dict[str, Path]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    check(page, url, pictures["marked.png"])
    page.wait_for_selector(".verdict")
    assert asked and all(url.startswith((url, "blob:", "data:")) for url in asked)
