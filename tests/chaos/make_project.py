"""Makes the small project of the chaos tests: `python tests/chaos/make_project.py FOLDER`."""

import sys
from pathlib import Path

from tests.e2e.project import Project

BOTH = {"toxicity": "nontoxic", "sentiment": "pos"}


def make(folder: Path) -> None:
    """A corpus, a base model, and one args file per stage, each with an output in a folder of its own."""
    project = Project(folder, documents=180)
    project.dataset_args("data", executor={"workers": 1, "tasks": 3})
    project.train_args(
        "model",
        ["toxicity", "sentiment"],
        checkpoints={"every_steps": 2, "evaluation_sentences": 8},
        optimisation={"learning_rate": 3e-3, "batch_sentences": 8, "max_sentences": 64},
    )
    project.evaluate_args(
        "results",
        {"M-TS": {"path": str(folder / "model"), "conditions": [{}, BOTH]}},
        prompts=[{"kind": "unprompted", "count": 6}, {"kind": "validation", "count": 4}],
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]))
