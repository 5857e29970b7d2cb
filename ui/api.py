"""The studio for programs: named endpoints that wait for the result, for `gradio_client` or plain HTTP."""

from __future__ import annotations

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

    def answered(make: Any) -> str:
        try:
            return carried_out(make())
        except Exception as error:
            raise gr.Error(explained(error), print_exception=False) from error

    def generate(
        prompt: str,
        model: str,
        seed: float | None,
        num_inference_steps: float | None,
        num_frames: float | None,
        scale: float,
        face: str | None,
        consent: str,
    ) -> str:
        """A clip from words. face: a photo; with it, consent says who agreed. Answers with the clip's file."""

        def make() -> Request:
            if face and not consent.strip():
                raise InvalidRequest("A face is used only with its owner's permission.", "Say who agreed, and when.")
            numbers = {
                "seed": seed,
                "num_inference_steps": num_inference_steps,
                "num_frames": num_frames,
                "scale": scale,
            }
            whole = {name: int(value) for name, value in numbers.items() if value is not None}
            faces = (key_of(face, ""),) if face else ()
            return Text2VideoRequest(prompt=prompt, model=model, faces=faces, consent=consent, **whole)  # type: ignore[arg-type]

        return answered(make)

    def swap(clip: str | None, key: str, face: str, consent: str) -> str:
        """A face onto everyone in a clip: a file, or a library key. Answers with the new clip's file."""

        def make() -> Request:
            if not consent.strip():
                raise InvalidRequest("A face is used only with its owner's permission.", "Say who agreed, and when.")
            faces = (key_of(face, ""),)
            return FaceSwapRequest.model_validate({"clip": key_of(clip, key), "faces": faces, "consent": consent})

        return answered(make)

    def upscale(clip: str | None, key: str, scale: float) -> str:
        """A larger clip or picture: a file, or a library key. Answers with the new file."""
        return answered(lambda: UpscaleRequest(clip=key_of(clip, key), scale=int(scale)))  # type: ignore[arg-type]

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
        file, answer = gr.File(label="result"), gr.JSON(label="status")
        call = gr.Button()
    for function, inputs in (
        (generate, [prompt, model, seed, steps, frames, scale, face, consent]),
        (swap, [clip, key, face, consent]),
        (upscale, [clip, key, scale]),
    ):
        call.click(function, inputs, file, api_name=function.__name__, concurrency_limit=PARALLEL)
    call.click(status, None, answer, api_name="status", queue=False)
