"""All three stages for a data set: label, train a model for each attribute and for all, evaluate.

    python scripts/run_all.py args/args_dataset_voice

Beside `args_dataset_NAME.yaml` it looks for `args_train_NAME_….yaml` and `args_evaluate_NAME.yaml`. Where
there is no evaluation, it writes all of them, after the demo's: a model without control tokens, one for each
attribute, and one for all together. They are yours to edit, and are not written again. What is done already
is not done again; run the same command to resume.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.config.dataset import DatasetArgs
from src.config.evaluation import EvaluationArgs
from src.config.loading import find_args_file, load_args
from src.config.training import TrainingArgs
from src.errors import EXIT_DONE, ProjectError, UserError
from src.runtime.console import print_in_any_encoding

ROOT = Path(__file__).resolve().parent.parent
ARGS = ROOT / "args"
PREFIX = "args_dataset_"
WRITTEN = "# Written by scripts/run_all.py; yours to edit, it is not written again.\n\n"
CONTRAST_WEIGHT = 2.0
"""Of the demo's contrast decoding, for each attribute."""

BASELINE, ALL = "none", "all"


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        title: what it makes.
        what_for: in one line.
        command: after the interpreter.
        kind: steps of one kind take about as long.
    """

    title: str
    what_for: str
    command: tuple[str, ...]
    kind: str


# ----------------------------------------------------------------------------------------- args files


def write_args(dataset_file: Path, dataset: DatasetArgs) -> list[Path]:
    """Write the args files of the trainings and of the evaluation of a data set.

    Args:
        dataset_file: `args_dataset_NAME.yaml`.
        dataset: its content.

    Returns:
        The files.
    """
    import yaml

    name, attributes = name_of(dataset_file), list(dataset.attributes)
    wanted = {BASELINE: [], **{one: [one] for one in attributes}}
    if len(attributes) > 1:
        wanted[ALL] = attributes
    folder = dataset_file.parent
    files = {}
    for model, condition_on in wanted.items():
        files[folder / f"args_train_{name}_{model}.yaml"] = {
            "extends": os.path.relpath(ARGS / "shared_train_demo.yaml", folder),
            "output": f"models/{name}_{model}",
            "dataset": str(dataset.output),
            "model": {"name": dataset.tokenizer.base},
            "condition_on": condition_on,
        }
    files[folder / f"args_evaluate_{name}.yaml"] = _evaluation(name, dataset, wanted)
    for path, content in files.items():
        if not path.exists():
            path.write_text(WRITTEN + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return list(files)


def _evaluation(
    name: str, dataset: DatasetArgs, wanted: dict[str, Sequence[str]]
) -> dict[str, Any]:
    """The demo's prompts and decodings; each model without a condition and with its desired labels."""
    demo = load_args(EvaluationArgs, ARGS / "args_evaluate_demo")
    most = list(wanted)[-1]
    models = {}
    for model, condition_on in wanted.items():
        asked = {one: dataset.attributes[one].desired for one in condition_on}
        models["M-B" if model == BASELINE else f"M-{model}"] = {
            "path": f"models/{name}_{model}",
            "conditions": [{}, asked] if asked else [{}],
            "decodings": ["sample", "contrast"] if model == most else ["sample"],
        }
    plain = demo.decodings["sample"].model_dump(mode="json", exclude_unset=True)
    contrast = demo.decodings["contrast"].model_dump(mode="json", exclude_unset=True)
    contrast["contrast_weights"] = dict.fromkeys(dataset.attributes, CONTRAST_WEIGHT)
    return {
        "output": f"results/{name}",
        "dataset": str(dataset.output),
        "models": models,
        "prompts": [one.model_dump(mode="json", exclude_unset=True) for one in demo.prompts],
        "decodings": {"sample": plain, "contrast": contrast},
        "batch_size": demo.batch_size,
    }


def name_of(dataset_file: Path) -> str:
    """`voice` of `args_dataset_voice.yaml`.

    Raises:
        UserError: the file has another kind of name.
    """
    if not dataset_file.stem.startswith(PREFIX):
        raise UserError(
            "not the args file of a data set", got=dataset_file.name, allowed=f"{PREFIX}NAME.yaml"
        )
    return dataset_file.stem.removeprefix(PREFIX)


# ----------------------------------------------------------------------------------------------- plan


