"""Families whose sampling loop is the library's own: transformers over a time-compressing VAE, ModelScope, Stable Video
Diffusion.

What all of them have in common is that every step goes through `scheduler.step`. The scheduler of a run is watched
there: that gives progress, a preview of the clean clip and Stop to pipelines with very different callbacks, or none.
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from diffscaler.text2video.family import Array, OnStep, Sampling, spread
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.frugal import Frugal
from diffscaler.text2video.motion import takes, to_numpy, to_pictures
from diffscaler.text2video.noise import mixed_noise
from diffscaler.text2video.reuse import first_block
from diffscaler.text2video.schedulers import clean_latents, make_scheduler
from diffscaler.text2video.vocabulary import Reading

#: seen(done, total, clean): called after each step with the sampler's own tensors, however the pipeline packs them.
Seen = Callable[[int, int, torch.Tensor], None]


class LibraryFamily(ABC):
    """A diffusers pipeline behind the Family protocol.

    Subclasses say which pipeline, how its words are encoded, what its call needs, and how its latents become pictures.
    Text arrays are named as the pipeline's own call names them, so that they are passed back as they are.
    """

    pipeline_class: ClassVar[str]
    #: Another pipeline over the same parts, which draws where a picture is given; "": the same one does, or none.
    picture_class: ClassVar[str] = ""
    decodes_whole: ClassVar[bool] = True
    note: ClassVar[str] = ""
    #: Components that lose too much in half precision.
    float32_parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, pipeline: Any, device: Any, path: Path) -> None:
        self.pipeline = pipeline
        self.path = path
        self.device = torch.device(device.torch_name)
        self.dtype: torch.dtype = getattr(torch, device.dtype)
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval().requires_grad_(False)
        self.frugal = Frugal(pipeline, device, self.dtype, windows=False)

    @classmethod
    def load(cls, path: Path, device: Any) -> Any:
        """Load a folder. Raises ModelNotFound when a part is missing or damaged."""
        return open_pipeline(
            path,
            cls.pipeline_class,
            device.dtype,
            lambda pipeline: cls(pipeline, device, path),
            cls.float32_parts,
        )

    def read(self, prompt: str) -> Reading | None:
        return None

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """Arrays named as the pipeline's call names them."""
        with self.frugal.encoders():
            found = self.words(prompt, negative_prompt)
        return {name: to_array(value) for name, value in found.items() if value is not None}

    def words(self, prompt: str, negative_prompt: str) -> dict[str, torch.Tensor | None]:
        """Embeddings and masks by the names of the pipeline's call."""
        positive, negative = self.pipeline.encode_prompt(prompt, negative_prompt or "", True, device=self.device)
        return {"prompt_embeds": positive, "negative_prompt_embeds": negative}

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        """What the pipeline's call is given besides words, noise and size."""
        return {"guidance_scale": sampling.guidance_scale}

    def noise(self, sampling: Sampling, generator: torch.Generator) -> torch.Tensor | None:
        """The initial noise, as the pipeline's call wants `latents`; None lets the pipeline draw it."""
        return None

    def beginning(self, sampling: Sampling, generator: torch.Generator) -> tuple[Any, dict[str, Any]]:
        """The pipeline that draws, and what its call is given to begin with: size, length and noise."""
        latents = self.noise(sampling, generator)
        size = {"width": sampling.width, "height": sampling.height, "num_frames": sampling.num_frames}
        pipeline = self.pipeline
        if self.picture_class and sampling.picture is not None:
            pipeline = same_parts(pipeline, self.picture_class)
        return pipeline, size | ({} if latents is None else {"latents": latents.to(self.device, self.dtype)})

    def to_clip(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        """The sampler's tensor -> (C, F', h, w)."""
        return latents[0]

    def finished(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        """What the pipeline's call returns -> (C, F', h, w)."""
        return self.to_clip(latents, sampling)

    @torch.inference_mode()
    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        result = self.sampled(text, sampling, on_step)
        return to_numpy(self.finished(result if isinstance(result, torch.Tensor) else result[0], sampling))

    def sampled(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Any:
        """The result of one call of the pipeline, as it gives it."""
        # Drawn on the CPU whatever the device: the same seed is the same noise everywhere.
        generator = torch.Generator("cpu").manual_seed(sampling.seed)

        def seen(done: int, total: int, clean: torch.Tensor) -> None:
            on_step(done, total, to_numpy(self.to_clip(clean, sampling)))

        with self.frugal.drawing(), self.kept(sampling.reuse):
            pipeline, begin = self.beginning(sampling, generator)
            with watched(pipeline, sampling.scheduler, seen, sampling.first_step):
                return pipeline(
                    **{name: self.put(value) for name, value in text.items()},
                    **begin,
                    **self.arguments(sampling),
                    num_inference_steps=sampling.num_inference_steps,
                    generator=generator,
                    output_type="latent",
                    return_dict=False,
                )

    def kept(self, reuse: str) -> AbstractContextManager[None]:
        """Step caching for one run, where the family has it."""
        transformer = self.pipeline.components.get("transformer")
        return first_block(transformer, reuse) if transformer is not None else nullcontext()

    def put(self, value: Array) -> torch.Tensor:
        """An array on the device, embeddings in the network's number format, masks as they are."""
        tensor = torch.from_numpy(value).to(self.device)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    @torch.inference_mode()
    def decode(self, latents: Array) -> npt.NDArray[np.uint8]:
        sample = self.pictures(torch.from_numpy(latents)[None].to(self.device, self.pipeline.vae.dtype))
        return to_pictures(sample[0].transpose(0, 1))

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (1, C, F', h, w) -> (1, 3, F, H, W) in -1..1, for those that do not say what `decode` does."""
        raise NotImplementedError

    def preview(self, clean: Array, num_frames: int) -> npt.NDArray[np.uint8]:
        # Each alone: a VAE that compresses time makes one picture of one latent frame, the first of its own clip.
        parts = [self.decode(np.ascontiguousarray(clean[:, i : i + 1]))[:1] for i in spread(clean.shape[1], num_frames)]
        return np.concatenate(parts)


@contextmanager
def watched(pipeline: Any, name: str, seen: Seen, first_step: int = 0) -> Iterator[None]:
    """Give a pipeline a new sampler for one run, and look at each step it takes. first_step: as in Sampling"""
    own = pipeline.scheduler
    scheduler = make_scheduler(own, name)
    step = scheduler.step
    done, skipped = 0, first_step * scheduler.order

    def looked_at(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **named: Any) -> Any:
        nonlocal done
        index = getattr(scheduler, "step_index", None)
        sigmas = getattr(scheduler, "sigmas", None)
        sigma = None if sigmas is None else float(sigmas[done + skipped if index is None else index])
        result = step(model_output, timestep, sample, *args, **named)
        done += 1
        seen(done, len(scheduler.timesteps) - skipped, clean_latents(scheduler, result, model_output, sample, sigma))
        return result

    # Pipelines look at the parameters of `step` to see what they may pass.
    looked_at.__signature__ = inspect.signature(step)  # type: ignore[attr-defined]

    def unwatched(memo: dict[int, Any]) -> Any:
        # A pipeline that copies its sampler walks something else with the copy: sound, beside the pictures.
        twin = copy.copy(scheduler)
        del twin.step, twin.__deepcopy__
        return copy.deepcopy(twin, memo)

    scheduler.step, scheduler.__deepcopy__ = looked_at, unwatched
    pipeline.scheduler = scheduler
    try:
        yield
    finally:
        pipeline.scheduler = own


def same_parts(pipeline: Any, class_name: str) -> Any:
    """Another pipeline of the library over the parts of a loaded one."""
    import diffusers

    kind = getattr(diffusers, class_name)
    parts = {name: part for name, part in pipeline.components.items() if takes(kind.__init__, name)}
    other = kind(**parts)
    other.set_progress_bar_config(disable=True)
    return other


def clip_noise(channels: int, frames: int, sampling: Sampling, factor: int, generator: torch.Generator) -> torch.Tensor:
    """Noise (1, channels, frames, h, w) for a VAE that makes one latent of `factor` x `factor` pixels."""
    shape = (1, channels, frames, sampling.height // factor, sampling.width // factor)
    return mixed_noise(shape, sampling.shared_noise or 0.0, generator)


def to_array(value: torch.Tensor) -> Array:
    return to_numpy(value) if value.is_floating_point() else value.cpu().numpy()


def with_picture(sampling: Sampling) -> dict[str, Any]:
    """The start picture as a pipeline's call wants it; nothing where there is none."""
    return {} if sampling.picture is None else {"image": Image.fromarray(sampling.picture)}
