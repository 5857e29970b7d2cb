"""Saves and restores a trainer through its checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from training import snapshot
from training.checkpoints import Checkpoints, NotSaved, Saved
from training.events import RunError

if TYPE_CHECKING:
    from training.trainer import Trainer

#: Settings that may change between two sittings of a run without a word.
FREE = frozenset(
    {"max_train_steps", "num_train_epochs", "resume", "device", "threads", "report_to", "keep_checkpoints"}
)


class Keeper:
    """The checkpoints of one run. All processes call the same methods at the same steps."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.checkpoints = Checkpoints(trainer.output_dir / "checkpoints", trainer.config.keep_checkpoints)
        self.last: Saved | None = None
        self.untidy = False

    def save(self) -> None:
        """Write a checkpoint of the present step. A full disk costs this checkpoint, not the run or those before."""
        trainer = self.trainer
        if self.last and self.last.step == trainer.step:
            return
        part = self.checkpoints.folder / f"step-{trainer.step:08d}.part"
        problem = ""
        if trainer.accelerator.is_main_process:
            try:
                part = self.checkpoints.begin(trainer.step)
                with snapshot.writing(part):
                    self._write(part)
            except NotSaved as error:
                problem = str(error)
        trainer.accelerator.wait_for_everyone()
        if part.is_dir():
            try:
                with snapshot.writing(part):
                    snapshot.write_random(part, trainer.accelerator.process_index)
            except NotSaved as error:
                problem = str(error)
        trainer.accelerator.wait_for_everyone()
        if trainer.accelerator.is_main_process:
            self._finish(part, problem)
        trainer.accelerator.wait_for_everyone()

    def _write(self, part: Any) -> None:
        trainer = self.trainer
        snapshot.write_tensors(trainer.parameters, trainer.task.modules(), part)
        snapshot.write_torch(trainer.optimizer.state_dict(), part / snapshot.OPTIMIZER)
        if trainer.ema:
            save_file({k: snapshot.plain(v) for k, v in trainer.ema.state().items()}, part / snapshot.AVERAGE)
        snapshot.write_known(part, trainer.task.known())
        config = trainer.config
        scaler = trainer.accelerator.scaler
        state = {
            "step": trainer.step,
            "batches": trainer.step * config.gradient_accumulation_steps,
            "processes": trainer.accelerator.num_processes,
            "schedule": {"name": config.lr_scheduler, "total": trainer.total, "peak": trainer.lr},
            "health": trainer.health.state(),
            "average_updates": trainer.ema.updates if trainer.ema else 0,
            "scaler": scaler.state_dict() if scaler else None,
            "data": trainer.task.data_hash(),
            "config": config.model_dump(mode="json"),
        }
        snapshot.write_state(part, state)

    def _finish(self, part: Any, problem: str) -> None:
        trainer = self.trainer
        try:
            if problem:
                raise NotSaved(problem)
            self.last = self.checkpoints.finish(part, trainer.step, trainer.held_out)
        except NotSaved as error:
            trainer.log.warn(
                trainer.step, f"The checkpoint of step {trainer.step} could not be saved: {error}. {self.whats_kept()}"
            )
            return
        trainer.log.write("checkpoint", step=trainer.step, path=str(self.last.folder))
        if (problem := self.checkpoints.tidy()) and not self.untidy:
            self.untidy = True
            trainer.log.warn(trainer.step, f"Old checkpoints could not be removed, and take room: {problem}.")

    def restore(self) -> None:
        """Go on from a checkpoint where there is one; a damaged one is passed over, and said so.

        Raises RunError when the checkpoint is of another recipe or model, or was made with other options that it hangs
        on.
        """
        trainer = self.trainer
        if trainer.accelerator.is_main_process:
            self.checkpoints.clear_parts()
        trainer.accelerator.wait_for_everyone()
        if trainer.config.resume == "no":
            self._set_aside(-1)
            return
        saved = self.checkpoints.whole(
            lambda sentence: trainer.log.warn(trainer.step, sentence), trainer.config.resume == "best"
        )
        if saved is None:
            return
        state = snapshot.read_state(saved.folder)
        if state["config"]["recipe"] != trainer.config.recipe:
            raise RunError(
                f"{trainer.output_dir.name} holds a run of the recipe {state['config']['recipe']}.",
                "Choose another output folder.",
            )
        for name in trainer.config.FIXED:
            if (began := state["config"].get(name)) != (now := getattr(trainer.config, name)):
                raise RunError(
                    f"This run began with {name} = {began}, and cannot go on with {now}.",
                    f"Set {name} back, or choose another output folder.",
                )
        if not trainer.config.disable_optimizer_restore:
            kinds = {True: "8-bit Adam", False: "32-bit Adam"}
            began, now = bool(state["config"].get("use_8bit_adam")), trainer.config.use_8bit_adam
            if began != now:
                raise RunError(
                    f"The checkpoint of step {saved.step} is of {kinds[began]}, which {kinds[now]} cannot take over.",
                    f"Set use_8bit_adam to {str(began).lower()}, or disable_optimizer_restore to true: the optimizer "
                    "then begins anew with the weights of that step.",
                )
        try:
            snapshot.read_tensors(trainer.parameters, trainer.task.modules(), saved.folder)
        except ValueError as error:
            raise RunError(
                f"The checkpoint in {trainer.output_dir.name} is of another model ({error}).",
                "Choose another output folder, or the model it was begun with.",
            ) from None
        self._restore_rest(saved, state)
        self._set_aside(saved.step)
        self.last, trainer.held_out = saved, saved.held_out

    def _set_aside(self, after_step: int) -> None:
        self.trainer.accelerator.wait_for_everyone()  # all have read what they go on from
        if self.trainer.accelerator.is_main_process:
            try:
                self.checkpoints.set_aside(after_step)
            except OSError as error:
                raise RunError(
                    f"Checkpoints newer than step {max(0, after_step)} could not be set aside: {error.strerror}.",
                    "Close whatever has their files open, or choose another output folder.",
                ) from error

    def _restore_rest(self, saved: Saved, state: dict[str, Any]) -> None:
        trainer, config = self.trainer, self.trainer.config
        if not config.disable_optimizer_restore:
            device = trainer.accelerator.device
            moments = torch.load(saved.folder / snapshot.OPTIMIZER, weights_only=True, map_location=device)
            trainer.optimizer.load_state_dict(moments)
            self._groups_of_now()
            if state["scaler"] and trainer.accelerator.scaler:
                trainer.accelerator.scaler.load_state_dict(state["scaler"])
        if trainer.ema:
            if state["average_updates"]:
                trainer.ema.restore(load_file(saved.folder / snapshot.AVERAGE), state["average_updates"])
            else:  # the average begins now
                trainer.ema.restore(load_file(saved.folder / snapshot.WEIGHTS), 0)
        snapshot.read_random(saved.folder, trainer.accelerator.process_index)
        trainer.health.restore(state["health"])
        trainer.step = state["step"]
        now = config.model_dump(mode="json")
        changed = sorted(k for k in now if k not in FREE and state["config"].get(k) != now[k])
        if state["data"] != trainer.task.data_hash():
            changed.append("the data")
        if state["processes"] != trainer.accelerator.num_processes:
            changed.append("the number of processes")
        trainer.log.write("resumed", step=trainer.step, total=trainer.total, stage=config.recipe, changed=changed)

    def _groups_of_now(self) -> None:
        """What the configuration says of the optimizer counts, not what it said when the checkpoint was written."""
        config = self.trainer.config
        for group in self.trainer.optimizer.param_groups:
            group["betas"] = (config.adam_beta1, config.adam_beta2)
            group["weight_decay"], group["eps"] = config.adam_weight_decay, config.adam_epsilon

    def keep_good(self) -> str:
        """Keep the last checkpoint from before the loss began to rise, for good; a sentence about it."""
        # The smoothed loss follows some fifty steps behind.
        try:
            main = self.trainer.accelerator.is_main_process
            good = self.checkpoints.keep_good(self.trainer.step - 50) if main else None
        except NotSaved as error:
            return f"The last checkpoint from before could not be marked to be kept: {error}."
        return f"The checkpoint of step {good.step} is kept." if good else "There is no checkpoint from before."

    def whats_kept(self) -> str:
        """A sentence about the newest checkpoint."""
        saved = self.checkpoints.all()
        return f"The checkpoint of step {saved[-1].step} is kept." if saved else "There is no checkpoint yet."
