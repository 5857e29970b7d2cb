"""The page, as a person uses it: words to a clip, a face on it, larger, and a reload in the middle of a job."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LONG_MS = 120_000
#: Whether the middle of an element can be seen: nothing lies over it.
TOPMOST = """selector => { const at = document.querySelector(selector); const r = at.getBoundingClientRect();
const top = document.elementFromPoint((r.left + r.right) / 2, (r.top + r.bottom) / 2);
return !!top && at.contains(top); }"""
#: The middles of the two faces in `clip_of_two`, the left one first.
FACES = (slice(45, 97), slice(115, 155)), (slice(108, 146), slice(311, 340))
OWN_HOSTS = ("127.0.0.1", "localhost")


class Page:
    """The studio in one browser tab, with everything it asked the network for."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.requested: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, ready: str = "#text2video-go, #text2video-stop") -> Page:
        """ready: what is in sight once the tab that was open is there."""
        self.page.goto(self.address, wait_until="domcontentloaded")
        self.page.wait_for_selector(ready, timeout=60_000)
        self.page.wait_for_function("document.querySelector('#queue .queue') !== null", timeout=60_000)
        return self

    def tab(self, name: str) -> None:
        # While the page measures how many tabs fit, there are two of each.
        self.page.get_by_role("tab", name=name, exact=True).locator("visible=true").first.click()

    def more(self, field: str, value: str) -> None:
        """Set a field of Text to video that waits under "More"."""
        control = self.page.locator(f"#Text2VideoRequest-{field} :is(input, textarea)").first
        if not control.is_visible():
            self.page.locator(".tabitem:has(#text2video-monitor) .more .label-wrap").click()
        control.fill(value)

    def wait_for_clip(self, tab: str, count: int = 1) -> dict[str, Any]:
        """The last playing clip of a tab's monitor. Fails with the studio's own words when the job failed."""
        self.page.wait_for_function(
            f"document.querySelectorAll('#{tab}-monitor video').length >= {count}"
            f" || document.querySelector('#{tab}-monitor .ended') || document.querySelector('#{tab}-said .say')",
            timeout=LONG_MS,
        )
        said = self.page.locator(f"#{tab}-monitor .ended, #{tab}-said .say")
        assert said.count() == 0, said.first.inner_text()
        last = f"[...document.querySelectorAll('#{tab}-monitor video')].at(-1)"
        self.page.wait_for_function(f"{last}.readyState >= 2 && {last}.currentTime > 0.2", timeout=30_000)
        return self.page.evaluate(
            f"(() => {{ const v = {last}; return {{width: v.videoWidth, height: v.videoHeight, seconds: v.duration,"
            " paused: v.paused, loop: v.loop}; })()"
        )

    def frames(self, tab: str, number: int) -> Any:
        """The pictures of a clip on a tab's monitor, counted from 0: int (N, H, W, 3)."""
        from diffscaler.video.reader import read_frames

        url = self.page.evaluate(f"document.querySelectorAll('#{tab}-monitor video')[{number}].src")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            path.write_bytes(self.page.request.get(url).body())
            return np.concatenate([chunk.frames for chunk in read_frames(path)]).astype(int)


@pytest.fixture(scope="module")
def studio(browser: Any, address: str) -> Page:
    return Page(browser.new_context(viewport={"width": 1440, "height": 900}).new_page(), address).open()


def test_words_become_a_clip_that_plays(studio: Page) -> None:
    studio.page.locator("#prompt textarea").fill("a cat sleeping on a road")
    for field, value in (("num_inference_steps", "4"), ("num_frames", "8"), ("width", "64"), ("height", "64")):
        studio.more(field, value)
    studio.page.wait_for_function("document.querySelector('#text2video-go').innerText.includes('about')")
    assert "cat" in studio.page.locator("#words").inner_text()
    studio.page.locator("#text2video-go").click()
    clip = studio.wait_for_clip("text2video")
    assert clip == {"width": 64, "height": 64, "seconds": 1, "paused": False, "loop": True}
    assert "mini" in studio.page.locator("#text2video-monitor .facts").inner_text()


def test_a_reload_in_the_middle_finds_the_job_and_then_its_clip(studio: Page) -> None:
    prompt = "a dog running on a beach at sunset"
    studio.page.locator("#prompt textarea").fill(prompt)
    studio.more("num_inference_steps", "16")
    studio.page.wait_for_function(
        "document.querySelector('#words').innerText.includes('running · beach')"
    )  # so the draft is kept
    studio.page.locator("#text2video-go").click()
    studio.page.wait_for_selector("#text2video-stop")
    studio.open()
    # The draft comes back a moment after the page.
    studio.page.wait_for_function(f"document.querySelector('#prompt textarea').value === {prompt!r}", timeout=15_000)
    # On a fast machine the job may be over by now: what was asked for is found again either way.
    studio.page.wait_for_selector("#text2video-stop, #text2video-monitor video", timeout=20_000)
    studio.wait_for_clip("text2video")
    assert studio.page.locator("#text2video-monitor h2").inner_text() == prompt


