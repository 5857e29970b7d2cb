"""The samplers a person can choose from, made from a model's own noise schedule.

A sampler only decides how to walk from noise to picture; what the network predicts and on which schedule it learnt
(betas, prediction type, zero terminal SNR, flow shift) stays the model's.
"""

from __future__ import annotations

from typing import Any

from diffscaler.errors import InvalidRequest

#: Name in a request -> (class in diffusers, what is set besides the model's own configuration).
DIFFUSION: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
}
FLOW: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
    "unipc": ("UniPCMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
}

#: What a model whose schedule is pure noise at its end needs from a sampler; without it the first step divides by zero.
KNOWS_ZERO_SNR = {"ddim", "euler", "euler-a", "dpm++2m", "lcm"}


def is_flow(scheduler: Any) -> bool:
    """Whether a model predicts a flow (velocity from noise to picture) and not diffusion noise."""
    config = scheduler.config
    return "FlowMatch" in type(scheduler).__name__ or bool(config.get("use_flow_sigmas"))


def make_scheduler(own: Any, name: str) -> Any:
    """A new sampler for one run.

    own: the model's own scheduler, which is left as it is; name: "native", or a key of DIFFUSION or FLOW
    Raises InvalidRequest when this model cannot be sampled so.
    """
    if name == "native":
        return type(own).from_config(own.config)
    menu = FLOW if is_flow(own) else DIFFUSION
    if name not in menu:
        raise InvalidRequest(
            f"The sampler {name!r} does not fit a model that predicts {'a flow' if is_flow(own) else 'noise'}.",
            f"Choose native, {', '.join(menu)}.",
        )
    if own.config.get("rescale_betas_zero_snr") and name not in KNOWS_ZERO_SNR:
        raise InvalidRequest(
            f"The sampler {name!r} cannot begin at pure noise, as this model does.",
            f"Choose native, {', '.join(sorted(KNOWS_ZERO_SNR))}.",
        )
    import diffusers

    class_name, changes = menu[name]
    config = dict(own.config)
    if is_flow(own):
        # The two kinds of flow sampler call the same number by different names.
        shift = config.get("shift", config.get("flow_shift", 1.0))
        changes = changes | {"shift": shift, "flow_shift": shift}
    return getattr(diffusers, class_name).from_config(known_only(getattr(diffusers, class_name), config | changes))


def known_only(scheduler_class: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that a scheduler class has parameters for: it warns about the rest."""
    import inspect

    names = set(inspect.signature(scheduler_class.__init__).parameters)
    return {key: value for key, value in config.items() if key in names}


def clean_latents(scheduler: Any, step: Any, predicted: Any, before: Any, sigma: float | None) -> Any:
    """What a sampler takes the finished latents to be after a step, for a look at unfinished work.

    step: what `scheduler.step` returned; predicted: the network's prediction; before: the latents given to the step;
    sigma: the noise level the step began at, for flow samplers
    """
    for name in ("pred_original_sample", "denoised"):
        if (found := getattr(step, name, None)) is not None:
            return found
    if sigma is not None and "FlowMatch" in type(scheduler).__name__:
        return before - sigma * predicted
    history = getattr(scheduler, "model_outputs", None)
    # Multistep samplers keep the predicted clean latents of the last steps.
    if (
        history
        and history[-1] is not None
        and getattr(scheduler.config, "algorithm_type", "dpmsolver++") != "dpmsolver"
    ):
        return history[-1]
    return step.prev_sample if hasattr(step, "prev_sample") else step[0]
