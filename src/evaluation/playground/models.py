"""Models that answer in the playground: loaded once, a bounded number at a time."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.artifacts.manifest import Manifest, check_files, read_manifest
from src.attributes.attribute import Attribute, check_condition, target_labels
from src.errors import ArtifactError, ProjectError, UserError
from src.evaluation.generation.writer import Task, Writer
from src.evaluation.plan.input_errors import missing_scorers
from src.evaluation.plan.prompts import Prompt
from src.evaluation.playground.exchange import Answer, Question
from src.evaluation.playground.runs import Offered, attributes_of, offered_models, untrained
from src.evaluation.scoring.scored_sentences import check_scorers, score_continuations
from src.models.control_tokens import render
from src.runtime.device import pick_device

logger = logging.getLogger(__name__)

SOURCE = "playground"
"""Names the prompts, as the sources of an evaluation do: it seeds the samples."""


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to answer.

    Attributes:
        writer: the checkpoint.
        attributes: of the data set that it was trained on.
        notes: what a reader has to know of it.
    """

    writer: Writer
    attributes: dict[str, Attribute]
    notes: tuple[str, ...]


class Playground:
    """Training runs that answer questions, one question at a time."""

    def __init__(
        self, runs: Mapping[str, Manifest], *, keep: int = 4, device: str = "auto"
    ) -> None:
        """Prepare; no model is loaded yet.

        Args:
            runs: name → manifest of a finished training run; all of its checkpoints can be asked
                (`offered_models`).
            keep: models kept in memory; the one not used for longest gives way.
            device: to compute on.

        Raises:
            UserError: keep is below one, or the device is not there.
        """
        if keep < 1:
            raise UserError(
                "at least one model has to fit into memory", got=keep, allowed="1 or more"
            )
        self._offered, self._keep, self._device = offered_models(runs), keep, pick_device(device)
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._busy = threading.Lock()

    def ask(self, names: Sequence[str], question: Question) -> list[Answer]:
        """One answer per model; what goes wrong with one of them stands in its answer.

        Args:
            names: of the models.
            question: what they are asked.

        Raises:
            UserError: no model is chosen.
        """
        if not names:
            raise UserError("no model is chosen", fix="choose at least one")
        with self._busy:
            return [self._answer(name, question) for name in names]

    def _answer(self, name: str, question: Question) -> Answer:
        try:
            model = self._model(name)
            return self._write(name, model, question)
        except ProjectError as problem:
            logger.warning("%s: %s", name, problem)
            return Answer(model=name, error=" ".join(str(problem).split()))

    def _write(self, name: str, model: Loaded, question: Question) -> Answer:
        attributes, manifest = model.attributes, self._offered[name].training
        check_condition(question.condition, attributes)
        # In the attributes' order, which is the order that training gave the tokens in.
        condition = {a: question.condition[a] for a in attributes if a in question.condition}
        task = Task(
            source=SOURCE,
            prompts=[Prompt(SOURCE, question.prompt)],
            samples_per_prompt=question.samples,
            placement=question.placement,
            batch_size=question.samples,
            seed=question.seed,
        )
        written = model.writer.write(task, condition, question.decoding, name)
        notes = [*model.notes]
        strange = untrained(manifest, condition)
        if strange:
            notes.append(f"was not trained with the tokens of {', '.join(strange)}")
        unused = [a for a, w in question.weights.items() if w and a not in condition]
        if unused:
            notes.append(f"contrast needs a label that is asked for: {', '.join(unused)} has none")
        return Answer(
            model=name,
            attributes=attributes,
            targets=target_labels(condition, attributes),
            asked=frozenset(condition),
            tokens=render("", condition, attributes),
            continuations=tuple(score_continuations(written, attributes, manifest["cleaning"])),
            notes=tuple(notes),
        )

    def _model(self, name: str) -> Loaded:
        if name not in self._offered:
            raise UserError("no such model", got=name, allowed=", ".join(self._offered))
        if name not in self._loaded:
            while len(self._loaded) >= self._keep:
                self._loaded.popitem(last=False)
            self._loaded[name] = self._load(self._offered[name])
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def _load(self, offered: Offered) -> Loaded:
        manifest = offered.training
        now = read_manifest(manifest.folder, "training", verify=False)
        if now.sha256 != manifest.sha256:
            raise ArtifactError(
                f"{manifest.folder} was made again", fix="start the playground again"
            )
        check_files(manifest, offered.files, hash_files=True)
        attributes = attributes_of(manifest)
        for problem in missing_scorers(attributes):
            raise problem
        notes = compare_scorers(manifest, attributes)
        writer = Writer(
            manifest.folder / offered.files,
            attributes,
            manifest["tokenizer"]["fingerprint"],
            self._device,
        )
        logger.info("%s, %s is loaded", manifest.folder, offered.checkpoint)
        return Loaded(writer, attributes, notes)


def compare_scorers(manifest: Manifest, attributes: Mapping[str, Attribute]) -> tuple[str, ...]:
    """Compare the scorers here with those that labelled the data set of a training run.

    Args:
        manifest: of the training run; its scorers' fingerprints stand in its data set's manifest.
        attributes: of the run.

    Returns:
        A note where the data set is not there to compare with; else nothing.

    Raises:
        ArtifactError: a scorer here is another one.
    """
    made_from = manifest["made_from"]
    folder = made_from.get("dataset")
    if folder is not None:
        try:
            dataset = read_manifest(Path(folder), "dataset", verify=False)
        except ArtifactError as problem:
            logger.info("scorers are not compared: %s", problem)
        else:
            if dataset.sha256 == made_from["dataset_manifest_sha256"]:
                check_scorers(attributes, dataset["scorers"])
                return ()
    return ("its data set is not here: the scorers' versions were not compared",)
