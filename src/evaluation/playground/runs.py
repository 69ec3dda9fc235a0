"""The training runs that the playground offers, found without loading a model.

Imports neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from src.artifacts.manifest import Manifest, check_files, read_manifest
from src.attributes.attribute import Attribute, from_manifest
from src.errors import ProjectError, UserError
from src.published.trained_model import FINAL, checkpoint_folder, checkpoints_of

STAGE = "training"


def named_runs(folders: Sequence[Path]) -> dict[str, Manifest]:
    """Finished training runs, by the names that the page shows.

    Args:
        folders: made by main_train.py, as named on the command line.

    Returns:
        Name → manifest, in the order given: the folder's name, or its path where two share a name.

    Raises:
        ArtifactError: one is missing, unfinished, changed or no training run.
    """
    folders = list(dict.fromkeys(folders))
    names = [folder.resolve().name for folder in folders]
    runs = {}
    for folder, name in zip(folders, names, strict=True):
        manifest = read_manifest(folder, STAGE, verify=False)
        for checkpoint in _kept(manifest):
            check_files(manifest, f"{checkpoint_folder(checkpoint)}/", hash_files=False)
        runs[name if names.count(name) == 1 else str(folder)] = manifest
    return runs


def _kept(manifest: Manifest) -> list[str]:
    """The checkpoints of a run, without those on the way that were removed to make room."""
    names = checkpoints_of(manifest)
    return [n for n in names if n == FINAL or (manifest.folder / checkpoint_folder(n)).is_dir()]


def all_runs(models: Path) -> tuple[dict[str, Manifest], list[str]]:
    """Every finished training run below a folder.

    Args:
        models: the folder that runs are in.

    Returns:
        (name → manifest, one line for each folder that cannot be used and why).

    Raises:
        UserError: there is none.
    """
    runs, problems = {}, []
    for folder in sorted(p for p in models.glob("*") if p.is_dir()):
        try:
            runs.update(named_runs([folder]))
        except ProjectError as problem:
            problems.append(str(problem))
    if not runs:
        found = "; ".join(problems) or f"nothing in {models}"
        raise UserError(
            "there is no finished training run to play with",
            got=found,
            fix="make one with main_train.py, or name its folder",
        )
    return runs, problems


@dataclass(frozen=True)
class Offered:
    """A checkpoint that can be asked.

    Attributes:
        training: manifest of its run.
        checkpoint: its name.
    """

    training: Manifest
    checkpoint: str

    @property
    def files(self) -> str:
        """What the names of its files begin with in the run's folder."""
        return f"{checkpoint_folder(self.checkpoint)}/"


def offered_models(runs: Mapping[str, Manifest]) -> dict[str, Offered]:
    """Every checkpoint of the runs by the name that the page shows: a run's own name is its end.

    Args:
        runs: name → manifest of a finished training run.

    Returns:
        The ends first, then what was saved on the way: `demo_toxsen, step-000020`.
    """
    ends = {name: Offered(manifest, FINAL) for name, manifest in runs.items()}
    return ends | {
        f"{name}, {checkpoint}": Offered(manifest, checkpoint)
        for name, manifest in runs.items()
        for checkpoint in _kept(manifest)
        if checkpoint != FINAL
    }


def offered_labels(runs: Mapping[str, Manifest]) -> dict[str, tuple[str, ...]]:
    """What can be asked for: attribute → labels of any of the runs, each in the order met first.

    Raises:
        ArtifactError: a manifest's attributes cannot be read.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for manifest in runs.values():
        for name, attribute in attributes_of(manifest).items():
            labels[name] = tuple(dict.fromkeys((*labels.get(name, ()), *attribute.labels)))
    return labels


def untrained(manifest: Manifest, asked: Mapping[str, str]) -> list[str]:
    """The attributes asked for whose control tokens the run was not trained with."""
    return [name for name in asked if name not in manifest["condition_on"]]


def attributes_of_all(runs: Mapping[str, Manifest]) -> dict[str, Attribute]:
    """The attributes of all runs by their names.

    Raises:
        ArtifactError: a manifest's attributes cannot be read.
    """
    return {name: one for run in runs.values() for name, one in attributes_of(run).items()}


def attributes_of(manifest: Manifest) -> dict[str, Attribute]:
    """The attributes that a run was trained with, without their judges, which the page does not show.

    Raises:
        ArtifactError: they cannot be read.
    """
    attributes = from_manifest(manifest["attributes"])
    return {name: replace(one, judge=None) for name, one in attributes.items()}
