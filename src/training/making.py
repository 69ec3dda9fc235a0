"""The work of stage 2, from a checked plan to the published folder."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PrinterCallback, ProgressCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from src.artifacts.run_folder import Run
from src.attributes.attribute import to_manifest
from src.config.prompts import TRAINED_PLACEMENT
from src.config.training import TrainingArgs
from src.control_tokens import control_ids, tokenizer_fingerprint
from src.language_model import weights_sha256
from src.process_group import agreed, wait_for_everyone
from src.runtime import is_main_process, process_rank, world_size
from src.training.callbacks import RunCallback
from src.training.checkpoints import Checkpoints, Progress
from src.training.curve import draw_curve
from src.training.drawing import Drawn
from src.training.examples import Collator, Examples, LengthGroupedOrder
from src.training.layout import CURVE, FINAL, TIMING
from src.training.metrics_log import MetricsLog
from src.training.model_setup import prepare_model
from src.training.objective import ControlTrainer
from src.training.preflight import Plan
from src.training.sentences import open_sentences, write_sentences
from src.training.step_shares import StepShares
from src.training.validation import Validation

logger = logging.getLogger(__name__)


def make_model(args: TrainingArgs, plan: Plan, run: Run) -> None:
    """Train in a run's folder, from where an interrupted run got to, and publish it.

    Raises:
        ProjectError: the loss is no number, or an interrupted run does not fit.
    """
    checkpoints = Checkpoints(run.partial, args.checkpoints.keep)
    log = MetricsLog(run.partial)
    newest = agreed(_newest(checkpoints, log) if is_main_process() else None)
    if newest is None or not newest[1].finished:
        _train(args, plan, checkpoints, log, newest)
    if not is_main_process():
        return  # what is left is the leading process's alone
    checkpoints.finish()
    title = (
        f"{Path(args.model.name).name}, conditioned on {', '.join(args.condition_on) or 'nothing'}"
    )
    draw_curve(log.rows(), run.partial / CURVE, title)
    checkpoints.discard_work()
    run.publish(unhashed=[TIMING], **_facts(args, plan, checkpoints, log))


def _newest(checkpoints: Checkpoints, log: MetricsLog) -> tuple[Path, Progress] | None:
    """Where the run goes on, with all that a killed run left after it taken back."""
    if checkpoints.is_final():
        last = log.rows()[-1]
        done = Progress(step=last["step"], tokens_seen=last["tokens_seen"], finished=True)
        return log.path.with_name(FINAL), done
    checkpoints.clean()
    newest = checkpoints.newest()
    log.cut_after(newest[1].step if newest else 0)
    return newest


def _train(
    args: TrainingArgs,
    plan: Plan,
    checkpoints: Checkpoints,
    log: MetricsLog,
    newest: tuple[Path, Progress] | None,
) -> None:
    """Train after the newest checkpoint, if there is one, to the end."""
    trainer = make_trainer(args, plan, checkpoints, log)
    if newest is not None:
        trainer.tokens_seen = newest[1].tokens_seen
        logger.info("going on after step %d", newest[1].step)
    trainer.train(resume_from_checkpoint=str(newest[0]) if newest else None)


def make_trainer(
    args: TrainingArgs, plan: Plan, checkpoints: Checkpoints, log: MetricsLog
) -> ControlTrainer:
    """The Trainer of a run, with its model and sentences, before its first step."""
    _quiet_transformers()
    tokenised = checkpoints.trainer_folder.with_name("sentences")
    if is_main_process():
        for line in plan.drawing.describe():
            logger.info("%s", line)
        write_sentences(
            tokenised,
            plan.dataset,
            plan.tokenizer,
            plan.attributes,
            Drawn(plan.dataset.folder, plan.attributes, plan.drawing, args.seed).times,
        )
    wait_for_everyone()
    sentences = open_sentences(tokenised)
    order = LengthGroupedOrder(sentences, plan.schedule.sentences_per_step, args.seed)
    shares = StepShares(order, plan.schedule, process_rank(), world_size())
    callback = RunCallback(log, checkpoints, args.checkpoints.every_steps, order)
    model = prepare_model(args, plan.tokenizer, plan.attributes, plan.device)
    trainer = ControlTrainer(
        banned_ids=control_ids(plan.tokenizer, plan.attributes),
        shares=shares,
        sharded=args.parallel.strategy == "fsdp" and world_size() > 1,
        control_learning_rate=args.control_tokens.learning_rate,
        discrimination=args.objective.discrimination if args.discriminates else 0.0,
        precision=plan.precision,
        evaluation=_validation(args, plan, model),
        model=model,
        args=_trainer_args(args, plan, checkpoints),
        data_collator=Collator(plan.tokenizer.pad_token_id),
        train_dataset=Examples(
            sentences,
            plan.tokenizer,
            plan.attributes,
            args.condition_on,
            args.token_dropout,
            args.seed,
            with_exchange=args.discriminates,
        ),
        eval_dataset=[],  # the Trainer asks for one; `evaluation` brings its own
        processing_class=plan.tokenizer,
        callbacks=[callback],
    )
    callback.trainer = trainer
    for own_printing in (PrinterCallback, ProgressCallback):  # stdout is for the final result
        trainer.remove_callback(own_printing)
    return trainer


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


def _trainer_args(args: TrainingArgs, plan: Plan, checkpoints: Checkpoints) -> TrainingArguments:
    wanted, schedule = args.optimisation, plan.schedule
    evaluates = plan.validation is not None
    # Trackers that write files would write them into what is removed at the end.
    tracked = args.output.with_name(f"{args.output.name}.tensorboard")
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(tracked))
    trainer_args = TrainingArguments(
        output_dir=str(checkpoints.trainer_folder),
        seed=args.seed,
        use_cpu=plan.device.type == "cpu",
        # Only compared when a run goes on, with whatever number of processes; `shares` decides.
        per_device_train_batch_size=wanted.batch_sentences,
        gradient_accumulation_steps=schedule.passes_per_step,
        max_steps=schedule.steps,
        learning_rate=wanted.learning_rate,
        weight_decay=wanted.weight_decay,
        warmup_steps=wanted.warmup_ratio if wanted.warmup_ratio < 1 else schedule.steps,
        lr_scheduler_type=wanted.lr_scheduler,
        max_grad_norm=wanted.max_grad_norm,
        fp16=plan.precision == "fp16",
        activation_checkpointing=wanted.gradient_checkpointing,
        optim="adamw_torch_fused",
        logging_steps=schedule.logging_steps,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=schedule.save_steps,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=schedule.save_steps if evaluates else None,
        report_to=list(args.report_to) or "none",
        run_name=args.output.name,
        disable_tqdm=True,
        use_cache=True,  # goes into the published config: without a cache, `generate` would crawl
        remove_unused_columns=False,
        dataloader_pin_memory=plan.device.type == "cuda",
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if plan.device.type == "cpu" and world_size() > 1 else None,
    )
    # A single process uses one device: copies of the model on several (DataParallel) would not share the
    # selection of targets. Several devices are for torchrun.
    trainer_args._n_gpu = min(trainer_args.n_gpu, 1)
    return trainer_args


def _quiet_transformers() -> None:
    """Bars only in a terminal, and ours; warnings stay, once."""
    transformers_logging.disable_progress_bar()
    if not is_main_process():
        transformers_logging.set_verbosity_error()


def _facts(
    args: TrainingArgs, plan: Plan, checkpoints: Checkpoints, log: MetricsLog
) -> dict[str, Any]:
    last = log.rows()[-1]
    base = {"name": args.model.name, "revision": args.model.revision}
    if not args.model.from_scratch:
        base["weights_sha256"] = weights_sha256(args.model.name, args.model.revision)
    named = [(path.name, int(path.name.removeprefix("step-"))) for path in checkpoints.published()]
    return {
        "attributes": to_manifest(plan.attributes),
        "condition_on": list(args.condition_on),
        "placement": TRAINED_PLACEMENT,
        "hold_out": [dict(one) for one in args.hold_out],
        "tokenizer": {"fingerprint": tokenizer_fingerprint(plan.tokenizer)},
        "cleaning": plan.dataset["cleaning"],
        "base_model": base | {"from_scratch": args.model.from_scratch},
        "made_from": {
            "dataset": str(args.dataset),
            "dataset_manifest_sha256": plan.dataset.sha256,
        },
        "checkpoints": [
            _checkpoint_facts(log, name, step) for name, step in [*named, (FINAL, last["step"])]
        ],
        "tokens_trained": last["tokens_seen"],
        "sentences": plan.schedule.sentences,
        "drawn": plan.drawing.to_json(),
        "steps": last["step"],
        # In the order in which they took part: a run may go on with another number.
        "processes": list(dict.fromkeys(row["processes"] for row in log.timing())),
        "device": plan.device.type,
        "precision": plan.precision,
        "seed": args.seed,
    }


def _checkpoint_facts(log: MetricsLog, name: str, step: int) -> dict[str, Any]:
    measured = log.validation(step)
    seen = [row["tokens_seen"] for row in log.rows() if row["step"] == step]
    return {
        "name": name,
        "step": step,
        "tokens_seen": seen[-1],
        "loss": measured["loss"] if measured else None,
        "control_auc": measured["control_auc"] if measured else {},
        "control_auc_interval": measured["control_auc_interval"] if measured else {},
    }
