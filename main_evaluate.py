"""Stage 3: how often a model misses the label asked for, in results/<run>/."""

from src.config.command_line import run_stage
from src.config.evaluation import EvaluationArgs


def evaluate(args: EvaluationArgs, *, dry_run: bool, overwrite: bool) -> str:
    """Run the stage; the heavy libraries are imported here, so that `--help` does without them."""
    from src.evaluation import run

    return run.evaluate(args, dry_run=dry_run, overwrite=overwrite)


if __name__ == "__main__":
    raise SystemExit(run_stage(EvaluationArgs, evaluate, __doc__))
