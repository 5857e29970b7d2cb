"""Depth and poses of a clip to follow: the library's own numbers, one range for a clip, OpenPose's colours."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffscaler.errors import JobCancelled, ModelNotFound
from diffscaler.models.annotators import annotator_folder
from diffscaler.models.spec import ModelSpec
from diffscaler.stage import ModelRef
from diffscaler.text2video.annotators.skeleton import COLOURS, LIMBS, draw_people, openpose_from_coco
from diffscaler.text2video.control_stage import ControlDepth, ControlPose
from diffscaler.text2video.stages import Shaped
from tests.text2video.test_control import Chunks
from tests.text2video.test_frugal import Context, Plain
from tests.text2video.tiny_annotators import save_depth_anything, save_dpt, save_rt_detr, save_vitpose

PICTURE = np.random.default_rng(2).integers(0, 255, (40, 60, 3), dtype=np.uint8)
BOXES = np.array([[5, 4, 30, 30], [20, 0, 25, 38]], np.float32)
COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from diffscaler import compat

    compat.install()
    root = tmp_path_factory.mktemp("annotators")
    return {
        "depth_anything": save_depth_anything(root / "depth_anything"),
        "metric": save_depth_anything(root / "metric", depth_estimation_type="metric", max_depth=20),
        "dpt": save_dpt(root / "dpt"),
        "vitpose": save_vitpose(root / "vitpose"),
        "vitpose+": save_vitpose(root / "vitpose+", num_experts=3, part_features=8),
        "rt_detr": save_rt_detr(root / "rt_detr"),
    }


def opened(folder: Path) -> Any:
    spec = annotator_folder(folder)
    assert spec is not None
    return spec.load(Plain())


@pytest.mark.parametrize("name", ["depth_anything", "dpt"])
def test_the_depth_of_a_picture_is_the_librarys_own(folders: dict[str, Path], name: str) -> None:
    from transformers import pipeline

    from diffscaler.text2video.annotators.depth import near_white

    theirs = pipeline("depth-estimation", model=str(folders[name]), device="cpu")(Image.fromarray(PICTURE))
    estimator = opened(folders[name])
    (ours,) = near_white([estimator.read(PICTURE)], 60, 40)
    assert ours.dtype == np.uint8 and ours.shape == (40, 60, 3) and np.ptp(ours) == 255
    # One level of grey: what is cut off after the comma may differ in the last bit.
    assert np.abs(ours.astype(int) - np.asarray(theirs["depth"], int)[..., None]).max() <= 1


def test_a_network_that_measures_metres_gives_white_for_near_too(folders: dict[str, Path]) -> None:
    import torch
    from transformers import AutoConfig, DPTConfig

    from diffscaler.text2video.annotators.depth import NEAREST, measures_metres

    estimator = opened(folders["metric"])
    assert estimator.metric and not opened(folders["depth_anything"]).metric
    with torch.inference_mode():
        pixels = estimator.processor(Image.fromarray(PICTURE), return_tensors="pt").pixel_values
        metres = estimator.model(pixels).predicted_depth[0].numpy()
    near = estimator.read(PICTURE)
    assert np.ptp(metres) > 0 and np.allclose(near, 1 / np.maximum(metres, NEAREST))
    assert near.flat[metres.argmin()] == near.max() and near.flat[metres.argmax()] == near.min()
    assert measures_metres(DPTConfig(add_projection=True))
    assert not measures_metres(AutoConfig.from_pretrained(folders["dpt"]))


class Slope:
    """A depth network that tells its frame's brightness, and half of that on the right."""

    def read(self, picture: np.ndarray) -> np.ndarray:
        depth = np.full((4, 4), float(picture.max()), np.float32)
        depth[:, 2:] /= 2
        return depth


def test_one_black_and_one_white_hold_for_the_whole_clip() -> None:
    params = Shaped(width=16, height=16, num_frames=9, fps="10")
    stage = ControlDepth(params, (ModelRef(name="d", revision="1"),))
    (chunk,) = stage.run((Chunks(9),), Context(Slope()))  # frame i is of brightness i
    left, right = chunk.frames[:, 8, 0, 0].astype(int), chunk.frames[:, 8, -1, 0].astype(int)
    assert left[-1] > 240 and 110 < right[-1] < 130 and left[0] == right[0]
    assert (np.diff(left) > 20).all(), "a frame's grey tells how near it is beside the other frames"
    assert np.allclose(left[2] * 4, left[8], atol=12)
    flat = ControlDepth(params.model_copy(update={"num_frames": 1}), stage.models)

    class Flat(Slope):
        def read(self, picture: np.ndarray) -> np.ndarray:
            return np.ones((4, 4), np.float32)

    (chunk,) = flat.run((Chunks(1),), Context(Flat()))
    assert not chunk.frames.any()


