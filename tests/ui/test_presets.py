"""Every preset is a request that would be accepted, and every chip has its picture."""

from __future__ import annotations

import pytest

from diffscaler.presets import preset, presets
from diffscaler.requests import DeliverRequest, Request, Text2VideoRequest, UpscaleRequest
from diffscaler.settings import Settings
from ui import looks

KINDS: dict[str, tuple[type[Request], dict[str, str]]] = {
    "text2video": (Text2VideoRequest, {"prompt": "a dog"}),
    "upscale": (UpscaleRequest, {"clip": "abcdef"}),
    "deliver": (DeliverRequest, {"clip": "abcdef"}),
}
NAMES = [(kind, name) for kind in KINDS for name in presets(Settings(), kind)]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_a_preset_is_a_valid_request_with_a_title_and_a_picture(settings: Settings, kind: str, name: str) -> None:
    model, needed = KINDS[kind]
    model(**needed, **preset(settings, kind, name))
    table = presets(settings, kind)[name]
    assert table["title"] and (settings.assets_dir / "theme" / "looks" / f"{table['picture']}.svg").is_file()


def test_choosing_a_preset_resets_what_it_does_not_name(settings: Settings) -> None:
    class Studio:
        pass

    Studio.settings = settings  # type: ignore[attr-defined]
    values = looks.values_of(Studio, "text2video", "gif", Text2VideoRequest, ["scale", "encoding", "num_frames"])  # type: ignore[arg-type]
    assert values == {"scale": 2, "encoding": "gif", "num_frames": None}
