"""Tiny random annotators in the folders that transformers saves: depth, poses, people."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_depth_anything(path: Path, **changes: Any) -> Path:
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessor,
    )

    backbone = Dinov2Config(
        image_size=28, patch_size=14, hidden_size=32, num_attention_heads=2, num_hidden_layers=4, mlp_ratio=2,
        out_indices=[1, 2, 3, 4], apply_layernorm=True, reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=4, **changes,
    )  # fmt: skip
    processor = DPTImageProcessor(size={"height": 28, "width": 28}, keep_aspect_ratio=True, ensure_multiple_of=14)
    return saved(path, DepthAnythingForDepthEstimation(config), processor)


def save_dpt(path: Path, kind: str = "DPTForDepthEstimation", **changes: Any) -> Path:
    import transformers

    config = transformers.DPTConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=37, image_size=32, patch_size=16,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, is_hybrid=False,
        **changes,
    )  # fmt: skip
    processor = transformers.DPTImageProcessor(size={"height": 32, "width": 32})
    return saved(path, getattr(transformers, kind)(config), processor)


def save_vitpose(path: Path, joints: int = 17, sees: bool = True, **changes: Any) -> Path:
    """sees: whether it is sure of every joint it is asked for, or of none"""
    import torch
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation, VitPoseImageProcessor

    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        mlp_ratio=2, out_indices=[2], **changes,
    )  # fmt: skip
    model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=joints))
    processor = VitPoseImageProcessor(size={"height": 64, "width": 48})
    shake(model)
    torch.nn.init.constant_(model.head.conv.bias, 0.5 if sees else -9.0)
    return saved(path, model, processor, shaken=True)


def save_rt_detr(path: Path, labels: tuple[str, str] = ("person", "dog")) -> Path:
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8, 8, 8], encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, num_queries=6, decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16,
        decoder_attention_heads=2, decoder_layers=2, decoder_n_points=2, num_denoising=0, hidden_expansion=0.5,
        id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)},
    )  # fmt: skip
    return saved(path, RTDetrForObjectDetection(config), RTDetrImageProcessor(size={"height": 64, "width": 64}))


def saved(path: Path, model: Any, processor: Any, shaken: bool = False) -> Path:
    if not shaken:
        shake(model)
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path


def shake(model: Any) -> None:
    """Weights large enough for a tiny network to see something; those of training are not, in so few layers."""
    import torch

    torch.manual_seed(7)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
