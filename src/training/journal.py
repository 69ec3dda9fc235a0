"""What a training says while it runs: rows of metrics, trackers, a bar."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from src.config.training import TrainingArgs
from src.runtime.console import progress
from src.runtime.processes import is_main_process, world_size
from src.training.metrics_log import MetricsLog

logger = logging.getLogger(__name__)


class Journal:
    """Takes down how a training goes; the leading process writes.

    Only steps count for the speed, not what is measured and saved between them.
    """

    def __init__(self, args: TrainingArgs, log: MetricsLog, steps: int) -> None:
        """Prepare.

        Args:
            args: of the run.
            log: where rows go.
            steps: of the run.
        """
        self._log, self._steps = log, steps
        self._trackers = _start_trackers(args)

    def begin(self, step: int, tokens_seen: int) -> None:
        """Open the bar where the run goes on."""
        self._bar = progress(what="training", total=self._steps, unit="step")
        self._bar.update(step)
        self._tokens_before, self._since, self._rate = tokens_seen, time.monotonic(), 0.0

    def advance(self) -> None:
        """A step is done."""
        self._bar.update(1)

    def trained(self, step: int, loss: float, rate: float, grad_norm: float, tokens: int) -> None:
        """A row for the steps since the row before.

        Args:
            step: the last of them.
            loss: their mean, in nats per target.
            rate: learning rate of that step.
            grad_norm: of that step, before clipping.
            tokens: targets trained on so far.
        """
        speed = (tokens - self._tokens_before) / max(time.monotonic() - self._since, 1e-9)
        self._tokens_before, self._rate = tokens, rate
        row = {"step": step, "split": "train", "loss": loss, "learning_rate": rate}
        self._add(row | {"tokens_seen": tokens}, speed)
        self._track(
            {"loss": loss, "learning_rate": rate, "grad_norm": grad_norm, "tokens_seen": tokens},
            step,
        )
        self._bar.set_postfix_str(f"loss {loss:.3f}, {speed:.0f} tokens/s", refresh=False)
        self.go_on()

    def validated(self, step: int, tokens: int, measured: Mapping[str, float]) -> None:
        """A row for what `Validation` measured."""
        prefix = "eval_control_auc_"
        aucs = {k.removeprefix(prefix): v for k, v in measured.items() if k.startswith(prefix)}
        ends = {
            name: [measured[f"eval_auc_{end}_{name}"] for end in ("low", "high")] for name in aucs
        }
        row = {
            "step": step,
            "split": "validation",
            "loss": measured["eval_loss"],
            "learning_rate": self._rate,
            "tokens_seen": tokens,
            "control_auc": aucs,
            "control_auc_interval": ends,
        }
        self._add(row, measured["eval_tokens_per_second"])
        self._track(dict(measured), step)
        logger.info(
            "step %d: validation loss %.3f%s",
            step,
            measured["eval_loss"],
            "".join(f", control AUC {name} {value:.2f}" for name, value in aucs.items()),
        )

    def go_on(self) -> None:
        """Start the clock again, after what was no step."""
        self._since = time.monotonic()

    def end(self) -> None:
        """Close the bar and the trackers."""
        self._bar.close()
        if self._trackers is not None:
            self._trackers.end_training()

    def _add(self, row: dict[str, Any], speed: float) -> None:
        if is_main_process():
            self._log.add(row, tokens_per_second=speed, processes=world_size())

    def _track(self, values: dict[str, float], step: int) -> None:
        if self._trackers is not None:
            self._trackers.log(values, step=step)


def _start_trackers(args: TrainingArgs) -> Any:
    """An Accelerator that knows the trackers asked for; None without any."""
    if not args.report_to:
        return None
    from accelerate import Accelerator

    # What trackers write as files stays, beside the run.
    folder = args.output.with_name(f"{args.output.name}.trackers")
    trackers = Accelerator(
        cpu=args.device == "cpu", log_with=list(args.report_to), project_dir=folder
    )
    trackers.init_trackers(args.output.name)
    return trackers
