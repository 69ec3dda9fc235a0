"""The three steps that every batch of every cell goes through: written, scored, judged for fluency.

Each step of each piece of work is a file in the unfinished run's `work/`, so a killed run goes on there, and
the processes of a `torchrun` share the pieces: whole batches, so that none is computed otherwise than alone.
Whatever decides about a file's content is in its name: what is written and scored, see `Cell.work_key`; what
is judged, also the reference model, since an evaluation and the trials inside it may have several.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from src.artifacts.atomic_files import json_sha256
from src.config.evaluation import EvaluationArgs
from src.errors import ArtifactError
from src.evaluation.continuation import Continuation
from src.evaluation.generation.generations_file import read_work, write_work
from src.evaluation.generation.writer import Task, Writer
from src.evaluation.plan.cells import Cell, samples_of, seed_of
from src.evaluation.plan.inputs import Inputs
from src.evaluation.scoring.fluency import Reference
from src.evaluation.scoring.scored_sentences import score_continuations
from src.models.language_model import weights_sha256
from src.runtime.device import pick_device
from src.runtime.process_group import wait_for_everyone
from src.runtime.processes import process_rank, world_size

logger = logging.getLogger(__name__)

WRITTEN, SCORED, JUDGED = "written", "scored", "judged"


@dataclass(frozen=True)
class Piece:
    """One batch of one training of a cell: done at a time, by one process, and not again after a kill."""

    cell: Cell
    training: int
    batch: int

    @property
    def work_key(self) -> str:
        """What its continuations depend on."""
        return self.cell.work_keys[self.training]


class Steps:
    """Takes every piece of work through the steps."""

    def __init__(self, args: EvaluationArgs, inputs: Inputs, folder: Path) -> None:
        """Args:
        args: of the run.
        inputs: of the run.
        folder: where the steps' files are kept until the run is finished.
        """
        self._args, self._inputs, self._folder = args, inputs, folder
        self._device = pick_device(args.device)
        # Cells that would write the same (two names for one setting) are one cell's work.
        work = {
            key: (cell, training)
            for cell in inputs.cells
            for training, key in enumerate(cell.work_keys)
        }
        self._pieces = [piece for one in work.values() for piece in self._pieces_of(*one)]
        self._reference_key = ""

    def run(self) -> dict[str, Any]:
        """Do what is missing; of several processes, each does its share, and all return together.

        Returns:
            Facts of the reference model.
        """
        name, revision = self._inputs.reference
        known = [name, revision]
        if Path(name).is_dir():  # a hub model has no files here before it is loaded
            known.append(weights_sha256(name))
            self._check_reference(name, known[-1])
        self._reference_key = json_sha256(known)[:16]
        missing = self._missing(JUDGED, self._pieces)
        wait_for_everyone()  # all have seen the same files before one of them adds to them
        mine = missing[process_rank() :: world_size()]
        self._write(mine)
        cleaning, attributes = self._inputs.dataset["cleaning"], self._inputs.attributes
        self._apply(
            mine, WRITTEN, SCORED, lambda _, texts: score_continuations(texts, attributes, cleaning)
        )
        self._judge(mine, name, revision)
        wait_for_everyone()
        digest = weights_sha256(name, revision)
        self._check_reference(name, digest)
        return {"name": name, "revision": revision, "weights_sha256": digest}

    def finished(self, cell: Cell) -> list[Continuation]:
        """A cell's continuations after all steps, in the order of trainings, prompts and samples."""
        return [
            replace(one, training=training)
            for training in range(len(cell.work_keys))
            for one in self._task(cell, training).in_order(
                one
                for piece in self._pieces_of(cell, training)
                for one in read_work(self._path(piece, JUDGED))
            )
        ]

    def _pieces_of(self, cell: Cell, training: int) -> list[Piece]:
        batches = range(self._task(cell, training).n_batches)
        return [Piece(cell, training, batch) for batch in batches]

    def _path(self, piece: Piece, step: str) -> Path:
        judged_by = [self._reference_key] if step == JUDGED else []
        name = "-".join([piece.work_key, *judged_by, f"{piece.batch:06d}"])
        return self._folder / step / f"{name}.parquet"

    def _missing(self, step: str, pieces: Sequence[Piece]) -> list[Piece]:
        return [piece for piece in pieces if not self._path(piece, step).is_file()]

    def _apply(
        self,
        pieces: Sequence[Piece],
        before: str,
        after: str,
        work: Callable[[Cell, list[Continuation]], Sequence[Continuation]],
    ) -> None:
        for piece in self._missing(after, pieces):
            result = work(piece.cell, read_work(self._path(piece, before)))
            write_work(self._path(piece, after), result, self._inputs.attributes)

    def _write(self, pieces: Sequence[Piece]) -> None:
        """Generate: each checkpoint is loaded once and does all its cells."""
        cells: dict[tuple[str, int], dict[str, list[Piece]]] = {}
        for piece in self._missing(WRITTEN, pieces):
            of_model = cells.setdefault((piece.cell.model, piece.training), {})
            of_model.setdefault(piece.work_key, []).append(piece)
        done, n_cells = 0, sum(map(len, cells.values()))
        for (name, training), batches in cells.items():
            writer = Writer(
                self._inputs.models[name][training].folder,
                self._inputs.attributes,
                self._inputs.dataset["tokenizer"]["fingerprint"],
                self._device,
                self._args.precision,
            )
            several = len(self._inputs.models[name]) > 1
            for of_cell in batches.values():
                done += 1
                which = f", training {training + 1}" if several else ""
                self._write_cell(writer, of_cell, f"{done}/{n_cells} {of_cell[0].cell}{which}")
            del writer
            _free_memory()

    def _write_cell(self, writer: Writer, pieces: Sequence[Piece], title: str) -> None:
        cell, training, n_tokens = pieces[0].cell, pieces[0].training, 0
        for batch, written in writer.batches(
            self._task(cell, training),
            cell.condition,
            self._args.decodings[cell.decoding],
            [piece.batch for piece in pieces],
            title,
        ):
            path = self._path(Piece(cell, training, batch), WRITTEN)
            write_work(path, written, self._inputs.attributes)
            n_tokens += sum(one.n_tokens for one in written)
        logger.info("%s: %d tokens", title, n_tokens)

    def _task(self, cell: Cell, training: int) -> Task:
        return Task(
            source=cell.prompts,
            prompts=self._inputs.prompts[cell.prompts],
            samples_per_prompt=samples_of(cell.prompts, self._args),
            placement=self._args.placement,
            batch_size=self._args.batch_size,
            seed=seed_of(self._args.seed, training),
        )

    def _judge(self, pieces: Sequence[Piece], name: str, revision: str | None) -> None:
        if not self._missing(JUDGED, pieces):
            return
        reference = Reference(name, revision, self._device)
        self._apply(pieces, SCORED, JUDGED, lambda _, scored: reference.judge(scored))

    def _check_reference(self, name: str, digest: str) -> None:
        """Raises ArtifactError where the base model is no longer what the models were made from."""
        if self._args.perplexity.reference is not None:
            return
        recorded = next(iter(self._inputs.models.values()))[0].manifest["base_model"]
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