def test_a_face_without_permission_is_refused_and_with_it_is_swapped(studio: Page, tmp_path: Path) -> None:
    photo, clip = astronaut(tmp_path), clip_with_a_face(tmp_path)
    studio.tab("Face swap")
    studio.page.set_input_files("#faceswap-clip-drop input[type=file]", clip)
    studio.page.wait_for_selector("#faceswap-clip-shelf .card[aria-pressed=true]", timeout=20_000)
    studio.page.set_input_files("#faceswap-face-drop input[type=file]", photo)
    studio.page.wait_for_selector("#faceswap-face-shelf .card[aria-pressed=true]", timeout=20_000)
    studio.page.locator("#faceswap-go").click()
    studio.page.wait_for_selector("#faceswap-said .say")
    assert "permission" in studio.page.locator("#faceswap-said .say").inner_text()
    studio.page.locator("#faceswap-agreed input").check()
    studio.page.locator("#faceswap-consent input, #faceswap-consent textarea").first.fill("Eileen Collins, NASA, 1993")
    studio.page.locator("#faceswap-go").click()
    studio.page.wait_for_selector("#faceswap-said .say", state="detached", timeout=15_000)
    swapped = studio.wait_for_clip("faceswap", count=2)
    assert (swapped["width"], swapped["height"]) == (192, 192)
    assert "preview engine" in studio.page.locator("#faceswap-monitor .facts").inner_text()


def test_a_cast_is_kept_and_plays_who_it_is_told_and_a_correction_runs_its_frames_only(
    studio: Page, tmp_path: Path
) -> None:
    from PIL import Image

    page, photo, clip = studio.page, astronaut(tmp_path), clip_of_two(tmp_path)
    mirrored = Image.open(photo).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(tmp_path / "bo.png")
    studio.tab("Face swap")
    page.set_input_files("#faceswap-clip-drop input[type=file]", clip)
    page.wait_for_selector("#faceswap-people figure:nth-of-type(2)", timeout=LONG_MS)
    page.set_input_files("#faceswap-face-drop input[type=file]", photo)
    page.wait_for_selector("#faceswap-remarks p.good", timeout=LONG_MS)
    assert "A good likeness." in page.locator("#faceswap-remarks").inner_text()
    page.locator("#faceswap-member-name :is(input, textarea)").fill("Eileen")
    if page.locator("#faceswap-agreed input").is_checked():
        page.locator("#faceswap-agreed input").uncheck()
    page.locator("#faceswap-join").click()
    page.wait_for_selector("#faceswap-cast-said .say")
    assert "permission" in page.locator("#faceswap-cast-said .say").inner_text()
    page.wait_for_function(TOPMOST, arg="#faceswap-cast-said .say")  # not behind the button at the foot of the column
    page.locator("#faceswap-agreed input").check()
    page.locator("#faceswap-consent :is(input, textarea)").first.fill("Eileen Collins, NASA, 1993")
    page.locator("#faceswap-join").click()
    page.wait_for_selector("#faceswap-cast .card[aria-pressed=true]")
    page.set_input_files("#faceswap-face-drop input[type=file]", tmp_path / "bo.png")
    page.wait_for_selector("#faceswap-remarks p", timeout=LONG_MS)
    page.locator("#faceswap-member-name :is(input, textarea)").fill("Bo")
    page.locator("#faceswap-agreed input").check()
    page.locator("#faceswap-consent :is(input, textarea)").first.fill("Bo, by mail")
    page.locator("#faceswap-join").click()
    page.wait_for_selector("#faceswap-cast .card:nth-of-type(2)")
    # One of the cast is pressed on a card, the other one dropped on a card.
    people, names = page.locator("#faceswap-people figure"), page.locator("#faceswap-cast .card")
    people.nth(1).locator(".who", has_text="Eileen").click()
    page.wait_for_selector("#faceswap-people figure.cast .who[aria-pressed=true]")
    assert page.locator("#faceswap-people figure.cast").count() == 1
    names.filter(has_text="Bo").drag_to(people.nth(0))
    page.wait_for_selector("#faceswap-people figure.cast:nth-of-type(2)")
    pressed = "#faceswap-people figure.cast .who[aria-pressed=true]"
    page.wait_for_function(f"document.querySelectorAll('{pressed}').length === 2")
    assert [page.locator(pressed).nth(i).inner_text() for i in (0, 1)] == ["Bo", "Eileen"]
    page.locator("#faceswap-go").click()
    page.wait_for_selector("#faceswap-stop", timeout=15_000)
    studio.wait_for_clip("faceswap", count=2)
    before, swapped = (studio.frames("faceswap", at) for at in (0, 1))
    changed = [[apart(swapped[i], before[i], face) for face in FACES] for i in (0, 7, 14)]
    print("changed", np.round(changed, 3).tolist())
    assert np.min(changed) > 0.01, "both are replaced"
    page.wait_for_selector("#faceswap-review .quality", timeout=LONG_MS)
    assert "frames with a new face" in page.locator("#faceswap-review").inner_text()
    # The line of time leads to a frame, and the original face is put back there.
    page.locator("#faceswap-review .heat button").nth(7).click()
    page.wait_for_function("document.querySelector('#faceswap-monitor video').paused")
    page.locator("#faceswap-review .here button", has_text="Leave the original here").click()
    page.wait_for_selector("#faceswap-review button:has-text('take back 1 correction')", timeout=LONG_MS)
    studio.wait_for_clip("faceswap", count=2)
    corrected = studio.frames("faceswap", 1)
    back = [[apart(corrected[i], before[i], face) for face in FACES] for i in range(len(before))]
    kept = [[apart(corrected[i], swapped[i], face) for face in FACES] for i in range(len(before))]
    print("from the original", np.round(back, 3).tolist(), "from the swap", np.round(kept, 3).tolist())
    assert max(back[7]) < 0.006, "the original is back"
    assert np.max([kept[i] for i in (0, 1, 2, 12, 13, 14)]) < 0.006, "these frames are as they were"
    page.wait_for_selector("#faceswap-review .quality", timeout=LONG_MS)
    assert "kept by a correction" in page.locator("#faceswap-review .quality").inner_text()
    studio.open()
    studio.tab("Face swap")  # all of it is there after a reload
    page.wait_for_selector("#faceswap-people figure.cast", timeout=20_000)
    page.wait_for_selector("#faceswap-cast .card", timeout=20_000)
    page.wait_for_selector("#faceswap-review .quality", timeout=20_000)


