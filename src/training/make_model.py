"""The work of stage 2, from a checked plan to the published folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from transformers.utils import logging as transformers_logging

from src.artifacts.run_folder import Run
from src.attributes.attribute import to_manifest
from src.config.prompts import TRAINED_PLACEMENT
from src.config.training import TrainingArgs
from src.models.control_tokens import tokenizer_fingerprint
from src.models.language_model import weights_sha256
from src.published.trained_model import CURVE, FINAL, TIMING
from src.runtime.process_group import agreed, wait_for_everyone
from src.runtime.processes import is_main_process
from src.training.checkpoints import Checkpoints, Progress
from src.training.curve import draw_curve
from src.training.drawing import Drawn
from src.training.journal import Journal
from src.training.layout import WORK
from src.training.loop import prepare_training, run_training
from src.training.metrics_log import MetricsLog
from src.training.preflight import Plan
from src.training.sentences import Sentences, open_sentences, write_sentences

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
        return log.path.with_name(FINAL), Progress(*log.so_far(), finished=True)
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
    _quiet_transformers()
    training = prepare_training(args, plan, prepare_sentences(args, plan, log.path.parent), newest)
    if newest is not None:
        logger.info("going on after step %d", newest[1].step)
    run_training(training, checkpoints, Journal(args, log, plan.schedule.steps))


def prepare_sentences(args: TrainingArgs, plan: Plan, partial: Path) -> Sentences:
    """The sentences of an epoch, drawn and tokenised by the leading process, in a run's folder."""
    tokenised = partial / WORK / "sentences"
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
    return open_sentences(tokenised)


def _quiet_transformers() -> None:
    """Bars only in a terminal, and ours; warnings stay, once."""
    transformers_logging.disable_progress_bar()
    if not is_main_process():
        transformers_logging.set_verbosity_error()


def _facts(
    args: TrainingArgs, plan: Plan, checkpoints: Checkpoints, log: MetricsLog
) -> dict[str, Any]:
    steps, tokens = log.so_far()
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
            _checkpoint_facts(log, name, step) for name, step in [*named, (FINAL, steps)]
        ],
        "tokens_trained": tokens,
        "sentences": plan.schedule.sentences,
        "drawn": plan.drawing.to_json(),
        "steps": steps,
        # In the order in which they took part: a run may go on with another number.
        "processes": list(dict.fromkeys(row["processes"] for row in log.timing())),
        "device": plan.device.type,
        "precision": plan.precision,
        "seed": args.seed,
    }


def _checkpoint_facts(log: MetricsLog, name: str, step: int) -> dict[str, Any]:
    measured = log.validation(step)
    seen = [row["tokens_seen"] for row in log.rows() if row["step"] == step] or [0]
    return {
        "name": name,
        "step": step,
        "tokens_seen": seen[-1],
        "loss": measured["loss"] if measured else None,
        "control_auc": measured["control_auc"] if measured else {},
        "control_auc_interval": measured["control_auc_interval"] if measured else {},
    }
