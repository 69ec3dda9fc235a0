"""What can be known to be missing before any work: for `--dry-run`, and at the start of every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from src.artifacts.output_folder import check_disk_space, check_output
from src.attributes.attribute import Attributes, attributes_from_args
from src.attributes.scorer import missing_scorers
from src.config.dataset import DatasetArgs, HubSource
from src.dataset.input.file_input import is_demo_asset
from src.dataset.input.first_rows import problems_of_first_rows
from src.dataset.input.opening import open_input
from src.dataset.layout import STAGE
from src.errors import ArtifactError, ProjectError, UserError
from src.models.control_tokens import control_ids, load_tokenizer
from src.pretrained.hub_models import require_model
from src.problems import Problems

TOKENIZER_COMMAND = "python scripts/tokenizer_create.py"
# Scored shards and final shards hold the sampled text once each, compressed about as well as the input.
DISK_PER_INPUT_BYTE = 2.0
DISK_BYTES_AT_LEAST = 50_000_000


def find_problems(args: DatasetArgs, *, look_inside: bool = False) -> Problems:
    """Everything that would stop a run and can be known without doing its work; writes nothing.

    Args:
        args: of the run.
        look_inside: also read the first rows of the input.
    """
    problems = Problems()
    if problems.gather(_check_input, args) and look_inside:
        problems.gather(problems_of_first_rows, args)
    for check in (_check_tokenizer, _check_scorers, _check_executor, _check_output_folder):
        problems.gather(check, args)
    return problems


def load_run_tokenizer(args: DatasetArgs) -> PreTrainedTokenizerBase:
    """The tokenizer that counts tokens, with every control token.

    Raises:
        ArtifactError: tokenizer.folder is missing or was made for other attributes.
        UnavailableError: tokenizer.base cannot be had.
    """
    attributes = attributes_without_edges(args)
    folder = args.tokenizer.folder
    if folder is None:
        if is_demo_asset(args.tokenizer.base) and not Path(args.tokenizer.base).is_dir():
            raise UserError(
                f"tokenizer.base {args.tokenizer.base} does not exist",
                fix="make it with `python scripts/fetch_demo_assets.py`",
            )
        require_model(args.tokenizer.base)  # answers in seconds where the hub cannot be reached
        return load_tokenizer(args.tokenizer.base, attributes)
    if not Path(folder).is_dir():
        raise ArtifactError(
            f"tokenizer.folder {folder} does not exist",
            fix=f"make it with `{TOKENIZER_COMMAND} <this args file>`, or set tokenizer.folder to null",
        )
    tokenizer = load_tokenizer(folder)
    try:
        control_ids(tokenizer, attributes)
    except ArtifactError as error:
        raise ArtifactError(
            f"tokenizer.folder {folder} was made for other attributes: {error.what}",
            fix=f"make it again with `{TOKENIZER_COMMAND} <this args file>`",
        ) from error
    return tokenizer


def attributes_without_edges(args: DatasetArgs) -> Attributes:
    """The attributes for their names and labels; edges that are quantiles are not known yet."""
    stand_ins = {
        name: range(len(one.labels) - 1)
        for name, one in args.attributes.items()
        if one.edges is None
    }
    return attributes_from_args(args.attributes, stand_ins)


def _check_input(args: DatasetArgs) -> None:
    opened = open_input(args.source)
    opened.names()
    needed = DISK_PER_INPUT_BYTE * args.sample_fraction * opened.bytes_stored()
    check_disk_space(args.output, max(DISK_BYTES_AT_LEAST, round(needed)))


def _check_tokenizer(args: DatasetArgs) -> None:
    load_run_tokenizer(args)


def _check_scorers(args: DatasetArgs) -> Iterator[ProjectError]:
    ready = args.source.scores_keys if isinstance(args.source, HubSource) else {}
    scorers = {name: one.scorer for name, one in args.attributes.items() if name not in ready}
    judges = {name: one.judge.scorer for name, one in args.attributes.items() if one.judge}
    yield from missing_scorers("scorer", scorers)
    yield from missing_scorers("judge", judges)


def _check_executor(args: DatasetArgs) -> None:
    if args.executor.kind == "ray":
        from src.dataset.executors.ray_executor import import_ray

        import_ray()
    if args.executor.kind == "slurm":
        from src.dataset.executors.slurm_executor import check_sbatch

        check_sbatch()


def _check_output_folder(args: DatasetArgs) -> None:
    check_output(args.output, STAGE)
