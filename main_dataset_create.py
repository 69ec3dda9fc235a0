"""Stage 1: raw documents → sentences labelled for their attributes, in data/<run>/."""

from src.config.command_line import run_stage
from src.config.dataset import DatasetArgs


def create_dataset(args: DatasetArgs, *, dry_run: bool, overwrite: bool) -> str:
    """Run the stage; the heavy libraries are imported here, so that `--help` does without them."""
    from src.dataset import pipeline

    return pipeline.create_dataset(args, dry_run=dry_run, overwrite=overwrite)


if __name__ == "__main__":
    raise SystemExit(run_stage(DatasetArgs, create_dataset, __doc__))
