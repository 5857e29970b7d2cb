"""Sizes and lengths: what is asked for becomes what a model can draw, or a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import InvalidRequest
from diffscaler.framing import ASPECTS, frames_of, size_of, window_of
from diffscaler.models.spec import ModelSpec
from diffscaler.models.traits import Traits, read_families
from diffscaler.requests import MAX_SEED, Text2VideoRequest
from diffscaler.sampling_choices import takes, with_native


def spec(native: dict[str, Any], **traits: Any) -> ModelSpec:
    return ModelSpec(name="m", title="M", kind="text2video", loader="", native=native, traits=Traits(**traits))


def ask(**values: Any) -> Text2VideoRequest:
    return Text2VideoRequest(prompt="a dog", **values)


WAN = spec({"width": 832, "height": 480, "num_frames": 81, "fps": 16}, frame_step=4, frame_offset=1, size_step=16)
MINI = spec({"width": 128, "height": 128, "num_frames": 16, "fps": 8, "max_frames": 32, "max_side": 256}, windows=True)


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("card", read_families(), ids=lambda card: card.name)
def test_every_aspect_is_drawn_in_a_size_the_family_can_draw_at_about_its_own_area(card: Any, aspect: str) -> None:
    model = ModelSpec(name="m", title="M", kind="text2video", loader="", native=card.native, traits=card.traits)
    width, height = size_of(ask(aspect=aspect), model)
    assert width % card.traits.size_step == 0 == height % card.traits.size_step
    area = card.native["width"] * card.native["height"]
    assert 0.6 < width * height / area < 1.6
    assert card.traits.buckets or abs(width / height / ASPECTS[aspect] - 1) < 0.12
    assert not card.traits.buckets or (width, height) in card.traits.buckets


def test_a_size_that_is_given_wins_over_an_aspect_and_a_wrong_one_is_said_with_the_nearest() -> None:
    assert size_of(ask(width=64, height=64, aspect="16:9"), MINI) == (64, 64)
    with pytest.raises(InvalidRequest, match="multiples of 16") as caught:
        size_of(ask(width=840), WAN)
    assert "832 or 848" in caught.value.hint
    with pytest.raises(InvalidRequest, match="at most 256"):
        size_of(ask(width=264), MINI)


@given(st.integers(1, 257), st.sampled_from([(1, 0), (4, 1), (8, 1), (2, 0)]))
def test_the_nearest_legal_length_is_drawn(asked: int, steps: tuple[int, int]) -> None:
    step, offset = steps
    traits = Traits(frame_step=step, frame_offset=offset)
    frames = traits.legal_frames(asked)
    assert frames >= 1 and (frames - offset) % step == 0
    assert abs(frames - asked) <= step / 2 or frames == min(traits.legal_frames(1), frames)


def test_seconds_are_frames_of_the_models_own_rate() -> None:
    assert frames_of(ask(seconds=2), MINI) == 16 and frames_of(ask(seconds=5), WAN) == 81
    assert frames_of(ask(), WAN) == 81 and frames_of(ask(num_frames=80), WAN) == 81
    with pytest.raises(InvalidRequest, match="frames and in seconds"):
        frames_of(ask(seconds=1, num_frames=8), MINI)


def test_long_clips_are_drawn_in_windows_where_that_can_be_and_refused_elsewhere() -> None:
    assert frames_of(ask(num_frames=100), MINI) == 100
    assert window_of(32, MINI) == (0, 0) and window_of(33, MINI) == (16, 4)
    short = spec({"num_frames": 49, "max_frames": 49})
    with pytest.raises(InvalidRequest, match="at most 49"):
        frames_of(ask(num_frames=60), short)
    assert window_of(300, WAN) == (0, 0)


def test_pictures_and_samplers_a_model_cannot_take_are_refused() -> None:
    still = "0123456789abcdef"
    for model, request in (
        (spec({}, image="needed"), ask()),
        (spec({}), ask(picture=still)),
        (spec({}, samplers=("euler",)), ask(scheduler="lcm")),
        (spec({}), ask(reuse="some")),
        (spec({}), ask(guidance_rescale=0.5)),
        (spec({}), ask(shared_noise=0.5)),
        (spec({}, min_steps=2), ask(num_inference_steps=1)),
        (spec({"num_inference_steps": 1}, min_steps=2), ask()),
        (spec({"guidance_scale": 1.0}, guided=True), ask(guidance_scale=4)),
        (spec({"guidance_scale": 1.0}, guided=True), ask(negative_prompt="rain")),
    ):
        with pytest.raises(InvalidRequest) as caught:
            with_native(request, model)
        assert caught.value.hint
    complete = with_native(ask(picture=still, scheduler="euler"), spec({}, image="optional", samplers=("euler",)))
    assert complete.seed is not None and complete.width == complete.height == 512
    assert with_native(ask(), spec({"guidance_scale": 1.0}, guided=True)).guidance_scale == 1
    # What is complete stays what it is: asking again gives the same clip.
    assert with_native(complete, spec({}, image="optional", samplers=("euler",))) == complete


def test_takes_have_seeds_that_follow_each_other_and_never_leave_the_range() -> None:
    assert [take.seed for take in takes(ask(seed=MAX_SEED), 3)] == [MAX_SEED, 0, 1]
    seeds = [take.seed for take in takes(ask(), 4)]
    assert len(set(seeds)) == 4 and all(0 <= (seed or 0) <= MAX_SEED for seed in seeds)
