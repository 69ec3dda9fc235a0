"""The Trainer of this project: what is minimised, by which optimiser groups, in which order of data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer

from src.control_rows import CONTROL_ROWS
from src.errors import ArtifactError, ProjectError
from src.language_model import Precision, autocast
from src.runtime import keyed_hash
from src.target_nll import NO_TARGET, target_nll
from src.training.sharding import load_optimiser, save_optimiser, shard, whole_weights
from src.training.step_shares import StepShares

Evaluation = Callable[[], dict[str, float]]
OPTIMISER, SCHEDULER = "optimizer.pt", "scheduler.pt"  # the Trainer's own names


def discriminative_loss(
    own: torch.Tensor, other: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """−log p(own tokens | sentence), where the tokens are either its own or those with one exchanged.

    Of GeDi (Krause et al. 2021, "Generative Discriminator Guided Sequence Generation", equations 5 to 7): a
    class-conditional language model is a classifier by Bayes' rule, p(c|x) ∝ p(x|c), and is trained as
    one beside. Here with the log-likelihood of the whole sentence, where GeDi divides it by the length,
    and with one other class a sentence, drawn anew in each epoch.

    Args:
        own: nats of every target behind its sentence's own tokens, [targets].
        other: the same with one token exchanged.
        targets: as given to `target_nll`, [sentences, length].

    Returns:
        fp32 [sentences], at least 0; log 2 for a model that ignores its tokens.
    """
    sentence = (targets != NO_TARGET).nonzero()[:, 0]
    margin = torch.zeros(len(targets), device=own.device).index_add(0, sentence, other - own)
    return nn.functional.softplus(-margin)


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
        shares: StepShares,
        sharded: bool,
        control_learning_rate: float,
        discrimination: float,
        precision: Precision,
        evaluation: Evaluation | None,
        **trainer_options: Any,
    ) -> None:
        """Prepare.

        Args:
            banned_ids: ids of all control tokens.
            shares: the batches of this process.
            sharded: whether the processes share the model's weights too.
            control_learning_rate: peak learning rate of the control tokens' rows.
            discrimination: weight of the discriminative loss of batches that have exchanged tokens.
            precision: of the matrix products.
            evaluation: measures the model on validation sentences; called on the leading process, and on
                all of them where the model is sharded.
            trainer_options: of `transformers.Trainer`.
        """
        self._banned_ids, self._shares, self._sharded = list(banned_ids), shares, sharded
        self._control_learning_rate, self._precision = control_learning_rate, precision
        self._discrimination, self._exchanges = discrimination, 0
        self._evaluation = evaluation
        self.tokens_seen = 0
        super().__init__(**trainer_options)
        # So that the Trainer counts the targets of a step, which it does for models that take part.
        self.model_accepts_loss_kwargs = True
        # The Trainer's word for a model that needs no wrapping: it is sharded by `_prepare_for_training`.
        self.is_distributed_loading_by_transformers = sharded

    # ------------------------------------------------------------------------------------- objective

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """This batch's part of the loss of the whole step.

        Mean negative log-likelihood per target, and the weighted discriminative loss per sentence that has a
        token to exchange.
        """
        ids, mask, targets = (
            inputs[name] for name in ("input_ids", "attention_mask", "shift_labels")
        )
        exchanged = inputs.get("exchanged_ids")
        if exchanged is None:
            nll = target_nll(model, ids, mask, targets, self._banned_ids)
            loss = nll.sum() / num_items_in_batch
        else:
            # In one pass: own tokens in the first half, exchanged ones in the second.
            both = (
                torch.cat(pair) for pair in ((ids, exchanged), (mask, mask), (targets, targets))
            )
            own, other = target_nll(model, *both, self._banned_ids).chunk(2)
            loss = own.sum() / num_items_in_batch
            apart = discriminative_loss(own, other, targets)[inputs["has_exchange"]]
            loss = loss + self._discrimination * apart.sum() / self._exchanges
        # Distributed training averages gradients over processes; their sum is wanted.
        return loss * self.accelerator.num_processes

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
        """The batches of one step and the number of their targets; targets and exchanges are counted.

        The step's dropout depends on the seed, the step and the process alone: no random state has to be
        kept for a run that goes on, with any number of processes.
        """
        key = f"{self.state.global_step}:{self.args.process_index}"
        torch.manual_seed(keyed_hash(self.args.seed, "model_dropout", key) >> 1)
        batches, n_targets = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.tokens_seen += int(n_targets) if n_targets is not None else 0
        if self._discrimination:
            own = sum(
                int(batch["has_exchange"].sum()) for batch in batches if "has_exchange" in batch
            )
            count = torch.tensor(own, device=self.args.device)
            self._exchanges = int(self.accelerator.reduce(count, reduction="sum"))
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

    def get_train_dataloader(self) -> DataLoader:
        """This process's batches; nothing is left for accelerate to distribute."""
        return DataLoader(
            self.train_dataset,
            batch_sampler=self._shares,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss and control AUC on validation sentences; a sharded model computes with all processes."""
        metrics: dict[str, float] = {}
        measures = self._sharded or self.is_world_process_zero()
        if measures and self._evaluation is not None:
            metrics = self._evaluation()
            self.log(dict(metrics))
        self.accelerator.wait_for_everyone()
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    # -------------------------------------------------------------------- several processes, going on

    def _prepare_for_training(self, *args: Any, **options: Any) -> Any:
        # The weights of a run that goes on are loaded by now, the optimiser is not made yet.
        if self._sharded:
            shard(self.model, self.args.device, self.args.world_size)
        return super()._prepare_for_training(*args, **options)

    def _defer_fsdp_gradient_reduction(self) -> contextlib.AbstractContextManager[None]:
        """Nothing is deferred: gradients of whole weights would take the memory that sharding saves."""
        return contextlib.nullcontext()

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """A plain Hugging Face folder, written by the leading process."""
        if not self._sharded:
            super().save_model(output_dir, _internal_call)
            return
        state = whole_weights(self.model)
        if self.args.should_save:
            self._save(output_dir, state_dict=state)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        folder, write = Path(output_dir), self.args.should_save
        save_optimiser(self.model, self.optimizer.optimizer, folder / OPTIMISER, write=write)
        if write:
            torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            folder = Path(checkpoint)
            load_optimiser(self.model, self.optimizer.optimizer, folder / OPTIMISER)
            schedule = torch.load(folder / SCHEDULER, weights_only=True)
            self.lr_scheduler.load_state_dict(schedule)

    def _save_rng_state(self, output_dir: str) -> None:
        """Nothing: each step seeds its own dropout."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing, as nothing was saved."""

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
