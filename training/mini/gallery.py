"""The sheet by which a person judges a model: 24 fixed prompts, one row of frames each, with their words."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

#: The first five are those of the thesis. Held-out combinations are among them: never drawn in training.
PROMPTS = (
    "a camel drinking water from a lake",
    "a dog using a laptop",
    "a cat with an umbrella on a beach",
    "a helicopter in the middle of a road",
    "a cat sleeping on a road",
    "a horse running to the left in the snow",
    "a red car driving to the right in a desert at sunset",
    "a boat sailing left on a lake at night",
    "a bird flying up in a forest",
    "a man walking to the right in a city at night",
    "a woman with an umbrella in the rain on a road",
    "a penguin jumping in the snow",
    "two dogs running on a beach",
    "an elephant in the mountains in fog",
    "a train passing by in a field, pan right",
    "a white rabbit in a forest",
    "a cow beside a man in a meadow",
    "a black cat in the living room",
    "a blue bus on a road on a rainy day",
    "a yellow helicopter flying to the left in the mountains",
    "EXT. BEACH - SUNSET. A dog runs left.",
    "INT. LIVING ROOM - NIGHT. A woman walks.",
    "close-up of a camel in a desert, zoom in",
    "three penguins on a beach",
)

COLUMNS, SHOWN, TEXT_HEIGHT = 2, 6, 18


def gallery(clips: list[np.ndarray], prompts: tuple[str, ...] = PROMPTS) -> Image.Image:
    """Clips, uint8 RGB (F, H, W, 3), with their prompts above them, in COLUMNS columns."""
    side = clips[0].shape[2]
    rows = -(-len(clips) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * SHOWN * side, rows * (side + TEXT_HEIGHT)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, (clip, prompt) in enumerate(zip(clips, prompts, strict=True)):
        x, y = i // rows * SHOWN * side, i % rows * (side + TEXT_HEIGHT)
        pen.text((x + 4, y + 1), prompt, "black", font)
        picks = clip[np.linspace(0, len(clip) - 1, SHOWN).round().astype(int)]
        sheet.paste(Image.fromarray(np.concatenate(list(picks), axis=1)), (x, y + TEXT_HEIGHT))
    return sheet


def main(arguments: list[str]) -> int:
    """Draw the sheet of a model folder by the studio's own code."""
    parser = argparse.ArgumentParser(prog="python -m training gallery")
    parser.add_argument("model", type=Path, help="a model folder; assets/models/mini is the built-in one")
    parser.add_argument("-o", "--output", type=Path, default=Path("gallery.jpg"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    from diffscaler.models.catalogue import Catalogue, text2video_folder
    from diffscaler.models.device import pick_device
    from diffscaler.settings import Settings
    from diffscaler.text2video.family import draw

    built_in = Catalogue(Settings()).spec("mini", "text2video")
    spec = built_in if options.model.resolve() == built_in.path.resolve() else text2video_folder(options.model)
    model = spec.load(pick_device())
    clips = [draw(model, spec.native, prompt, options.seed) for prompt in PROMPTS]
    gallery(clips).save(options.output, quality=88)
    return 0
