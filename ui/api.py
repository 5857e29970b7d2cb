"""The studio for programs: named endpoints that wait for the result, for `gradio_client` or plain HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.requests import FaceSwapRequest, Request, Text2VideoRequest, UpscaleRequest
from diffscaler.studio import Studio
from ui.watch import explained

PARALLEL = 8


def add(studio: Studio) -> None:
    """Add /generate, /swap, /upscale and /status to the page being built."""

    def key_of(file: str | None, key: str) -> str:
        """A library key, or the key of a file sent along."""
        return studio.add_file(Path(file)).key if file else key

    def carried_out(request: Request) -> str:
        *_, job = studio.follow(studio.submit(request).id)
        if job.state != "done":
            raise DiffScalerError(job.sentence or "The job was stopped.", job.hint)
        return str(studio.library.path(job.result or ""))

    def answered(make: Callable[[], Request]) -> str:
        try:
            return carried_out(make())
        except Exception as error:
            raise gr.Error(explained(error), print_exception=False) from error

    def cast(face: str | None, consent: str) -> dict[str, Any]:
        """The fields of a photo, which is not even stored without its owner's permission."""
        if face:
            permitted(consent)
        return {"faces": (key_of(face, ""),), "consent": consent} if face else {}

    def generate(
        prompt: str,
        model: str,
        seed: float | None,
        num_inference_steps: float | None,
        num_frames: float | None,
        scale: float,
        face: str | None,
        consent: str,
        picture: str | None = None,
        source: str | None = None,
        reference: str | None = None,
        control: str | None = None,
        settings: Any = None,
    ) -> str:
        """A clip from words. face: a photo; with it, consent says who agreed. picture: to start from; source: a clip to
        redraw; reference: what it is to look like; control: a clip to follow. settings: any other field of
        Text2VideoRequest, by name. Answers with the clip's file."""

        def make() -> Request:
            numbers = {
                "seed": seed, "num_inference_steps": num_inference_steps, "num_frames": num_frames, "scale": scale
            }  # fmt: skip
            files = {"picture": picture, "source_clip": source, "reference": reference, "control": control}
            given = {name: value for name, value in numbers.items() if value is not None}
            given |= {name: key_of(file, "") for name, file in files.items() if file}
            return checked(
                Text2VideoRequest, {"prompt": prompt, "model": model} | given | cast(face, consent), settings
            )

        return answered(make)

    def swap(clip: str | None, key: str, face: str, consent: str, settings: Any = None) -> str:
        """A face onto everyone in a clip: a file, or a library key. settings: any other field of FaceSwapRequest, by
        name. Answers with the new clip's file."""

        def make() -> Request:
            if not face:
                raise InvalidRequest("There is no face to swap in.", "Send a photo as `face`.")
            return checked(FaceSwapRequest, {"clip": key_of(clip, key)} | cast(face, consent), settings)

        return answered(make)

    def upscale(clip: str | None, key: str, scale: float, settings: Any = None) -> str:
        """A larger clip or picture: a file, or a library key. settings: any other field of UpscaleRequest, by name.
        Answers with the new file."""
        return answered(lambda: checked(UpscaleRequest, {"clip": key_of(clip, key), "scale": scale}, settings))

    def status() -> dict[str, Any]:
        """Jobs, workers and models, for a program that waits or watches."""
        return {
            "jobs": [job.event() for job in studio.queue.list(limit=50)],
            "workers": [{name: row[name] for name in ("device", "resident")} for row in studio.queue.workers("device")],
            "models": [
                {"name": spec.name, "kind": spec.kind, "licence": spec.licence} for spec in studio.catalogue.specs()
            ],
        }

    with gr.Column(visible=False):
        prompt, model = gr.Textbox(label="prompt"), gr.Textbox("mini", label="model")
        seed, steps, frames = (gr.Number(None, label=name) for name in ("seed", "num_inference_steps", "num_frames"))
        scale = gr.Number(1, label="scale")
        face, clip = gr.File(label="face"), gr.File(label="clip")
        consent, key = gr.Textbox("", label="consent"), gr.Textbox("", label="key")
        names = ("picture", "source", "reference", "control")
        picture, source, reference, control = (gr.File(label=name) for name in names)
        settings = gr.JSON({}, label="settings")
        file, answer = gr.File(label="result"), gr.JSON(label="status")
        call = gr.Button()
    for function, inputs in (
        (
            generate,
            [prompt, model, seed, steps, frames, scale, face, consent, picture, source, reference, control, settings],
        ),
        (swap, [clip, key, face, consent, settings]),
        (upscale, [clip, key, scale, settings]),
    ):
        call.click(function, inputs, file, api_name=function.__name__, concurrency_limit=PARALLEL)
    call.click(status, None, answer, api_name="status", queue=False)


def checked(kind: type[Request], given: dict[str, Any], settings: Any) -> Request:
    """A request of `kind` from an endpoint's own parameters and `settings`, its other fields by name.

    Raises InvalidRequest where settings is not a table, or says again what has a parameter of its own, or where a face
    is used and nobody is said to have agreed; pydantic's ValidationError for a field or a value that is not known.
    """
    settings = settings or {}
    if not isinstance(settings, dict):
        raise InvalidRequest("settings is a table of fields and values.", 'For example {"aspect": "16:9"}.')
    if twice := sorted(given.keys() & settings.keys()):
        raise InvalidRequest(f"{twice[0]} is given twice.", "Leave it out of settings.")
    request = kind.model_validate(settings | given)
    if getattr(request, "faces", ()):
        permitted(getattr(request, "consent", ""))
    for role in getattr(request, "cast", ()):
        permitted(role.consent)
    return request


def permitted(consent: str) -> None:
    """Raise InvalidRequest when nobody is said to have agreed to lend a face."""
    if not consent.strip():
        raise InvalidRequest("A face is used only with its owner's permission.", "Say who agreed, and when.")