def test_a_swapped_clip_is_upscaled_from_the_verbs_under_it(studio: Page) -> None:
    swapped = studio.wait_for_clip("faceswap", count=2)
    studio.page.locator("#faceswap-monitor .verbs button", has_text="Upscale").click()
    studio.page.wait_for_selector("#upscale-clip-shelf .card[aria-pressed=true]", timeout=20_000)
    studio.page.locator("#UpscaleRequest-scale label", has_text="2").click()
    studio.page.locator("#upscale-go").click()
    larger = studio.wait_for_clip("upscale", count=2)
    assert (larger["width"], larger["height"]) == (2 * swapped["width"], 2 * swapped["height"])


def test_the_library_tells_how_a_clip_was_made(studio: Page) -> None:
    studio.tab("Library")
    # The sheet of an earlier look stands there until the new one comes.
    studio.page.wait_for_function("document.querySelector('#sheet .card')?.innerText.includes('2x')")
    studio.page.locator("#sheet .card").first.click()
    studio.page.wait_for_selector("#detail .chain")
    story = studio.page.locator("#detail .chain").inner_text()
    assert "Faces swapped" in story and "Upscaled" in story


def test_a_trial_begins_where_the_monitor_stands(studio: Page) -> None:
    studio.tab("Upscale")
    length = studio.wait_for_clip("upscale", count=2)["seconds"]
    link, trial = "#upscale-trial [data-do=try-here]", "[...document.querySelectorAll('#upscale-monitor video')].at(-1)"
    began = 0.0
    for _ in range(2):  # the second counts from where the first began
        # What was sent is asked for, not what was aimed at: a late look may put a clip that plays in the place of one
        # that was paused.
        studio.page.evaluate(
            "document.querySelectorAll('#upscale-monitor video').forEach(v => { v.pause(); v.currentTime = 0.25; })"
        )
        studio.page.locator(link).click()
        sent = float(studio.page.evaluate(f"document.querySelector({link!r}).dataset.at"))
        assert 0 <= sent < length
        began += sent
        studio.page.wait_for_function(
            f"Math.abs(document.querySelector('#upscale-monitor [data-from]')?.dataset.from - {began}) < 0.001",
            timeout=LONG_MS,
        )
        lasts = min(1, length - began)  # a second, or what is left of the clip
        studio.page.wait_for_function(f"Math.abs({trial}.duration - {lasts}) < 0.13", timeout=30_000)
        studio.wait_for_clip("upscale", count=2)


