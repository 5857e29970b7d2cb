"""A network of SDXL's size with temporal layers and random weights: our loop beside the library's, what each speed-up
gains, what share of the device's peak is reached, and memory on each rung of the ladder beside its forecast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.result import Result, median_seconds
from diffscaler.errors import DiffScalerError, InvalidRequest, NotEnoughRoom
from diffscaler.models.device import Device, pick_device
from diffscaler.settings import Settings

PROMPT = "a cat sleeping on a road"
GUIDANCE = 7.5
#: (frames, pixels of a side, steps) when nobody says.
FULL, TINY = (8, 512, 30), (2, 64, 2)
MOST_FRAMES = 24
REPEATS, WARM_STEPS, MEMORY_STEPS = 3, 3, 2
#: Side of the matrices whose product is the peak: by a card, and by a test.
MATRIX, TINY_MATRIX = 8192, 512
GOAL = 0.67


class NeedsCard(DiffScalerError):
    """There is no graphics card here, and nobody asked for the very small network."""


def run(
    folder: Path, frames: int | None = None, size: int | None = None, steps: int | None = None, tiny: bool = False
) -> Iterator[Result]:
    """Rows as they are measured; none is of a model's real weights. Raises DiffScalerError where it cannot run."""
    frames, size, steps = (
        usual if asked is None else asked
        for asked, usual in zip((frames, size, steps), TINY if tiny else FULL, strict=True)
    )
    if not 2 <= frames <= MOST_FRAMES or size < 64 or size % 32 or steps < 1:
        raise InvalidRequest(
            f"The case sdxl cannot draw {frames} frames of {size}x{size} in {steps} steps.",
            f"Ask for 2 to {MOST_FRAMES} frames, a size that is a multiple of 32 from 64 on, and at least one step.",
        )
    device = pick_device(Settings().device)
    if device.kind == "cpu" and not tiny:
        raise NeedsCard(
            "The case sdxl needs a graphics card, and this is a CPU: a network of SDXL's size would take hours here.",
            "Run it where a card is, or add --tiny, which walks the same way with a very small network.",
        )
    from diffscaler import compat

    compat.install()
    from diffscaler.text2video.frugal import ran_out_of_memory

    try:
        yield from Bench(folder, device, frames, size, steps, tiny).rows()
    except RuntimeError as error:
        if not ran_out_of_memory(error):
            raise
        raise NotEnoughRoom(
            f"{device.name} has not enough memory for {frames} frames of {size}x{size} without the memory ladder.",
            "Ask for fewer --frames or a smaller --size.",
        ) from error