@pytest.mark.parametrize("name", ["vitpose", "vitpose+"])
def test_the_joints_in_boxes_are_the_librarys_own(folders: dict[str, Path], name: str) -> None:
    import torch
    from transformers import AutoProcessor, VitPoseForPoseEstimation

    processor = AutoProcessor.from_pretrained(folders[name])
    model = VitPoseForPoseEstimation.from_pretrained(folders[name]).eval()
    inputs = processor(Image.fromarray(PICTURE), boxes=[BOXES.tolist()], return_tensors="pt")
    first = {"dataset_index": torch.tensor([0, 0])} if name == "vitpose+" else {}
    with torch.no_grad():
        (people,) = processor.post_process_pose_estimation(model(**inputs, **first), boxes=[BOXES.tolist()])
    ours = opened(folders[name]).read(PICTURE, BOXES)
    assert ours.shape == (2, 17, 3) and ours.dtype == np.float32
    for person, joints in zip(people, ours, strict=True):
        assert np.allclose(person["keypoints"].numpy(), joints[:, :2], atol=1e-3)
        assert np.allclose(person["scores"].numpy(), joints[:, 2], atol=1e-5)
    assert opened(folders[name]).read(PICTURE, np.zeros((0, 4), np.float32)).shape == (0, 17, 3)


