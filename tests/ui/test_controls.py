"""Controls say what the request's fields say, and nothing is said twice."""

from __future__ import annotations

import gradio as gr
import pytest
from pydantic import ValidationError

from diffscaler.requests import FaceSwapRequest, Request, Text2VideoRequest, UpscaleRequest
from diffscaler.wording import worded
from ui.controls import control, filled, group_of, more


@pytest.mark.parametrize("model", [Text2VideoRequest, FaceSwapRequest, UpscaleRequest])
def test_every_field_under_more_gets_a_control_with_its_own_words(model: type[Request]) -> None:
    with gr.Blocks():
        made = more(model)
    assert set(made) == {name for name, field in model.model_fields.items() if group_of(field)}
    for name, component in made.items():
        assert component.label == model.model_fields[name].title
        assert component.info == model.model_fields[name].description


def test_a_slider_has_the_fields_range_step_and_default() -> None:
    slider = control(UpscaleRequest, "tile")
    assert isinstance(slider, gr.Slider)
    assert (slider.minimum, slider.maximum, slider.step, slider.value) == (0, 1024, 16, 0)


@pytest.mark.parametrize("name", ["mask_blur", "mask_padding", "mask_steady", "fidelity"])
def test_a_slider_can_be_set_to_its_default(name: str) -> None:
    slider = control(FaceSwapRequest, name)
    steps = (slider.value - slider.minimum) / slider.step
    assert abs(steps - round(steps)) < 1e-6 and (slider.maximum - slider.minimum) / slider.step >= 10


def test_a_literal_becomes_choices_whose_values_are_the_requests() -> None:
    radio = control(Text2VideoRequest, "scale")
    assert [value for _, value in radio.choices] == [1, 2, 4] and radio.value == 1


def test_a_field_of_several_words_lets_some_be_ticked() -> None:
    group = control(FaceSwapRequest, "regions")
    assert isinstance(group, gr.CheckboxGroup) and "glasses" not in group.value
    assert [value for _, value in group.choices] == [*group.value, "glasses"]
    with pytest.raises(ValidationError) as error:
        FaceSwapRequest(clip="0" * 8, faces=("1" * 8,), **filled({"regions": []}))
    assert worded(error.value)[0].startswith("regions = ")


def test_an_empty_field_leaves_the_choice_to_the_model_and_a_number_may_be_text() -> None:
    request = Text2VideoRequest(**filled({"prompt": "a dog", "seed": "", "num_frames": None, "width": "128"}))
    assert (request.seed, request.num_frames, request.width) == (None, None, 128)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prompt": ""}, "The prompt is empty."),
        ({"prompt": "a dog", "num_frames": "many"}, "num_frames = many"),
        ({"prompt": "a dog", "width": "65"}, "width = 65"),
    ],
)
def test_wrong_values_are_worded_by_field(values: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Text2VideoRequest(**filled(values))
    sentence, hint = worded(error.value)
    assert sentence.startswith(said) and hint
