"""RIFE by file: equal to its equations written out once more, any size, and other files are refused by name."""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from diffscaler.errors import ModelNotFound
from diffscaler.media import Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.device import pick_device
from diffscaler.models.shelf import Shelf
from diffscaler.models.spec import ModelSpec
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.upscale.interpolate import Interpolate, InterpolateParams
from diffscaler.upscale.rife import LAYOUTS, Layout, Rife
from diffscaler.upscale.rife_files import LoadedRife, load_rife
from tests.upscale.run import context
from tests.video.make import in_chunks, meta_for


def weights(layout: Layout, seed: int = 0) -> dict[str, Tensor]:
    """Random ones of the published size; flows come out as some pixels."""
    torch.manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Rife(layout).state_dict().items()}
    return {
        name: torch.randn(shape) * (1.0 if name.endswith("beta") else 0.7 * max(shape[1:].numel(), 30) ** -0.5)
        for name, shape in shapes.items()
    }


def written_out(state: dict[str, Tensor], layout: Layout, a: Tensor, b: Tensor, moment: float) -> Tensor:
    """IFNet_HDv3 from its weights by their names, float64, pictures fetched pixel by pixel."""

    def conv(x: Tensor, name: str, **how: Any) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1, **how)

    def unconv(x: Tensor, name: str) -> Tensor:
        return F.conv_transpose2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=1)

    def leaky(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    def size(x: Tensor, by: float) -> Tensor:
        return F.interpolate(x, size=[round(side * by) for side in x.shape[2:]], mode="bilinear")

    def fetch(x: Tensor, flow: Tensor) -> Tensor:
        height, width = x.shape[2:]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        u, v = (columns + flow[0, 0]).clamp(0, width - 1), (rows + flow[0, 1]).clamp(0, height - 1)
        left, top = u.floor().long().clamp(max=max(width - 2, 0)), v.floor().long().clamp(max=max(height - 2, 0))
        fu, fv = u - left, v - top
        at = lambda dy, dx: x[0][:, top + dy, left + dx]  # noqa: E731
        upper, lower = at(0, 0) * (1 - fu) + at(0, 1) * fu, at(1, 0) * (1 - fu) + at(1, 1) * fu
        return (upper * (1 - fv) + lower * fv)[None]

    def features(x: Tensor) -> Tensor:
        x = leaky(conv(x, "encode.cnn0", stride=2))
        x = leaky(conv(leaky(conv(x, "encode.cnn1")), "encode.cnn2"))
        return unconv(x, "encode.cnn3")

    newer = layout.features > 0
    f0, f1 = (features(x) if newer else x[:, :0] for x in (a, b))
    when = torch.full_like(a[:, :1], moment)
    flow = mask = rest = None
    for index, scale in enumerate(layout.scales):
        if flow is None:
            x = size(torch.cat([a, b, f0, f1, when], 1), 1 / scale)
        else:
            wa, wb = fetch(a, flow[:, :2]), fetch(b, flow[:, 2:])
            wf0, wf1 = (fetch(f0, flow[:, :2]), fetch(f1, flow[:, 2:])) if newer else (f0, f1)
            given = [wa, wb, wf0, wf1, when, mask] + ([rest] if newer else [])
            x = torch.cat([size(torch.cat(given, 1), 1 / scale), size(flow, 1 / scale) / scale], 1)
        for layer in (0, 1):
            x = leaky(conv(x, f"block{index}.conv0.{layer}.0", stride=2))
        for layer in range(8):
            name = f"block{index}.convblock.{layer}"
            x = leaky(conv(x, f"{name}.conv") * state[f"{name}.beta"] + x)
        x = size(F.pixel_shuffle(unconv(x, f"block{index}.lastconv.0"), 2), scale)
        flow = x[:, :4] * scale + (0 if flow is None else flow)
        mask = x[:, 4:5] + (0 if mask is None or newer else mask)
        rest = x[:, 5:]
    share = 1 / (1 + torch.exp(-mask))
    return fetch(a, flow[:, :2]) * share + fetch(b, flow[:, 2:]) * (1 - share)


@pytest.mark.parametrize("layout", LAYOUTS[:3], ids=lambda layout: layout.versions)
def test_it_equals_its_equations(layout: Layout) -> None:
    state = {name: tensor.double() for name, tensor in weights(layout).items()}
    network = Rife(layout).double()
    network.load_state_dict(state)
    a, b = torch.rand(2, 1, 3, layout.multiple, 2 * layout.multiple, dtype=torch.double)
    with torch.inference_mode():
        made, expected = network(a, b, 0.3), written_out(state, layout, a, b, 0.3)
        assert (made - expected).abs().max() <= 1e-5
        assert (made - (a + b) / 2).abs().max() > 0.05


def saved(path: Path, layout: Layout = LAYOUTS[1], **more: Tensor) -> Path:
    """As flownet.pkl is published: names of a network on several cards, and remains of its training."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {f"module.{k}": v for k, v in {**weights(layout), "caltime.0.weight": torch.ones(3), **more}.items()}, path
    )
    return path


def spec_of(path: Path) -> ModelSpec:
    return ModelSpec(name="rife", title="rife", kind="interpolator", loader="", path=path)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> LoadedRife:
    return load_rife(spec_of(saved(tmp_path_factory.mktemp("rife") / "flownet.pkl")), pick_device("cpu"))


@pytest.mark.parametrize("size", [(1, 1), (9, 2), (33, 47)])
def test_any_size_will_do_and_equal_frames_give_themselves(network: LoadedRife, size: tuple[int, int]) -> None:
    a, b = np.random.default_rng(0).integers(0, 255, (2, *size, 3), dtype=np.uint8)
    assert [made.shape for made in network.between(a, b, [0.25, 0.5])] == [(*size, 3)] * 2
    assert all(np.array_equal(made, a) for made in network.between(a, a, [0.5]))


def test_the_stage_draws_with_it_between_the_frames_and_not_over_a_cut(network: LoadedRife) -> None:
    frames = np.random.default_rng(0).integers(100, 120, (4, 20, 24, 3), dtype=np.uint8)
    frames[2:] = frames[2:] // 8 * 8 % 64 + np.array([0, 0, 190], np.uint8)
    stage = Interpolate(InterpolateParams(times=2), (ModelRef(name="rife", revision="0"),))
    source = Stream(meta_for(frames), list(in_chunks(frames, 2)))
    (made,) = stage.run((source,), context(acquire=lambda _: nullcontext(network)))
    assert np.array_equal(made.frames[::2], frames) and np.array_equal(made.frames[3], frames[1])
    assert np.array_equal(made.frames[1], next(network.between(frames[0], frames[1], [0.5])))


def test_a_file_is_listed_loaded_as_weights_alone_and_added_by_its_ending(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    file = settings.models_dir / "interpolators" / "rife46.safetensors"
    file.parent.mkdir(parents=True)
    save_file(weights(LAYOUTS[1]), file)
    spec = Catalogue(settings).spec("rife46", "interpolator")
    assert spec.load(pick_device("cpu")).network.layout.versions == "4.6"
    known = Shelf(settings, Catalogue(settings)).add(saved(tmp_path / "flownet.pkl"), copy=True)
    assert known.spec.kind == "interpolator" and known.spec.path == file.with_name("flownet.pkl")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code ran",))


def test_other_files_are_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil, other, list_file, cut = (tmp_path / name for name in ("evil.pkl", "v3.pkl", "list.pkl", "cut.safetensors"))
    evil.write_bytes(pickle.dumps(Evil()))
    torch.save({"module.block0.conv0.0.0.weight": torch.ones(3)}, other)
    torch.save([1, 2], list_file)
    cut.write_bytes(b"\0" * 40)
    for path, said in ((evil, "weights alone"), (other, "no RIFE network"), (list_file, "no file of weights"),
                       (cut, "weights alone"), (tmp_path / "none.pkl", "weights alone")):  # fmt: skip
        with pytest.raises(ModelNotFound, match=said):
            load_rife(spec_of(path), pick_device("cpu"))
    with pytest.raises(ModelNotFound, match="no RIFE network"):
        load_rife(spec_of(saved(tmp_path / "more.pkl", **{"block4.conv0.0.0.bias": torch.ones(2)})), pick_device("cpu"))
    assert "code ran" not in capsys.readouterr().out