def test_a_wrong_file_is_named_for_what_it_is(studio: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.mp4"
    wrong.write_text("Scene one. A dog runs.\n" * 40)
    studio.tab("Upscale")
    studio.page.set_input_files("#upscale-clip-drop input[type=file]", wrong)
    studio.page.wait_for_selector(".tabitem:has(#upscale-monitor) .said .say")
    assert "notes.mp4 is not a video" in studio.page.locator(".tabitem:has(#upscale-monitor) .said .say").inner_text()


def test_a_phone_sees_the_monitor_first_and_never_scrolls_sideways(browser: Any, address: str) -> None:
    phone = Page(browser.new_context(viewport={"width": 390, "height": 844}).new_page(), address).open()
    for name in ("Storyboard", "Text to video", "Face swap", "Upscale", "Deliver", "Training", "Library"):
        phone.tab(name)
        time.sleep(0.5)
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390, name
    phone.tab("Text to video")
    order = ("#text2video-monitor", "#prompt", "#text2video-go")
    tops = [phone.page.locator(name).bounding_box()["y"] for name in order]
    assert tops == sorted(tops)


def test_programs_get_a_file_from_the_api(address: str) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    client = Client(address, verbose=False)
    names = client.view_api(return_format="dict")["named_endpoints"]
    assert set(names) == {"/generate", "/swap", "/upscale", "/status"}
    made = client.predict("a cat sleeping on a road", "mini", 7, 2, 2, 1, None, "", api_name="/generate")
    assert Path(made).stat().st_size > 1000
    assert client.predict(api_name="/status")["jobs"][0]["state"] == "done"
    # Every other field goes by its name; clips and pictures are sent along.
    again = client.predict(
        "a dog on a beach", "mini", 7, 2, 2, 1, None, "", source=handle_file(made), api_name="/generate",
        settings={"strength": 0.5, "encoding": "gif"},
    )  # fmt: skip
    assert Path(again).read_bytes()[:3] == b"GIF"
    # A face is used with its owner's permission, whichever way it comes.
    wrong = {"strenth": 0.5}, {"seed": 3}, {"strength": 7}, [1], {"model": "none"}, {"faces": ["0" * 40]}
    said = "strenth", "given twice", "strength", "table", "given twice", "permission"
    for settings, words in zip(wrong, said, strict=True):
        with pytest.raises(AppError, match=words):
            client.predict("a dog", "mini", 7, 2, 2, 1, None, "", settings=settings, api_name="/generate")


def test_the_page_asks_nobody_else_for_anything_and_the_server_never_loads_torch(studio: Page) -> None:
    elsewhere = [
        url for url in studio.requested if url.split("/")[2].split(":")[0] not in OWN_HOSTS and url.startswith("http")
    ]
    assert elsewhere == [] and studio.errors == []
    code = "import sys, ui.page, ui.server; sys.exit(bool({'torch', 'onnxruntime', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def astronaut(folder: Path) -> Path:
    """A photo with one clear face."""
    from PIL import Image
    from skimage import data

    path = folder / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def apart(one: Any, other: Any, area: Any) -> float:
    """Share of values in an area of two pictures that differ by more than compression makes them."""
    return float((np.abs(one[area] - other[area]) > 20).mean())


def clip_with_a_face(folder: Path) -> Path:
    """A short clip of that face, drifting: it must be found in every frame."""
    from fractions import Fraction

    from skimage import data
    from skimage.transform import resize

    from diffscaler.media import ClipMeta, FrameChunk
    from diffscaler.video.encodings import Encoding
    from diffscaler.video.writer import write_clip

    picture = data.astronaut()
    views = [resize(picture[:320, 80 + 3 * i : 400 + 3 * i], (192, 192), preserve_range=True) for i in range(8)]
    frames = np.stack(views).astype(np.uint8)
    meta = ClipMeta(kind="frames", width=192, height=192, num_frames=8, fps=Fraction(8), duration_s=1)
    path = folder / "performance.mp4"
    chunk = FrameChunk(frames, 0, np.arange(8) / 8)
    write_clip(
        path, meta, [chunk], Encoding(name="h264", quality=14), sound=None, manifest={}, on_frames=lambda done: None
    )
    return path


def clip_of_two(folder: Path) -> Path:
    """A short clip of two people, the right one smaller, with something before their face in the middle."""
    from fractions import Fraction

    import cv2

    from diffscaler.media import ClipMeta, FrameChunk
    from diffscaler.video.encodings import Encoding
    from diffscaler.video.writer import write_clip
    from tests.faceswap.moving import scene

    frames = np.repeat(scene()[None, :, :420], 15, axis=0)
    for index in (6, 7, 8):
        cv2.circle(frames[index], (333, 152), 9, (40, 160, 60), -1)
    meta = ClipMeta(kind="frames", width=420, height=270, num_frames=15, fps=Fraction(12), duration_s=15 / 12)
    path = folder / "two.mp4"
    chunk = FrameChunk(frames, 0, np.arange(15) / 12)
    write_clip(
        path, meta, [chunk], Encoding(name="h264", quality=10), sound=None, manifest={}, on_frames=lambda done: None
    )
    return path
