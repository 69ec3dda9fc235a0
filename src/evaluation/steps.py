"""The three steps that every cell goes through: written, scored, judged for fluency.

Each step of each piece of work is a file in the unfinished run's `work/`, so a killed run goes on there.
Whatever decides about a file's content is in its name: what is written and scored, see `Cell.work_key`; what
is judged, also the reference model, since an evaluation and the trials inside it may have several.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from src.artifacts import json_sha256
from src.config.evaluation import EvaluationArgs
from src.errors import ArtifactError
from src.evaluation.continuation import Continuation
from src.evaluation.generation.generations_file import read_work, write_work
from src.evaluation.generation.writer import Task, Writer
from src.evaluation.plan.cells import Cell, samples_of
from src.evaluation.plan.inputs import Inputs
from src.evaluation.scoring.fluency import Reference
from src.evaluation.scoring.sentences import score_continuations
from src.language_model import weights_sha256
from src.runtime import pick_device

logger = logging.getLogger(__name__)

WRITTEN, SCORED, JUDGED = "written", "scored", "judged"


class Steps:
    """Takes every cell through the steps."""

    def __init__(self, args: EvaluationArgs, inputs: Inputs, folder: Path) -> None:
        """Args:
        args: of the run.
        inputs: of the run.
        folder: where the steps' files are kept until the run is finished.
        """
        self._args, self._inputs, self._folder = args, inputs, folder
        # Cells that would write the same (two names for one setting) are one piece of work.
        self._pieces = list({cell.work_key: cell for cell in inputs.cells}.values())
        self._device = pick_device(args.device)
        self._reference_key = ""

    def run(self) -> dict[str, Any]:
        """Do what is missing.

        Returns:
            Facts of the reference model.
        """
        name, revision = self._inputs.reference
        known = [name, revision]
        if Path(name).is_dir():  # a hub model has no files here before it is loaded
            known.append(weights_sha256(name))
            self._check_reference(name, known[-1])
        self._reference_key = json_sha256(known)[:16]
        self._write()
        cleaning, attributes = self._inputs.dataset["cleaning"], self._inputs.attributes
        self._apply(
            WRITTEN, SCORED, lambda _, written: score_continuations(written, attributes, cleaning)
        )
        self._judge(name, revision)
        digest = weights_sha256(name, revision)
        self._check_reference(name, digest)
        return {"name": name, "revision": revision, "weights_sha256": digest}

    def finished(self, cell: Cell) -> list[Continuation]:
        """A cell's continuations after all steps."""
        return read_work(self._path(cell, JUDGED))

    def _path(self, cell: Cell, step: str) -> Path:
        under = f"-{self._reference_key}" if step == JUDGED else ""
        return self._folder / step / f"{cell.work_key}{under}.parquet"

    def _missing(self, step: str) -> list[Cell]:
        return [cell for cell in self._pieces if not self._path(cell, step).is_file()]

    def _apply(
        self,
        before: str,
        after: str,
        work: Callable[[Cell, list[Continuation]], Sequence[Continuation]],
    ) -> None:
        for cell in self._missing(after):
            result = work(cell, read_work(self._path(cell, before)))
            write_work(self._path(cell, after), result, self._inputs.attributes)

    def _write(self) -> None:
        """Generate: each model is loaded once and does all its cells."""
        missing = self._missing(WRITTEN)
        done = len(self._pieces) - len(missing)
        for name in dict.fromkeys(cell.model for cell in missing):
            writer = Writer(
                self._inputs.models[name].folder,
                self._inputs.attributes,
                self._inputs.dataset["tokenizer"]["fingerprint"],
                self._device,
            )
            for cell in (cell for cell in missing if cell.model == name):
                done += 1
                title = f"{done}/{len(self._pieces)} {cell}"
                written = writer.write(
                    self._task(cell), cell.condition, self._args.decodings[cell.decoding], title
                )
                write_work(self._path(cell, WRITTEN), written, self._inputs.attributes)
                logger.info("%s: %d tokens", title, sum(one.n_tokens for one in written))
            del writer
            _free_memory()

    def _task(self, cell: Cell) -> Task:
        return Task(
            source=cell.prompts,
            prompts=self._inputs.prompts[cell.prompts],
            samples_per_prompt=samples_of(cell.prompts, self._args),
            placement=self._args.placement,
            batch_size=self._args.batch_size,
            seed=self._args.seed,
        )

    def _judge(self, name: str, revision: str | None) -> None:
        if not self._missing(JUDGED):
            return
        reference = Reference(name, revision, self._device)
        placement = self._args.placement
        self._apply(
            SCORED,
            JUDGED,
            lambda cell, scored: reference.judge(
                scored, asked=bool(cell.condition), placement=placement
            ),
        )

    def _check_reference(self, name: str, digest: str) -> None:
        """Raises ArtifactError where the base model is no longer what the models were made from."""
        if self._args.perplexity.reference is not None:
            return
        recorded = next(iter(self._inputs.models.values())).manifest["base_model"]
        if recorded.get("weights_sha256") not in (None, digest):
            raise ArtifactError(
                f"the base model {name} has changed since the models were trained",
                got=digest[:12],
                allowed=recorded["weights_sha256"][:12],
                fix="set perplexity.reference to the model that shall judge fluency",
            )


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
