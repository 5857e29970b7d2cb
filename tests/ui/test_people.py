"""The cards of people in a clip: who is one person, who is left out, and who plays them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from diffscaler.cast import Member
from diffscaler.errors import InvalidRequest
from diffscaler.faceswap.people import Person, read_people, rows_of
from diffscaler.faceswap.people_stage import ListPeople
from diffscaler.media import TensorChunk
from diffscaler.plan import Node, imported, nodes
from diffscaler.requests import Correction, FaceSwapRequest, FindPeopleRequest
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from tests.faceswap import tiny_onnx
from ui.cast import CastShelf
from ui.faceswap_tab import FaceSwapTab
from ui.lineage import titled
from ui.people import NOBODY, Group, grouped, played_by


@dataclass
class Seen:
    track: int
    person: int = -1

    def __post_init__(self) -> None:
        self.person = self.track if self.person < 0 else self.person


def tracks(groups: list[Group]) -> list[tuple[int, ...]]:
    return [group.tracks for group in groups]


def test_people_are_one_by_identity_or_by_word_and_no_face_is_left_out() -> None:
    everyone: list[Any] = [Seen(0), Seen(1), Seen(2, person=0), Seen(3), Seen(4)]
    assert tracks(grouped(everyone, [], [])) == [(0, 2), (1,), (3,), (4,)]
    assert tracks(grouped(everyone, [[1, 3]], [])) == [(0, 2), (1, 3), (4,)]
    assert tracks(grouped(everyone, [[1, 3], [0, 1]], [4])) == [(0, 1, 2, 3)]
    assert tracks(grouped(everyone, [[7, 9]], [0])) == [(1,), (3,), (4,)]


@pytest.fixture
def tab(settings: Settings) -> FaceSwapTab:
    return FaceSwapTab(Studio(settings))


@pytest.fixture
def anna(tab: FaceSwapTab, tmp_path: Path) -> Member:
    path = tmp_path / "anna.png"
    Image.new("RGB", (60, 60), "red").save(path)
    return tab.studio.cast.add("Anna", (tab.studio.add_file(path).key,), "by mail", True)


CLIP = "c" * 40
FOUND = Node("list_people", 1, {}, inputs=(Node("detect_faces", 1, {}, inputs=(imported("a" * 64),)),))
FIELDS: dict[str, Any] = {"engine": "auto", "people": "largest"}


def cast_cards(tab: FaceSwapTab, monkeypatch: pytest.MonkeyPatch, *groups: tuple[int, ...]) -> None:
    monkeypatch.setattr(tab.people, "_found", lambda root: FOUND)
    monkeypatch.setattr(tab.people, "groups", lambda *given: [Group(numbers, ()) for numbers in groups])


def test_cards_decide_who_plays_whom(tab: FaceSwapTab, anna: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    cast_cards(tab, monkeypatch, (0, 3), (1,))
    state = {**NOBODY, "clip": CLIP, "plays": {"0": anna.id}, "found": FOUND.key}
    request = tab.request([CLIP], [], "", "", state, **FIELDS)
    assert request.cast == (played_by(anna, (0, 3)),) and request.cast[0].consent == anna.statement
    assert request.playing == request.cast


def test_photos_alone_and_a_picked_member_alone_work_too(tab: FaceSwapTab, anna: Member) -> None:
    photo = anna.photos[0]
    assert tab.request([CLIP], [photo], "by mail", anna.id, NOBODY, **FIELDS).faces == (photo,)
    request = tab.request([CLIP], [], "", anna.id, NOBODY, **FIELDS)
    assert request.cast == (played_by(anna, "largest"),)


def test_cards_of_another_clip_count_for_nothing(tab: FaceSwapTab, anna: Member) -> None:
    state = {**NOBODY, "clip": "d" * 40, "plays": {"0": anna.id}}
    with pytest.raises(ValueError, match="a photo of the performer, or a cast"):
        tab.request([CLIP], [], "", "", state, **FIELDS)


def test_a_casting_whose_people_are_lost_is_never_taken_for_none(tab: FaceSwapTab, anna: Member) -> None:
    state = {**NOBODY, "clip": CLIP, "plays": {"0": anna.id}}
    for faces in ([], list(anna.photos)):
        with pytest.raises(InvalidRequest, match="have to be found again"):
            tab.request([CLIP], faces, "by mail", anna.id, state, **FIELDS)


def test_what_an_earlier_version_left_in_the_browser_is_understood(tab: FaceSwapTab, anna: Member) -> None:
    with gr.Blocks():
        tab.people.place()
    for state in (None, {}, {"clip": CLIP, "plays": {}}):
        assert tab.people.playing(CLIP, state) == ()
        assert tab.people.look(state)[tab.people.pane] == ""
        click = gr.EventData(None, {"do": "gone", "person": "1"})
        assert tab.people.on_click(state, anna.id, click)[tab.people.state]["gone"] == [1]


def test_who_left_the_cast_is_missed_in_a_sentence(
    tab: FaceSwapTab, anna: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast_cards(tab, monkeypatch, (0,))
    tab.studio.cast.remove(anna.id)
    state = {**NOBODY, "clip": CLIP, "plays": {"0": anna.id}, "found": FOUND.key}
    with pytest.raises(InvalidRequest, match="no longer in the cast"):
        tab.request([CLIP], [], "", "", state, **FIELDS)


def test_a_name_cannot_bring_markup_into_the_page(tab: FaceSwapTab, anna: Member) -> None:
    tab.studio.cast.add("<img src=x onerror=alert(1)>", anna.photos, "<script>alert(2)</script>", True)
    html = CastShelf(tab.studio, tab.cast).render("")
    assert "<script" not in html and "<img src=x" not in html and "Anna" in html


@pytest.mark.filterwarnings("ignore:No longer in the cast", "ignore:Cast the people")  # gr.Warning, without a page
def test_settings_of_a_cast_swap_come_back(
    tab: FaceSwapTab, anna: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tab.studio.keeper, "ensure", lambda: None)
    with gr.Blocks(), gr.Tabs():
        tab.place()
    key = clip_in(tab, tmp_path)

    def refilled(**role: Any) -> dict[Any, Any]:
        made = FaceSwapRequest(clip=key, cast=(played_by(anna, role["people"]),))
        assert FaceSwapRequest.model_validate(made.model_dump(mode="json")) == made
        recipe = tab.studio.recipes.of(made)
        updates = tab.fill(made, made_by(recipe.root))
        assert set(updates) <= set(tab.filling)
        return updates

    assert refilled(people=(2, 5))[tab.people.state]["plays"] == {"2": anna.id, "5": anna.id}
    updates = refilled(people="largest")
    assert updates[tab.members.picked] == anna.id and updates[tab.fields["people"]] == "largest"
    newer = ModelRef(name="centerface", revision="newer")
    made = FaceSwapRequest(clip=key, cast=(played_by(anna, (2,)),))
    clip = made_by(tab.studio.recipes.of(made).root)
    monkeypatch.setattr(tab.studio.recipes, "_detector", lambda *given: newer)
    assert tab.fill(made, clip)[tab.people.state]["plays"] == {}
    tab.studio.cast.remove(anna.id)
    updates = refilled(people="all")
    assert updates[tab.members.picked] == "" and updates[tab.people.state]["plays"] == {}


def test_a_clip_picked_is_looked_at_once_and_what_was_said_about_another_is_forgotten(
    tab: FaceSwapTab, anna: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = waiting_clip(tab, tmp_path, monkeypatch)
    found = tab.people._asked({**NOBODY, "clip": key})
    assert found is not None
    before = {**NOBODY, "clip": "d" * 40, "plays": {"0": anna.id}}
    for _ in range(2):
        updates = tab.people.on_clip([key], before)
        assert updates[tab.people.state] == {**NOBODY, "clip": key, "found": found.key}
        assert "Looking for people" in updates[tab.people.pane] and updates[tab.people.said] == ""
    assert [job.title for job in tab.studio.queue.list()] == ["People in clip.gif"]
    kept = {**NOBODY, "clip": key, "plays": {"0": anna.id}, "found": found.key}
    assert tab.people.on_clip([key], kept)[tab.people.state] == kept
    assert tab.people.on_clip([], kept)[tab.people.pane] == ""


def test_what_was_said_holds_as_long_as_the_same_detector_counts(
    tab: FaceSwapTab, anna: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = waiting_clip(tab, tmp_path, monkeypatch)
    kept = tab.people.on_clip([key], None)[tab.people.state] | {"plays": {"0": anna.id}}
    assert tab.people.on_clip([key], kept, True)[tab.people.state] == {**kept, "safe": True}
    other = {**kept, "found": "e" * 40}
    assert tab.people.look(other)[tab.people.state] == {**kept, "plays": {}}
    monkeypatch.setattr(tab.studio.library, "complete", lambda key: True)
    with pytest.raises(InvalidRequest, match="have to be found again"):
        tab.people.playing(key, other)


def test_a_photo_that_was_deleted_is_passed_over(tab: FaceSwapTab) -> None:
    with gr.Blocks():
        tab.members.place_joining()
    assert tab.members.look(["f" * 40])[tab.members.remarks] == ""


def test_a_photo_that_could_not_be_looked_at_is_asked_about_once_and_joins_nobody(
    tab: FaceSwapTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tab.studio.keeper, "ensure", lambda: None)  # no worker: jobs wait
    with gr.Blocks():
        tab.cast.place()
        tab.members.place()
        tab.members.place_joining()
    Image.new("RGB", (60, 60), "red").save(tmp_path / "anna.png")
    key = tab.studio.add_file(tmp_path / "anna.png").key
    assert "looking at it" in tab.members.on_photos([key])[tab.members.remarks]
    (job,) = tab.studio.queue.list()
    tab.studio.queue.end(job.id, "failed", sentence="anna.png is <damaged>.")
    for updates in (tab.members.on_photos([key]), tab.members.look([key])):
        assert 'class="bad"' in updates[tab.members.remarks] and "&lt;damaged&gt;" in updates[tab.members.remarks]
    assert len(tab.studio.queue.list()) == 1
    said = tab.members.on_join(faces=[key], agreed=True, consent="by mail", name="Anna")
    assert "&lt;damaged&gt;" in said[tab.members.said] and tab.studio.cast.list() == []


def test_the_cast_is_asked_once_for_all_cards(tab: FaceSwapTab, anna: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = [Person(i, i, 0, 9, 3, (8.0, 8.0, 24.0, 24.0), 0.9) for i in range(5)]
    found = FOUND
    frames = SimpleNamespace(frames=np.full((1, 40, 60, 3), 90, np.uint8))
    monkeypatch.setattr(tab.people, "_people", lambda found: everyone)
    monkeypatch.setattr(tab.studio.library, "complete", lambda key: key == found.key)
    monkeypatch.setattr(tab.studio.library, "read", lambda *given: iter([frames]))
    real, fps = tab.studio.library.clip, SimpleNamespace(meta=SimpleNamespace(fps=8))
    monkeypatch.setattr(tab.studio.library, "clip", lambda key: fps if key == found.key else real(key))
    plans, plan = [], tab.studio.recipes.inspect_photo
    monkeypatch.setattr(tab.studio.recipes, "inspect_photo", lambda given: plans.append(given) or plan(given))
    html = tab.people.render({**NOBODY, "clip": CLIP}, found, None)
    assert html.count("<figure") == 5 and html.count(anna.id) == 5 and len(plans) == 1
    assert "data:image/jpeg" in html


def test_a_recogniser_renews_the_cards_and_says_so(
    tab: FaceSwapTab, anna: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = waiting_clip(tab, tmp_path, monkeypatch)
    before = tab.people.look({**NOBODY, "clip": key, "plays": {"0": anna.id}})[tab.people.state]
    cast = {**before, "plays": {"0": anna.id}}
    # A look leaves the state alone where it knows nothing new: a click may have changed it meanwhile.
    assert tab.people.look(cast)[tab.people.state] == gr.skip()
    made = FaceSwapRequest(clip=key, cast=(played_by(anna, (0,)),))
    detections = tab.studio.recipes.of(made).root.inputs[0].inputs[1]
    tab.studio.settings.models_dir.mkdir(parents=True, exist_ok=True)
    tiny_onnx.arcface(tab.studio.settings.models_dir / "w600k_r50.onnx")
    state = tab.people.look(cast)[tab.people.state]
    assert state["plays"] == {} and state["found"] != before["found"], "who is one person may be another one now"
    assert tab.people.cast_as(made, {made.cast[0]: anna.id}, detections.key)["plays"] == {"0": anna.id}
    root = tab.studio.recipes.of(FindPeopleRequest(clip=key)).root
    monkeypatch.setattr(tab.people, "groups", lambda *given: [Group((0,), ()), Group((1,), ())])
    monkeypatch.setattr(tab.people, "_card", lambda *given: "")
    assert "Told apart by ArcFace, for non-commercial" in tab.people.render(state, root, None)
    listed = tab.studio.recipes.of(FindPeopleRequest(clip=key, commercial_only=True)).root
    assert "Told apart by how they look." in tab.people.render(state, listed, None)


def test_people_are_stored_as_they_are() -> None:
    everyone = [
        Person(4, 0, 2, 9, 3, (-8.5, 8.0, 24.0, 24.25), 0.875),
        Person(0, 1, 0, 1, 0, (0.0, 1.0, 2.0, 3.0), 0.5),
    ]
    assert read_people([TensorChunk(rows_of(everyone), 0, 1)]) == everyone
    assert read_people([TensorChunk(rows_of([]), 0, 1)]) == []


SHOWN = """
import sys
from pathlib import Path
import gradio as gr
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from ui.people import NOBODY, PeopleStrip