def plan(dataset_file: Path) -> Iterator[Step]:
    """The steps, in the order that shows most soonest.

    The model of most attributes comes first, and what it writes; then the others, then the evaluation.

    Raises:
        ProjectError: an args file is wrong, or none trains a model that the evaluation names.
    """
    name, folder = name_of(dataset_file), dataset_file.parent
    dataset = load_args(DatasetArgs, dataset_file)
    evaluation_file = folder / f"args_evaluate_{name}.yaml"
    evaluation = load_args(EvaluationArgs, evaluation_file)
    trainings = {}
    for path in sorted(folder.glob(f"args_train_{name}_*.yaml")):
        trainings.setdefault(load_args(TrainingArgs, path).output, path)
    attributes = " and ".join(dataset.attributes)
    label = f"label every sentence: {attributes}"
    yield Step("Data set", label, ("main_dataset_create.py", str(dataset_file)), "dataset")
    models = [(m, path) for m, one in evaluation.models.items() for path in one.trainings]
    missing = [str(path) for _, path in models if path not in trainings]
    if missing:
        raise UserError(
            f"{evaluation_file} names models that no args_train_{name}_….yaml makes",
            got=", ".join(missing),
        )
    learned = {path: load_args(TrainingArgs, trainings[path]).condition_on for _, path in models}
    first = max(models, key=lambda one: len(learned[one[1]]))
    for model, path in (first, *(one for one in models if one is not first)):
        tokens = " and ".join(learned[path])
        what_for = (
            f"learns the control tokens of {tokens}" if tokens else "learns no token: the baseline"
        )
        yield Step(f"Model {model}", what_for, ("main_train.py", str(trainings[path])), "training")
        if path == first[1] and tokens:
            yield _texts(model, path, [dataset.attributes[one].desired for one in learned[path]])
    question = "how often do they miss the label asked for?"
    command = ("main_evaluate.py", str(evaluation_file))
    yield Step("Evaluation", f"all models write; {question}", command, "evaluation")


def _texts(model: str, path: Path, desired: Sequence[str]) -> Step:
    asked = " + ".join(desired)
    return Step(
        "First texts",
        f"what {model} writes without a condition, asked for {asked}, and with contrast decoding",
        ("scripts/generate.py", str(path), "--ask", *desired, "--contrast", "2", "--compare"),
        "texts",
    )


# ------------------------------------------------------------------------------------------------ run


def run(steps: Sequence[Step]) -> int:
    """Run the steps until one fails; returns its exit code.

    What the same kind of step took before is what the next one is said to take.
    """
    started, took = time.monotonic(), {}
    for number, step in enumerate(steps, start=1):
        about = f" (about {took[step.kind]:.0f} s)" if took.get(step.kind, 0) > 1 else ""
        print(f"\n== {number}/{len(steps)} {step.title}: {step.what_for}{about}")
        print(f"   python {' '.join(step.command)}\n", flush=True)
        begun = time.monotonic()
        script, *rest = step.command
        code = subprocess.run([sys.executable, str(ROOT / script), *rest], check=False).returncode
        took[step.kind] = time.monotonic() - begun
        if code != EXIT_DONE:
            print(
                f"error: step {number} failed: {step.title}. What it said is above; run the same command "
                "to resume.",
                file=sys.stderr,
            )
            return code if code > 0 else 1
        if number < len(steps):  # the last step ends on a full screen
            print(f"   done in {took[step.kind]:.0f} s", flush=True)
    print(f"== All done, in {time.monotonic() - started:.0f} s")
    return EXIT_DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", help="args_dataset_NAME.yaml; .yaml may be left out")
    parser.add_argument("--dry-run", action="store_true", help="write the args files, run nothing")
    flags = parser.parse_args(argv)
    print_in_any_encoding()
    try:
        dataset_file = find_args_file(flags.dataset)
        if not (dataset_file.parent / f"args_evaluate_{name_of(dataset_file)}.yaml").exists():
            files = write_args(dataset_file, load_args(DatasetArgs, dataset_file))
            print("args files, yours to edit:\n" + "\n".join(f"  {path}" for path in files))
        steps = list(plan(dataset_file))
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if flags.dry_run:
        print("\n".join(f"python {' '.join(step.command)}" for step in steps))
        return EXIT_DONE
    try:
        return run(steps)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
