"""The Trainer of this project: what is minimised, by which optimiser groups, in which order of data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, Sampler
from transformers import Trainer

from src.control_tokens import CONTROL_ROWS
from src.errors import ArtifactError, ProjectError
from src.language_model import Precision, autocast
from src.target_nll import target_nll

Evaluation = Callable[[], dict[str, float]]


class ControlTrainer(Trainer):
    """Trains on targets only, with control tokens left out of what can be predicted.

    Attributes:
        tokens_seen: targets trained on so far, of all processes together.
    """

    loss_is_scaled_for_ga = True  # `compute_loss` divides by the targets of the whole step

    def __init__(
        self,
        *,
        banned_ids: Sequence[int],
        order: Sampler[int],
        control_learning_rate: float,
        precision: Precision,
        evaluation: Evaluation | None,
        **trainer_options: Any,
    ) -> None:
        """Prepare.

        Args:
            banned_ids: ids of all control tokens.
            order: of the training examples.
            control_learning_rate: peak learning rate of the control tokens' rows.
            precision: of the matrix products.
            evaluation: measures the model on validation sentences; called on the leading process.
            trainer_options: of `transformers.Trainer`.
        """
        self._banned_ids, self._order = list(banned_ids), order
        self._control_learning_rate, self._precision = control_learning_rate, precision
        self._evaluation = evaluation
        self.tokens_seen = 0
        super().__init__(**trainer_options)
        # So that the Trainer counts the targets of a step, which it does for models that take part.
        self.model_accepts_loss_kwargs = True

    # ------------------------------------------------------------------------------------- objective

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean negative log-likelihood per target of the whole step, of which this batch is a part."""
        nll = target_nll(
            model,
            inputs["input_ids"],
            inputs["attention_mask"],
            inputs["shift_labels"],
            self._banned_ids,
        )
        # Distributed training averages gradients over processes; their sum is wanted.
        return nll.sum() / num_items_in_batch * self.accelerator.num_processes

    def autocast_smart_context_manager(
        self, cache_enabled: bool | None = True
    ) -> contextlib.AbstractContextManager[Any]:
        """bf16 by a plain autocast.

        The Trainer's own would also copy all logits to fp32. fp16 is left to it: it scales the loss.
        """
        if self._precision == "bf16":
            return autocast(self.args.device, "bf16")
        return super().autocast_smart_context_manager(cache_enabled)

    def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
        """One forward and backward pass.

        Raises:
            ProjectError: the loss is no number: nothing after it would mean anything.
        """
        loss = super().training_step(*args, **options)
        if not torch.isfinite(loss):
            raise ProjectError(
                f"the training loss is {loss.item()} at step {self.state.global_step + 1}",
                fix="lower optimisation.learning_rate or control_tokens.learning_rate, or set "
                "optimisation.precision to fp32",
            )
        return loss

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor]:
        """The batches of one step and the number of their targets, which is kept count of."""
        batches, n_targets = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.tokens_seen += int(n_targets) if n_targets is not None else 0
        return batches, n_targets

    # ------------------------------------------------------------------------------------- optimiser

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW with three groups: decayed weights; biases and norms; rows of control tokens."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(self._parameter_groups(), **options)
        return self.optimizer

    def _parameter_groups(self) -> list[dict[str, Any]]:
        decayed_names = set(self.get_decay_parameter_names(self.model))
        decayed, plain, rows = [], [], []
        for name, parameter in self.model.named_parameters():
            if name.split(".")[-1] == CONTROL_ROWS:
                rows.append(parameter)
            else:
                (decayed if name in decayed_names else plain).append(parameter)
        groups = [
            {"params": decayed, "weight_decay": self.args.weight_decay},
            {"params": plain, "weight_decay": 0.0},
            {"params": rows, "weight_decay": 0.0, "lr": self._control_learning_rate},
        ]
        return [group for group in groups if group["params"]]

    # ------------------------------------------------------------------------------ data, evaluation

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        return self._order

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss and control AUC on validation sentences, measured by the leading process."""
        metrics: dict[str, float] = {}
        if self.is_world_process_zero() and self._evaluation is not None:
            metrics = self._evaluation()
            self.log(dict(metrics))
        self.accelerator.wait_for_everyone()
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """A checkpoint that does not hold every weight is an error here, where the Trainer warns."""
        # A tied head is not in the file; its weight is the embedding's, which is.
        tied = set(self.model.all_tied_weights_keys)
        wrong = [key for key in load_result.missing_keys if key not in tied]
        wrong += load_result.unexpected_keys
        if wrong:
            raise ArtifactError(
                "the checkpoint to go on from does not fit the model",
                got=", ".join(wrong[:3]),
                fix="start anew with --overwrite",
            )