class Bench:
    """The networks, the request and the rows. Every time is the median of three runs after a short one."""

    def __init__(self, folder: Path, device: Device, frames: int, size: int, steps: int, tiny: bool) -> None:
        from benchmarks import sdxl_network
        from diffscaler.text2video.family import Sampling
        from diffscaler.text2video.sdxl_motion import SdxlMotion

        self.device, self.tiny = device, tiny
        self.name = "tiny" if tiny else "sdxl"
        layout = sdxl_network.TINY if tiny else sdxl_network.SDXL
        # The folder, empty, is where it would look for a word list.
        self.family = SdxlMotion(sdxl_network.random_pipeline(layout, device), device, folder)
        self.unet = self.family.pipeline.unet
        self.sampling = Sampling(size, size, frames, steps, GUIDANCE, 1)
        self.text = self.family.encode_text(PROMPT, "")

    def rows(self) -> Iterator[Result]:
        print(self.about(), flush=True)
        yield from self.speed()
        yield from self.share()
        yield from self.memory()

    def about(self) -> str:
        """What is measured, and where."""
        at, weights = self.sampling, self.family.frugal.counts["unet"]
        kind = "a very small network, whose figures say nothing of a real one" if self.tiny else "SDXL's size"
        return (
            f"{self.name}: random weights, {kind} (U-Net with temporal layers, {weights / 1e6:,.1f} million weights),"
            f" on {self.device.name}, {self.device.dtype}; {at.num_frames} frames of {at.width}x{at.height},"
            f" {at.num_inference_steps} steps, guidance {GUIDANCE:g}; the loop alone, without words and pictures"
        )

    def row(self, case: str, value: float, baseline: str, beside: float) -> Result:
        return Result(f"{self.name} {case}", value, "s", baseline, beside, "lower")

    def speed(self) -> Iterator[Result]:
        """Our loop beside the library's, then one thing changed at a time."""
        from benchmarks.sdxl_variants import compiled_blocks, contiguous, fused_projections, halves_apart
        from diffscaler.text2video.hotshot.norms import set_norm_mode

        with contiguous(self.unet):
            stock, unordered = self.timed(self.stock), self.timed(self.ours)
        ours = self.timed(self.ours)
        # The library's norms in both: the two loops compute the same.
        yield self.row("loop", ours, f"stock AnimateDiffSDXLPipeline (goal {GOAL})", stock)
        print(f"{self.name} loop: latents differ from the library's by {self.difference():.2g} of their size")
        with halves_apart(self.family):
            yield self.row("batched", ours, "our loop, guidance in two calls", self.timed(self.ours))
        yield self.row("layout", ours, "our loop without channels-last", unordered)
        set_norm_mode(self.unet, "hotshot")
        yield self.row("norms", self.timed(self.ours), "our loop without Hotshot-XL's own norms", ours)
        set_norm_mode(self.unet, "per-frame")
        for reuse in ("some", "much"):
            seconds = self.timed(lambda steps, reuse=reuse: self.ours(steps, reuse))
            yield self.row(reuse, seconds, f"our loop; here with reuse {reuse}", ours)
        # On a CPU the compiler would take longer than all the rest.
        backend = "eager" if self.device.kind == "cpu" else "inductor"
        how = "traced only" if backend == "eager" else "compiled"
        yield from self.tried("fused", fused_projections(self.unet), "our loop; here, bench only, fused QKV", ours)
        blocks = compiled_blocks(self.unet, backend)
        yield from self.tried("region", blocks, f"our loop; here, bench only, blocks {how}", ours)

    def tried(self, case: str, variant: AbstractContextManager[None], words: str, ours: float) -> Iterator[Result]:
        """A row of what the studio does not do; a sentence where it does not run."""
        began = time.perf_counter()
        try:
            with variant:
                self.ours(min(WARM_STEPS, self.sampling.num_inference_steps))
                print(f"{self.name} {case}: ready after {time.perf_counter() - began:.1f} s, not counted")
                seconds = self.timed(self.ours)
        except Exception as error:  # a compiler that is missing or fails is no reason to lose the rows below
            print(f"{self.name} {case}: not measured: {first_line(error)}")
            return
        yield self.row(case, seconds, words, ours)

    def timed(self, draw: Callable[[int], Any]) -> float:
        """Median seconds of drawing all steps."""
        draw(min(WARM_STEPS, self.sampling.num_inference_steps))
        return median_seconds(lambda: draw(self.sampling.num_inference_steps), REPEATS, warm=True)

    def ours(self, steps: int, reuse: str = "off") -> Any:
        """Latents (4, F, h, w) as the studio draws them."""
        sampling = replace(self.sampling, num_inference_steps=steps, reuse=reuse)
        return self.family.denoise(self.text, sampling, lambda *_: None)

    def stock(self, steps: int) -> Any:
        """The same clip by the library's own loop."""
        import torch

        at, family = self.sampling, self.family
        text = {name: torch.from_numpy(array).to(family.device, family.dtype) for name, array in self.text.items()}
        drawn = family.pipeline(
            **text,
            height=at.height,
            width=at.width,
            num_frames=at.num_frames,
            num_inference_steps=steps,
            guidance_scale=at.guidance_scale,
            latents=family.noise(at, torch.Generator("cpu").manual_seed(at.seed)).to(family.device, family.dtype),
            output_type="latent",
        ).frames
        # To main memory, as ours: a card is done only when somebody asks it for the result.
        return drawn[0].float().cpu().numpy()

    def difference(self) -> float:
        """How far the two loops are apart after all steps, of the size of their latents."""
        import numpy as np

        ours, stock = (draw(self.sampling.num_inference_steps) for draw in (self.ours, self.stock))
        return float(np.linalg.norm(ours - stock) / np.linalg.norm(stock))

    def share(self) -> Iterator[Result]:
        """Work of one forward pass as the loop asks for it, beside a large matrix product."""
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils.flop_counter import FlopCounterMode

        at, family = self.sampling, self.family
        network = family.network(self.text, at, True)
        noise = family.noise(at, torch.Generator("cpu").manual_seed(1)).to(family.device, family.dtype)
        timestep = torch.tensor(500, device=family.device)

        def forward() -> float:
            return float(network(torch.cat([noise] * 2), timestep, range(at.num_frames), 0).float().sum())

        # Plain attention is counted on every device; which kernel runs later changes no product.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            forward()
        work = counter.get_total_flops()
        with torch.inference_mode():
            forward()
            seconds = median_seconds(forward, REPEATS, warm=True)
        side = TINY_MATRIX if self.tiny else MATRIX
        peak = matmul_peak(side, family.device, family.dtype)
        print(f"{self.name} peak: {work / 1e12:.4g} TFLOP in one forward pass of {seconds:.4g} s")
        words = f"product of {side} x {side} matrices, {self.device.dtype}"
        yield Result(f"{self.name} peak", work / seconds / 1e12, "TFLOP/s", words, peak / 1e12, "higher")

    def memory(self) -> Iterator[Result]:
        """Words, loop and pictures on every rung, each with those above it, beside what models/fit.py foretells."""
        from diffscaler.models.fit import needed_bytes
        from diffscaler.models.peak import peak_memory
        from diffscaler.text2video.hotshot.norms import set_norm_mode

        # As Hotshot-XL is drawn: its norms take memory of their own.
        set_norm_mode(self.unet, "hotshot")
        at, frugal = self.sampling, self.family.frugal
        for rung in (None, *frugal.ladder):
            words = rung or "no rung taken"
            try:
                if rung:
                    frugal.take(rung)
                with peak_memory(self.device) as peak:
                    self.text = self.family.encode_text(PROMPT, "")
                    self.family.decode(self.ours(MEMORY_STEPS))
            except Exception as error:  # that a rung fails is a finding, and no reason to lose those below it
                print(f"{self.name} memory, {words}: not measured: {first_line(error)}")
                continue
            if rung is None:
                print(f"{self.name} memory: {peak.how}; the forecast counts 300 MiB for driver and libraries")
            forecast = needed_bytes(
                frugal.counts, tuple(frugal.taken), (at.width, at.height, at.num_frames), self.family.dtype.itemsize
            )
            baseline = f"forecast: {'+ ' if rung else ''}{words}"
            yield Result(f"{self.name} memory", peak.bytes / 2**20, "MiB", baseline, forecast / 2**20, "lower")


def matmul_peak(side: int, device: Any, dtype: Any, products: int = 10) -> float:
    """Floating point operations a second in the best of some runs of `products` products of square matrices."""
    import torch

    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    with torch.inference_mode():
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            for _ in range(products):
                result = left @ right
            float(result[0, 0])  # waits for the device
            best = min(best, time.perf_counter() - began)
    return products * 2 * side**3 / best


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