def test_people_are_found_and_nothing_else(folders: dict[str, Path], tmp_path: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    detector = opened(folders["rt_detr"])
    processor = AutoImageProcessor.from_pretrained(folders["rt_detr"])
    model = AutoModelForObjectDetection.from_pretrained(folders["rt_detr"]).eval()
    with torch.no_grad():
        seen = model(**processor(Image.fromarray(PICTURE), return_tensors="pt"))
    (found,) = processor.post_process_object_detection(seen, threshold=0.3, target_sizes=[(40, 60)])
    boxes, mine = detector.read(PICTURE), found["boxes"].numpy()[found["labels"].numpy() == 0]
    assert len(mine) > 0
    assert np.allclose(boxes[:, :2], mine[:, :2], atol=1e-3)
    assert np.allclose(boxes[:, :2] + boxes[:, 2:], mine[:, 2:], atol=1e-3)
    # The same network, whose first class is something else.
    others = Path(shutil.copytree(folders["rt_detr"], tmp_path / "others"))
    text = (others / "config.json").read_text()
    (others / "config.json").write_text(text.replace('"person"', '"?"').replace('"dog"', '"person"'))
    assert opened(others).read(PICTURE).shape == (np.count_nonzero(found["labels"].numpy() == 1), 4)


def person(**joints: tuple[float, float]) -> np.ndarray:
    """Someone with these joints of COCO seen for sure, the others not at all."""
    found = np.zeros((1, 17, 3), np.float32)
    for name, at in joints.items():
        found[0, COCO.index(name)] = (*at, 1.0)
    return found


def test_cocos_joints_become_openposes_with_a_neck_between_the_shoulders() -> None:
    people = np.stack([np.arange(17), np.arange(17) * 10, np.linspace(0.2, 1, 17)], axis=-1)[None].astype(np.float32)
    found = openpose_from_coco(people)[0]
    order = [
        "nose", None, "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
        "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
        "right_ear", "left_ear",
    ]  # fmt: skip
    for joint, name in zip(found, order, strict=True):
        if name is not None:
            assert np.array_equal(joint, people[0, COCO.index(name)]), name
    assert found[1].tolist() == [5.5, 55.0, people[0, 5, 2]]


def test_joints_and_limbs_have_openposes_colours() -> None:
    assert COLOURS[:5] == ((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0))
    assert COLOURS[9] == (0, 255, 255) and COLOURS[17] == (255, 0, 85) and len(LIMBS) == 17
    seen = person(
        nose=(256, 40), left_shoulder=(356, 140), right_shoulder=(156, 140), right_elbow=(96, 240), left_hip=(316, 300),
        left_knee=(316, 400), left_ear=(296, 30), left_eye=(276, 30),
    )  # fmt: skip
    picture = draw_people(seen, 512, 512)
    assert picture.shape == (512, 512, 3) and picture.dtype == np.uint8
    joints = {
        (256, 40): 0, (256, 140): 1, (156, 140): 2, (96, 240): 3, (356, 140): 5, (316, 300): 11, (316, 400): 12,
        (276, 30): 15, (296, 30): 17,
    }  # fmt: skip
    for (x, y), number in joints.items():
        assert tuple(picture[y, x]) == COLOURS[number], number
    # Midway between their ends: shoulders, upper right arm, torso, thigh, neck, face.
    limbs = {
        (206, 140): 0, (306, 140): 1, (126, 190): 2, (286, 220): 9, (316, 350): 10, (256, 90): 12, (266, 35): 15,
        (286, 30): 16,
    }  # fmt: skip
    for (x, y), number in limbs.items():
        assert tuple(picture[y, x]) == tuple(int(part * 0.6) for part in COLOURS[number]), number
    assert not picture[450:].any() and not picture[:, :85].any()
    thick = np.count_nonzero(picture[200:260, 380:].any(axis=-1)) == 0 and picture[350, 300:332].any(axis=-1).sum()
    assert 7 <= thick <= 10, "8 pixels at 512"


def test_joints_that_are_not_sure_or_not_in_the_picture_are_not_drawn() -> None:
    seen = person(left_shoulder=(40, 20), right_shoulder=(10, 20), right_elbow=(10, 50))
    whole = draw_people(seen, 64, 64)
    seen[0, COCO.index("right_elbow"), 2] = 0.29
    without = draw_people(seen, 64, 64)
    assert whole[50, 10].any() and whole[35, 10].any()
    assert not without[50, 10].any() and not without[35, 10].any() and without[20, 10].any()
    seen[0, COCO.index("left_shoulder")] = (120, 20, 1.0)
    assert not draw_people(seen, 64, 64)[:, 15:].any(), "neither the shoulder nor what hangs on it"
    assert not draw_people(np.zeros((0, 17, 3), np.float32), 64, 64).any()


class Lends(Context):
    """A stage's context with a model for each name, that counts steps and can be stopped."""

    def __init__(self, stop_at: int | None = None, **models: Any) -> None:
        super().__init__(None)
        self.models, self.stop_at = models, stop_at
        self.steps: list[tuple[Any, ...]] = []
        self.shown: list[np.ndarray] = []

    def acquire(self, ref: ModelRef) -> Any:
        return nullcontext(self.models[ref.name])

    def step(self, *told: Any) -> None:
        self.steps.append(told)
        if told[0] == self.stop_at:
            raise JobCancelled

    def preview(self, frames: np.ndarray) -> None:
        self.shown.append(frames)


class Nods:
    """Finds a box in frames brighter than 2, and in it a neck that moves with the brightness."""

    def __init__(self) -> None:
        self.boxes: list[np.ndarray] = []

    def read(self, picture: np.ndarray, boxes: np.ndarray | None = None) -> np.ndarray:
        if boxes is None:
            return BOXES[:1] if picture.max() > 2 else BOXES[:0]
        self.boxes.append(boxes)
        at = float(picture.max())
        return np.repeat(person(left_shoulder=(20 + at, 10), right_shoulder=(10, 10)), len(boxes), axis=0)


def posed(frames: int, context: Lends, wanted: int | None = None) -> tuple[list[Any], Lends]:
    refs = tuple(ModelRef(name=name, revision="1") for name in context.models)
    params = Shaped(width=32, height=32, num_frames=wanted or frames, fps="10")
    return list(ControlPose(params, refs).run((Chunks(frames),), context)), context


def test_skeletons_are_drawn_in_the_boxes_of_whoever_is_found() -> None:
    nods = Nods()
    (chunk,), context = posed(5, Lends(poses=nods, people=nods))
    assert [frame.any() for frame in chunk.frames] == [False, False, False, True, True]
    assert [len(boxes) for boxes in nods.boxes] == [0, 0, 0, 1, 1] and np.array_equal(nods.boxes[-1], BOXES[:1])
    assert context.notes == [
        "Poses: no person was found in frames 0-2 (0:00.0-0:00.3): black there for the ControlNet."
    ]
    assert [told[0] for told in context.steps] == [0, 1, 2, 3, 4] and len(context.shown) == 5
    assert np.array_equal(context.shown[-1][0], chunk.frames[-1]), "the page shows what the ControlNet will read"


def test_without_a_finder_of_people_a_frame_is_one_person_and_that_is_said() -> None:
    nods = Nods()
    (chunk,), context = posed(2, Lends(poses=nods))
    assert [boxes.tolist() for boxes in nods.boxes] == [[[0, 0, 32, 32]]] * 2 and chunk.frames.any()
    assert context.notes == ["Poses: nothing here finds people, so each frame was read as one person."]


def test_nobody_gives_black_pictures_and_that_is_said(folders: dict[str, Path], tmp_path: Path) -> None:
    (chunk,), context = posed(2, Lends(poses=opened(save_vitpose(tmp_path / "blind", sees=False))))
    assert not chunk.frames.any()
    assert context.notes[-1] == (
        "Poses: no person was found in the clip to follow: the ControlNet reads black pictures."
    )
    (chunk,), context = posed(2, Lends(poses=opened(folders["vitpose"])))
    assert chunk.frames.any() and len(context.notes) == 1


def test_a_frame_shown_for_long_is_looked_at_once_and_chunks_do_not_show() -> None:
    nods = Nods()
    chunks, context = posed(3, Lends(poses=nods, people=nods), wanted=40)
    assert len(nods.boxes) == 3 and [len(chunk.frames) for chunk in chunks] == [16, 16, 8]
    assert [chunk.start for chunk in chunks] == [0, 16, 32] and np.isclose(chunks[2].times[0], 3.2)
    assert "The clip to follow is shorter: its last frame is held for 38 frames." in context.notes


@pytest.mark.parametrize("stage", [ControlDepth, ControlPose])
def test_it_stops_between_frames(stage: Any) -> None:
    context = Lends(stop_at=2, model=Nods() if stage is ControlPose else Slope())
    params = Shaped(width=32, height=32, num_frames=5, fps="10")
    with pytest.raises(JobCancelled):
        list(stage(params, (ModelRef(name="model", revision="1"),)).run((Chunks(5),), context))
    assert [told[:2] for told in context.steps] == [(0, 5), (1, 5), (2, 5)]


def spec_of(folder: Path, kind: str) -> ModelSpec:
    """As the catalogue had it before something happened to the folder."""
    loaders = {"depth_estimator": "depth:load_depth", "pose_estimator": "pose:load_pose",
               "person_detector": "people:load_people"}  # fmt: skip
    loader = f"diffscaler.text2video.annotators.{loaders[kind]}"
    return ModelSpec.model_validate({"name": "x", "title": "X", "kind": kind, "path": folder, "loader": loader})


def refused(folder: Path, kind: str = "depth_estimator") -> str:
    with pytest.raises(ModelNotFound) as caught:
        spec_of(folder, kind).load(Plain())
    assert caught.value.hint and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_damaged_folder_is_refused_with_the_reason(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for damage in ("cut", "lacks", "shapes", "processor", "config"):
        folder = Path(shutil.copytree(folders["depth_anything"], tmp_path / damage))
        weights = folder / "model.safetensors"
        if damage == "cut":
            weights.write_bytes(weights.read_bytes()[:5000])
        elif damage == "processor":
            (folder / "preprocessor_config.json").unlink()
        elif damage == "config":
            (folder / "config.json").write_text('{"model_type": ')
        else:
            state = load_file(weights)
            gone = state.pop("head.conv1.weight")
            save_file(state if damage == "lacks" else state | {"head.conv1.weight": gone[:1]}, weights)
        reasons = {
            "lacks": "it lacks 1 of its weights, head.conv1.weight",
            "shapes": "head.conv1.weight has another shape",
            "config": "is no network that measures depth",
        }
        assert reasons.get(damage, "cannot be loaded") in (said := refused(folder)), said


def test_dpts_unused_weights_may_be_absent_as_they_are_in_published_ones(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(folders["dpt"], tmp_path / "dpt"))
    state = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in state.items() if "fusion_stage.layers.0.residual_layer1" not in key}
    assert len(kept) < len(state)
    save_file(kept, folder / "model.safetensors")
    assert np.allclose(opened(folder).read(PICTURE), opened(folders["dpt"]).read(PICTURE), atol=1e-4)


def test_a_pickle_is_read_for_its_tensors_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    import pickle

    import torch
    from safetensors.torch import load_file

    folder = Path(shutil.copytree(folders["depth_anything"], tmp_path / "pickled"))
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    assert np.allclose(opened(folder).read(PICTURE), opened(folders["depth_anything"]).read(PICTURE), atol=1e-4)

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"head.conv1.weight": Trap()}))
    assert "holds code" in refused(folder) and not (tmp_path / "ran").exists()


def test_a_folder_of_another_kind_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    assert "is no network that finds poses" in refused(folders["depth_anything"], "pose_estimator")
    assert "is no network that measures depth" in refused(folders["vitpose"])
    classes = save_dpt(tmp_path / "classes", "DPTForSemanticSegmentation")
    assert (
        json.loads((classes / "config.json").read_text())["model_type"] == "dpt" and annotator_folder(classes) is None
    )
    assert "is no network that measures depth" in refused(classes)
    assert "finds 21 joints" in refused(save_vitpose(tmp_path / "hands", joints=21), "pose_estimator")
    assert "was not taught what a person is" in refused(
        save_rt_detr(tmp_path / "cars", ("car", "bus")), "person_detector"
    )
