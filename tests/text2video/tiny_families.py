"""Tiny random checkpoints of the families that run in the library's own pipelines, in the real on-disk format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.text2video.tiny_encoders import clip, gemma, image_encoder, sdxl_text, t5


def cogvideox(picture: bool = False) -> Any:
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXImageToVideoPipeline,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=8 if picture else 4, out_channels=4,
        time_embed_dim=2, text_embed_dim=32, num_layers=2, sample_width=8, sample_height=8, sample_frames=9,
        patch_size=2, temporal_compression_ratio=4, max_text_seq_length=226, use_rotary_positional_embeddings=picture,
        use_learned_positional_embeddings=False,
    )  # fmt: skip
    vae = AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, latent_channels=4, layers_per_block=1, norm_num_groups=2,
        block_out_channels=(8, 8, 8, 8), temporal_compression_ratio=4,
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
    )  # fmt: skip
    kind = CogVideoXImageToVideoPipeline if picture else CogVideoXPipeline
    return kind(**t5(), vae=vae, transformer=transformer, scheduler=CogVideoXDDIMScheduler())


def wan(picture: bool = False) -> Any:
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanImageToVideoPipeline,
        WanPipeline,
        WanTransformer3DModel,
    )

    vae = AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
                           temperal_downsample=[False, True, True])  # fmt: skip
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=36 if picture else 16,
        out_channels=16, text_dim=32, freq_dim=256, ffn_dim=32, num_layers=2, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=32, image_dim=32 if picture else None,
    )  # fmt: skip
    parts = {
        **t5(umt5=True),
        "vae": vae,
        "transformer": transformer,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }
    if not picture:
        return WanPipeline(**parts)
    from transformers import CLIPVisionModel

    seen = image_encoder()
    tower = CLIPVisionModel(seen["image_encoder"].config)
    return WanImageToVideoPipeline(**parts, image_encoder=tower, image_processor=seen["feature_extractor"])


def ltx() -> Any:
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4, attention_head_dim=8,
        cross_attention_dim=32, num_layers=2, caption_channels=32,
    )  # fmt: skip
    vae = AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1), spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False), decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4, upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1,
        patch_size_t=1, encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    return LTXPipeline(**t5(), vae=vae, transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler())


def ltx2() -> Any:
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder

    heads = {"num_attention_heads": 2, "attention_head_dim": 8, "cross_attention_dim": 16}
    transformer = LTX2VideoTransformer3DModel(
        in_channels=4, out_channels=4, audio_in_channels=8, audio_out_channels=8, num_layers=2, caption_channels=16,
        rope_type="split", **heads, audio_num_attention_heads=2, audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
    )  # fmt: skip
    connectors = LTX2TextConnectors(
        caption_channels=16, text_proj_in_factor=3, rope_type="split",
        **{f"{name}_connector_{key}": value for name in ("video", "audio") for key, value in
           {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "num_learnable_registers": 8}.items()},
    )  # fmt: skip
    vae = AutoencoderKLLTX2Video(
        latent_channels=4, block_out_channels=(8, 8, 16, 32), decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1), spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )  # fmt: skip
    audio_vae = AutoencoderKLLTX2Audio(base_channels=8, ch_mult=(1, 1, 1), num_res_blocks=1, latent_channels=2,
                                       mel_bins=16)  # fmt: skip
    vocoder = LTX2Vocoder(in_channels=32, hidden_channels=32)
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_image_seq_len=1024, max_image_seq_len=4096, base_shift=0.95, max_shift=2.05,
        shift_terminal=0.1,
    )  # fmt: skip
    return LTX2Pipeline(
        scheduler=scheduler, vae=vae, audio_vae=audio_vae, **gemma(), connectors=connectors, transformer=transformer,
        vocoder=vocoder,
    )  # fmt: skip


def modelscope() -> Any:
    from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel

    unet = UNet3DConditionModel(
        block_out_channels=(8, 8), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"), up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=32, attention_head_dim=4, norm_num_groups=2,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8,), down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",),
        latent_channels=4, sample_size=32, norm_num_groups=2,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
    )
    return TextToVideoSDPipeline(**clip(), vae=vae, unet=unet, scheduler=scheduler)


def stable_diffusion() -> Any:
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    unet = UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=1, sample_size=8, attention_head_dim=4, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=4, sample_size=32, norm_num_groups=2,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
    )  # fmt: skip
    return StableDiffusionPipeline(
        **clip(), vae=vae, unet=unet, scheduler=scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip


def svd() -> Any:
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )

    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=8, in_channels=8, out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), cross_attention_dim=32,
        num_attention_heads=8, projection_class_embeddings_input_dim=96, addition_time_embed_dim=32,
    )  # fmt: skip
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 4, latent_channels=4,
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", interpolation_type="linear",
        num_train_timesteps=1000, prediction_type="v_prediction", sigma_max=700.0, sigma_min=0.002,
        steps_offset=1, timestep_spacing="leading", timestep_type="continuous", use_karras_sigmas=True,
    )  # fmt: skip
    return StableVideoDiffusionPipeline(**image_encoder(224), vae=vae, unet=unet, scheduler=scheduler)


def hunyuan15(picture: bool = False) -> Any:
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15ImageToVideoPipeline,
        HunyuanVideo15Pipeline,
        HunyuanVideo15Transformer3DModel,
    )
    from transformers import (
        ByT5Tokenizer,
        Qwen2_5_VLTextConfig,
        Qwen2_5_VLTextModel,
        Qwen2Tokenizer,
        T5Config,
        T5EncoderModel,
    )

    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=2, num_refiner_layers=1,
        mlp_ratio=2.0, patch_size=1, patch_size_t=1, text_embed_dim=16, text_embed_2_dim=32, image_embed_dim=12,
        rope_axes_dim=(2, 2, 4), target_size=32, task_type="i2v" if picture else "t2v",
    )  # fmt: skip
    vae = AutoencoderKLHunyuanVideo15(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(16, 16), layers_per_block=1,
        spatial_compression_ratio=4, temporal_compression_ratio=2, downsample_match_channel=False,
        upsample_match_channel=False,
    )  # fmt: skip
    # Byte-level words: every byte has a letter of its own in GPT-2's alphabet.
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: i for i, letter in enumerate([*alphabet, "<|endoftext|>", "<|im_start|>", "<|im_end|>"])}
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[], pad_token="<|endoftext|>")
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    qwen = Qwen2_5_VLTextConfig(
        vocab_size=len(vocab), hidden_size=16, intermediate_size=16, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=2, rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]},
    )  # fmt: skip
    byt5 = T5Config(vocab_size=384, d_model=32, d_ff=37, d_kv=8, num_heads=4, num_layers=2)
    parts = {
        "text_encoder": Qwen2_5_VLTextModel(qwen), "tokenizer": tokenizer, "transformer": transformer, "vae": vae,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0), "text_encoder_2": T5EncoderModel(byt5),
        "tokenizer_2": ByT5Tokenizer(), "guider": ClassifierFreeGuidance(guidance_scale=6.0),
    }  # fmt: skip
    if not picture:
        return HunyuanVideo15Pipeline(**parts)
    from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

    eye = SiglipVisionConfig(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8
    )
    seen = SiglipImageProcessor(size={"height": 32, "width": 32})
    return HunyuanVideo15ImageToVideoPipeline(**parts, image_encoder=SiglipVisionModel(eye), feature_extractor=seen)


def sdxl_vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, sample_size=64, norm_num_groups=4,
    )  # fmt: skip


def animatediff_sdxl() -> Any:
    from diffusers import AnimateDiffSDXLPipeline, EulerDiscreteScheduler, MotionAdapter, UNet2DConditionModel

    unet = UNet2DConditionModel(
        block_out_channels=(32, 64, 64), down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=2,
        attention_head_dim=(2, 4, 8), cross_attention_dim=24, transformer_layers_per_block=(1, 1, 2), sample_size=8,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64,
    )  # fmt: skip
    adapter = MotionAdapter(block_out_channels=(32, 64, 64), motion_layers_per_block=2, motion_num_attention_heads=8,
                            use_motion_mid_block=False)  # fmt: skip
    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    return AnimateDiffSDXLPipeline(
        **sdxl_text(), vae=sdxl_vae(), unet=unet, motion_adapter=adapter, scheduler=scheduler
    )


def save_hotshot(path: Path, seed: int = 0) -> Path:
    """A whole Hotshot-XL folder as it is published: `HotshotXLPipeline`, a `UNet3DConditionModel` of its own names."""
    import json

    from diffscaler import compat

    compat.install()
    import torch
    from diffusers import EulerAncestralDiscreteScheduler

    from tests.text2video.tiny_hotshot import save_tiny_hotshot

    torch.manual_seed(seed)
    scheduler = EulerAncestralDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    parts = {**sdxl_text(), "vae": sdxl_vae(), "scheduler": scheduler}
    for name, part in parts.items():
        part.save_pretrained(str(path / name))
    save_tiny_hotshot(path)
    index = {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
    index |= {"unet": ["hotshot_xl.models.unet", "UNet3DConditionModel"]}
    about = {"_class_name": "HotshotXLPipeline", "_diffusers_version": "0.21.4", "force_zeros_for_empty_prompt": True}
    (path / "model_index.json").write_text(json.dumps(about | index), encoding="utf-8")
    rows = "width = 64\nheight = 64\nnum_frames = 4\nnum_inference_steps = 2\n"
    (path / "model.toml").write_text(f'title = "hotshot"\n[native]\n{rows}', encoding="utf-8")
    return path


#: name -> (writer, (width, height, num_frames) it is small at)
FAMILIES: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "cogvideox": (cogvideox, (64, 64, 9)),
    "cogvideox-picture": (lambda: cogvideox(picture=True), (64, 64, 9)),
    "wan": (wan, (32, 32, 9)),
    "wan-picture": (lambda: wan(picture=True), (32, 32, 9)),
    "ltx": (ltx, (32, 32, 9)),
    "ltx2": (ltx2, (64, 64, 9)),
    "hunyuan15": (hunyuan15, (32, 32, 9)),
    "hunyuan15-picture": (lambda: hunyuan15(picture=True), (32, 32, 9)),
    "animatediff-sdxl": (animatediff_sdxl, (64, 64, 4)),
    "modelscope": (modelscope, (32, 32, 4)),
    "svd": (svd, (64, 64, 4)),
}


def save_tiny(name: str, path: Path, seed: int = 0) -> Path:
    """Write the tiny checkpoint `name` of FAMILIES; its model.toml says the size it is small at."""
    from diffscaler import compat

    compat.install()
    import torch

    torch.manual_seed(seed)
    make, (width, height, frames) = FAMILIES[name]
    pipeline = make()
    pipeline.save_pretrained(str(path))
    rows = {"width": width, "height": height, "num_frames": frames, "num_inference_steps": 2}
    table = "\n".join(f"{key} = {value}" for key, value in rows.items())
    step = "" if name != "svd" else "\n[traits]\nsize_step = 32\n"
    (path / "model.toml").write_text(f'title = "{name}"\n[native]\n{table}\n{step}', encoding="utf-8")
    return path
