"""Trainings one after the other in one group of processes: starting the group takes longer than they do.

torchrun --nproc_per_node=2 tests/unit/training/several_trainings.py jobs.json

`jobs.json`: a list of `{"args": …, "stop_at": step or null}`; one that stops is interrupted in that step.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from accelerate import PartialState

from src.config.training import TrainingArgs
from src.training.run import train
from tests.unit.training.small_data import interrupted


def main():
    # One group for all of them.
    PartialState.destroy_process_group = lambda *_: None
    for job in json.loads(Path(sys.argv[1]).read_text()):
        args = TrainingArgs.model_validate_json(json.dumps(job["args"]))
        if job["stop_at"] is None:
            train(args)
        else:
            interrupted(args, at_step=job["stop_at"])


if __name__ == "__main__":
    main()
