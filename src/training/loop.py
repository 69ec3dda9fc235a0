"""The training loop: what happens in a step and between steps, in the order in which it happens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from transformers import PreTrainedModel

from src.config.training import TrainingArgs
from src.errors import ProjectError
from src.models.control_tokens import control_ids
from src.models.language_model import autocast
from src.runtime.process_group import summed, wait_for_everyone
from src.runtime.processes import is_main_process, process_rank, world_size
from src.runtime.randomness import keyed_hash
from src.training.checkpoints import MODEL, Checkpoints, Progress
from src.training.examples import Examples, order_of_epoch
from src.training.journal import Journal
from src.training.model_setup import prepare_model
from src.training.objective import part_of_loss
from src.training.optimiser import make_optimiser, make_rates
from src.training.preflight import Plan
from src.training.saved_state import load_optimiser, load_weights, save_optimiser
from src.training.sentences import Sentences
from src.training.sharding import shard, whole_weights
from src.training.step_shares import share_of_step
from src.training.validation import Validation

# On a GPU, matrix products are chosen for their shape: few lengths, so few shapes.
_LENGTH_MULTIPLE = {"cuda": 8}


@dataclass
class Training:
    """The parts of a training, and how far it is.

    Attributes:
        args: of the run.
        plan: the checked one.
        model: whole, or sharded over the processes.
        sharded: whether the processes share the model's weights too.
        forward: the model as it is called: wrapped where processes average their gradients.
        optimiser: of the model's weights.
        rates: of the optimiser's groups, step by step.
        scaler: of the loss in fp16; elsewhere it does nothing.
        examples: what is trained on.
        validation: measures a checkpoint; None where nothing is to be measured.
        step: steps done.
        tokens_seen: targets trained on so far, of all processes together.
    """

    args: TrainingArgs
    plan: Plan
    model: PreTrainedModel
    sharded: bool
    forward: nn.Module
    optimiser: torch.optim.Optimizer
    rates: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    examples: Examples
    validation: Validation | None
    step: int = 0
    tokens_seen: int = 0


def prepare_training(
    args: TrainingArgs,
    plan: Plan,
    sentences: Sentences,
    newest: tuple[Path, Progress] | None = None,
) -> Training:
    """Everything that the first step needs.

    Args:
        args: of the run.
        plan: the checked one.
        sentences: of an epoch.
        newest: the checkpoint to go on from.

    Raises:
        ProjectError: the base model or the checkpoint cannot be used.
    """
    model = prepare_model(args, plan.tokenizer, plan.attributes, plan.device)
    if newest is not None:
        load_weights(model, newest[0] / MODEL)
    sharded = args.parallel.strategy == "fsdp" and world_size() > 1
    if sharded:
        shard(model, plan.device, world_size())
    if args.optimisation.gradient_checkpointing:
        model.activation_checkpointing_enable()
    optimiser = make_optimiser(model, args.optimisation, args.control_tokens.learning_rate)
    training = Training(
        args=args,
        plan=plan,
        model=model,
        sharded=sharded,
        forward=model if sharded or world_size() == 1 else DistributedDataParallel(model),
        optimiser=optimiser,
        rates=make_rates(optimiser, args.optimisation, plan.schedule.steps),
        scaler=torch.amp.GradScaler(plan.device.type, enabled=plan.precision == "fp16"),
        examples=Examples(
            sentences,
            plan.tokenizer,
            plan.attributes,
            args.condition_on,
            args.token_dropout,
            args.seed,
            with_exchange=args.discriminates,
        ),
        validation=_validation(args, plan, model),
    )
    if newest is not None:
        folder, progress = newest
        training.step, training.tokens_seen = progress.step, progress.tokens_seen
        load_optimiser(model, optimiser, training.rates, training.scaler, folder)
    return training


def _validation(args: TrainingArgs, plan: Plan, model: PreTrainedModel) -> Validation | None:
    if plan.validation is None:
        return None
    return Validation(
        model,
        plan.tokenizer,
        plan.attributes,
        args.condition_on,
        plan.validation,
        plan.precision,
    )


# -------------------------------------------------------------------------------------------- steps


def run_training(training: Training, checkpoints: Checkpoints, journal: Journal) -> None:
    """Train to the end.

    Args:
        training: where it is.
        checkpoints: where its state is saved.
        journal: told how it goes.

    Raises:
        ProjectError: the loss is no number: nothing after it would mean anything.
    """
    schedule, device = training.plan.schedule, training.plan.device
    losses, n_steps = torch.zeros((), device=device), 0
    journal.begin(training.step, training.tokens_seen)
    if schedule.steps == 0:  # the base model as it is
        _measure(training, journal)
        _save(training, checkpoints, last=True)
    for epoch, rows in remaining_steps(training):
        loss, grad_norm, rate = take_step(training, epoch, rows)
        losses, n_steps = losses + loss, n_steps + 1
        journal.advance()
        last = training.step == schedule.steps
        saves = last or training.step % schedule.save_steps == 0
        if saves or training.step % schedule.logging_steps == 0:
            mean = _number(summed(losses).item() / n_steps, training.step)
            journal.trained(training.step, mean, rate, float(grad_norm), training.tokens_seen)
            losses, n_steps = torch.zeros((), device=device), 0
        if saves:
            _measure(training, journal)
            _save(training, checkpoints, last=last)
            journal.go_on()
    journal.end()


def remaining_steps(training: Training) -> Iterator[tuple[int, np.ndarray]]:
    """(epoch, rows of all processes together) of each step that is left."""
    schedule, sentences = training.plan.schedule, training.examples.sentences
    size = schedule.sentences_per_step
    steps_of_epoch = -(-len(sentences) // size)
    order, ordered = np.empty(0, np.int64), -1
    for step in range(training.step, schedule.steps):
        epoch, within = divmod(step, steps_of_epoch)
        if epoch != ordered:
            order, ordered = order_of_epoch(sentences, size, training.args.seed, epoch), epoch
        yield epoch, order[within * size : (within + 1) * size]


def take_step(
    training: Training, epoch: int, rows: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """One optimiser step.

    Its dropout depends on the seed, the step and the process alone: no random state has to be kept for a
    run that goes on, with any number of processes.

    Args:
        training: changed: its weights, and how far it is.
        epoch: of the step.
        rows: of all processes together.

    Returns:
        (this process's part of the loss, norm of the gradient before clipping, learning rate).
    """
    args, plan = training.args, training.plan
    rank, processes = process_rank(), world_size()
    key = f"{training.step}:{rank}"
    torch.manual_seed(keyed_hash(args.seed, "model_dropout", key) >> 1)
    training.forward.train()
    multiple = _LENGTH_MULTIPLE.get(plan.device.type, 1)
    batches = [
        training.examples.batch(share, epoch, multiple)
        for share in share_of_step(rows, plan.schedule, rank, processes)
    ]
    n_targets, n_exchanges = training.examples.n_targets(rows), 0
    if args.discriminates:
        own = sum(int(batch["has_exchange"].sum()) for batch in batches if "has_exchange" in batch)
        n_exchanges = int(summed(torch.tensor(own, device=plan.device)))
    banned_ids = control_ids(plan.tokenizer, plan.attributes)
    loss_of_step = torch.zeros((), device=plan.device)
    for i, batch in enumerate(batches):
        batch = {name: values.to(plan.device) for name, values in batch.items()}
        with _averaging(training, last=i == len(batches) - 1):
            with autocast(plan.device, plan.precision):
                loss = part_of_loss(
                    training.forward,
                    batch,
                    banned_ids,
                    n_targets=n_targets,
                    n_exchanges=n_exchanges,
                    discrimination=args.objective.discrimination,
                )
            # Gradients are averaged over the processes; their sum is wanted.
            training.scaler.scale(loss * processes).backward()
        loss_of_step += loss.detach()
    grad_norm, rate = _move(training)
    training.step += 1
    training.tokens_seen += n_targets
    return loss_of_step, grad_norm, rate


def _averaging(training: Training, *, last: bool) -> contextlib.AbstractContextManager[None]:
    """Gradients are averaged over the processes in the last pass of a step.

    A sharded model averages in each: gradients of whole weights would take the memory that it saves.
    """
    if last or not isinstance(training.forward, DistributedDataParallel):
        return contextlib.nullcontext()
    return training.forward.no_sync()


def _move(training: Training) -> tuple[torch.Tensor, float]:
    """Clip the gradient, move the weights, set the next rate.

    Returns:
        (norm of the gradient before clipping, the rate of this step).
    """
    rate, scaler = float(training.rates.get_last_lr()[0]), training.scaler
    scaler.unscale_(training.optimiser)
    largest = training.args.optimisation.max_grad_norm
    norm = torch.as_tensor(clip_grad_norm_(training.model.parameters(), largest))
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()  # of a sharded model, each process has a part of it
    scale = scaler.get_scale()
    scaler.step(training.optimiser)
    scaler.update()
    if scaler.get_scale() >= scale:  # it falls where an overflow in fp16 made the step be left out
        training.rates.step()
    training.optimiser.zero_grad()
    return norm, rate


def _number(loss: float, step: int) -> float:
    if not abs(loss) < float("inf"):
        raise ProjectError(
            f"the training loss is {loss} at step {step}",
            fix="lower optimisation.learning_rate or control_tokens.learning_rate, or set "
            "optimisation.precision to fp32",
        )
    return loss


# -------------------------------------------------------------------------------------- checkpoints


def _measure(training: Training, journal: Journal) -> None:
    """Loss and control AUC on validation sentences; a sharded model computes with all processes."""
    if training.validation is not None and (training.sharded or is_main_process()):
        journal.validated(training.step, training.tokens_seen, training.validation())
    wait_for_everyone()


def _save(training: Training, checkpoints: Checkpoints, *, last: bool) -> None:
    """A plain Hugging Face folder, and beside it what a run needs to go on; every process takes part.

    Nothing goes on from the last checkpoint: its optimiser state would be written for nothing.
    """
    folder, writes = checkpoints.folder(training.step), is_main_process()
    weights = whole_weights(training.model) if training.sharded else None
    if writes:
        model = folder / MODEL
        training.model.save_pretrained(model, state_dict=weights)
        training.plan.tokenizer.save_pretrained(model)
    if not last:
        parts = (training.model, training.optimiser, training.rates, training.scaler)
        save_optimiser(*parts, folder, write=writes)
    if writes:
        every = training.args.checkpoints.every_steps
        done = Progress(training.step, training.tokens_seen, finished=last)
        checkpoints.complete(done, publish=every is not None and training.step % every == 0)
    wait_for_everyone()
