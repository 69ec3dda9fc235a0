"""What happens beside the optimisation: rows of metrics, checkpoints, progress."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from src.runtime import progress
from src.training.checkpoints import Checkpoints, Progress
from src.training.metrics_log import MetricsLog

if TYPE_CHECKING:
    from src.training.objective import ControlTrainer

logger = logging.getLogger(__name__)


class RunCallback(TrainerCallback):
    """Writes metrics, completes checkpoints and says how far the run is."""

    def __init__(
        self,
        log: MetricsLog,
        checkpoints: Checkpoints,
        every_steps: int | None,
        order: Any,
    ) -> None:
        """Prepare.

        Args:
            log: where rows go.
            checkpoints: of the run.
            every_steps: steps between the checkpoints that are given out; None: the end only.
            order: of the training examples; told which epoch begins.
        """
        self._log, self._checkpoints = log, checkpoints
        self._every_steps, self._order = every_steps, order
        self._seconds, self._step_started = 0.0, 0.0
        self._tokens_before = 0
        self.trainer: ControlTrainer  # set by the run, which makes the Trainer with this callback

    # ------------------------------------------------------------------------------------------ flow

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Open the bar where the run goes on."""
        self._tokens_before = self.trainer.tokens_seen
        self._bar = progress(what="training", total=state.max_steps, unit="step")
        self._bar.update(state.global_step)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Tell the order which epoch it is: the data loader's own way does not reach it when skipping."""
        self._order.start_epoch(int(state.epoch or 0))

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock: only steps count for the speed, not evaluation and saving."""
        self._step_started = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """A row at every checkpoint, so that a resumed run averages over the same steps."""
        self._seconds += time.monotonic() - self._step_started
        self._bar.update(1)
        last = state.global_step >= state.max_steps
        if last or state.global_step % state.save_steps == 0:
            control.should_log = True
        # Nothing goes on from the last checkpoint: its optimiser state would be written for nothing.
        args.save_only_model = last

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Close the bar."""
        self._bar.close()

    # ------------------------------------------------------------------------------------------ rows

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write a row for training or validation figures; others are for trackers."""
        if not state.is_world_process_zero or not logs:
            return
        if "loss" in logs:
            self._add_training_row(state, logs)
        elif "eval_loss" in logs:
            self._add_validation_row(state, logs)

    def _add_training_row(self, state: TrainerState, logs: dict[str, float]) -> None:
        tokens = self.trainer.tokens_seen
        speed = (tokens - self._tokens_before) / max(self._seconds, 1e-9)
        self._tokens_before, self._seconds = tokens, 0.0
        self._learning_rate = logs["learning_rate"]
        self._log.add(
            {
                "step": state.global_step,
                "split": "train",
                "loss": logs["loss"],
                "learning_rate": logs["learning_rate"],
                "tokens_seen": tokens,
            },
            tokens_per_second=speed,
            processes=self.trainer.args.world_size,
        )
        self._bar.set_postfix_str(f"loss {logs['loss']:.3f}, {speed:.0f} tokens/s", refresh=False)

    def _add_validation_row(self, state: TrainerState, logs: dict[str, float]) -> None:
        prefix = "eval_control_auc_"
        aucs = {k.removeprefix(prefix): v for k, v in logs.items() if k.startswith(prefix)}
        self._log.add(
            {
                "step": state.global_step,
                "split": "validation",
                "loss": logs["eval_loss"],
                "learning_rate": self._learning_rate,
                "tokens_seen": self.trainer.tokens_seen,
                "control_auc": aucs,
                "control_auc_interval": {
                    name: [logs[f"eval_auc_{end}_{name}"] for end in ("low", "high")]
                    for name in aucs
                },
            },
            tokens_per_second=logs["eval_tokens_per_second"],
            processes=self.trainer.args.world_size,
        )
        logger.info(
            "step %d: validation loss %.3f%s",
            state.global_step,
            logs["eval_loss"],
            "".join(f", control AUC {name} {value:.2f}" for name, value in aucs.items()),
        )

    # ----------------------------------------------------------------------------------- checkpoints

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Complete the checkpoint that the Trainer has just written, once every process has."""
        self.trainer.accelerator.wait_for_everyone()
        if state.is_world_process_zero:
            step = state.global_step
            done = Progress(
                step=step,
                tokens_seen=self.trainer.tokens_seen,
                finished=step >= state.max_steps,
            )
            publish = self._every_steps is not None and step % self._every_steps == 0
            self._checkpoints.complete(done, publish=publish)
        self.trainer.accelerator.wait_for_everyone()
