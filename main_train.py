"""Stage 2: labelled sentences → a language model that follows control tokens, in models/<run>/."""

from src.config.command_line import run_stage
from src.config.training import TrainingArgs


def train(args: TrainingArgs, *, dry_run: bool, overwrite: bool) -> str:
    """Run the stage; the heavy libraries are imported here, so that `--help` does without them."""
    from src.training import run

    return run.train(args, dry_run=dry_run, overwrite=overwrite)


if __name__ == "__main__":
    raise SystemExit(run_stage(TrainingArgs, train, __doc__))