strip = PeopleStrip(Studio(Settings(data_dir=Path(sys.argv[1]))), "swap")
with gr.Blocks():
    strip.place()
html = strip.look({**NOBODY, "clip": sys.argv[2]})[strip.pane]
assert html.count("<figure") == 2 and html.count("data:image/jpeg") == 2, html
print(*[name for name in ("scipy", "cv2", "onnxruntime", "torch") if name in sys.modules])
"""


def test_the_page_shows_people_without_heavy_libraries(tab: FaceSwapTab, settings: Settings, tmp_path: Path) -> None:
    key, library = clip_in(tab, tmp_path), tab.studio.library
    found = tab.people._asked({**NOBODY, "clip": key})
    assert found is not None and found.stage == ListPeople.name
    meta = found.build().describe((library.clip(key).meta,))
    library.open(found, meta)
    everyone = [Person(i, i, 0, 4, 1, (8.0 + 20 * i, 8.0, 24.0 + 20 * i, 24.0), 0.9) for i in range(2)]
    library.store(found.key, TensorChunk(rows_of(everyone), 0, 1))
    library.finish(found.key, meta)
    command = [sys.executable, "-c", SHOWN, str(settings.data_dir), key]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == []


def test_how_a_swap_was_made_is_told_in_names_and_words(tab: FaceSwapTab, anna: Member, tmp_path: Path) -> None:
    made = FaceSwapRequest(
        clip=clip_in(tab, tmp_path),
        cast=(played_by(anna, (2,)),),
        corrections=(Correction(start=1, stop=3), Correction(start=0, stop=1, how="over everything")),
    )
    story = [titled(tab.studio, node) for node in nodes(tab.studio.recipes.of(made).root)]
    assert sum("face from anna.png" in line for line in story) == 2  # the swap, and its correction
    assert any(line.endswith("frames 2-3: skip, frame 1: over everything") for line in story)
    assert not any("{" in line for line in story)


def waiting_clip(tab: FaceSwapTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A clip in the library; no worker comes, so jobs wait."""
    monkeypatch.setattr(tab.studio.keeper, "ensure", lambda: None)
    with gr.Blocks():
        tab.people.place()
    return clip_in(tab, tmp_path)


def made_by(root: Node) -> Any:
    """As much of a clip as is asked for."""
    return SimpleNamespace(node=root)


def clip_in(tab: FaceSwapTab, tmp_path: Path) -> str:
    """The key of a small clip, imported."""
    path = tmp_path / "clip.gif"
    pictures = [Image.new("RGB", (64, 48), (40 * i, 90, 120)) for i in range(4)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    return tab.studio.add_file(path).key
