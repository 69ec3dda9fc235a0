"""Stage 1, wired: raw documents → sentences labelled for their attributes, in one published folder.

The heavy libraries are imported only where there is work to do: a finished run is found at once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from src.artifacts.manifest import Manifest, is_finished, read_manifest
from src.artifacts.output_folder import check_output
from src.artifacts.run_folder import Run
from src.config.dataset import DatasetArgs
from src.dataset.layout import CARD, PASS_ONE_KEYS, SCORED, STAGE, WORK
from src.errors import ArtifactError, ProjectError

logger = logging.getLogger(__name__)


def create_dataset(args: DatasetArgs, *, dry_run: bool = False, overwrite: bool = False) -> str:
    """Make a data set, go on with one that was interrupted, or find it done.

    Args:
        args: the resolved args.
        dry_run: check all that can be checked without work; write nothing.
        overwrite: replace what is at `args.output`. Scored shards that were made from the same input, args
            and scorers are used again.

    Returns:
        Where the data set is, with a few figures; for a dry run, what would be done; where a cluster is at
        work on it, how far it is.

    Raises:
        ProjectError: see `checks`, `pass_one` and `pass_two`.
    """
    done = is_finished(args.output)
    if dry_run and done and not overwrite:
        check_output(args.output, STAGE, manifest_args(args))
        return f"nothing is missing; {args.output} is there already, nothing to do"
    if dry_run:
        return _dry_run(args, overwrite)
    if overwrite or not done:
        from src.dataset.preflight import find_problems

        find_problems(args).raise_all()
    run = Run(
        args.output,
        STAGE,
        manifest_args(args),
        overwrite=overwrite,
        keep_on_overwrite=(SCORED, WORK),
        fits=partial(_fits, args),
    )
    with run:
        already = run.status == "done"
        if not already:
            from src.dataset.make_dataset import make_dataset

            waiting = make_dataset(args, run)
            if waiting is not None:
                return waiting
    manifest = read_manifest(args.output, STAGE, verify=False)
    if already:
        _warn_of_changed_functions(args, manifest["scorers"])
    summary = _summary(manifest)
    return f"already done: {args.output}\n{summary}" if already else summary


def _warn_of_changed_functions(args: DatasetArgs, recorded: Mapping[str, Any]) -> None:
    """A finished run is known by its args, which name a user's function and do not hold its file."""
    from src.attributes.function_scorer import FunctionScorer
    from src.attributes.scorer import cached_scorer

    for name, one in args.attributes.items():
        scorer = cached_scorer(one.scorer)
        if not isinstance(scorer, FunctionScorer) or "reused_from" in recorded[name]:
            continue
        if scorer.fingerprint() != recorded[name]:
            logger.warning(
                "attribute %s: the file of %s has changed since this data set was labelled, and evaluation "
                "will refuse it; label it anew with --overwrite",
                name,
                one.scorer.name,
            )


def manifest_args(args: DatasetArgs) -> dict[str, Any]:
    """The args that decide on the result, as JSON: all but who works at it."""
    value = args.model_dump(mode="json", exclude={"executor"})
    return {**value, "executor": {"tasks": args.executor.tasks}}


def _fits(args: DatasetArgs, before: Mapping[str, Any], unfinished: Path) -> tuple[str, str] | None:
    """Pass 1 is used again where nothing that decides on it differs: pass 2 is light, and done anew.

    Not while a cluster is at work: the job that waits for pass 1 has the args that it was submitted with.
    """
    if _pass_one_args(before) != _pass_one_args(manifest_args(args)):
        return None
    from src.dataset.executors.slurm_executor import still_at_work
    from src.dataset.pass_one.pass_one import work_folder

    return None if still_at_work(work_folder(unfinished)) is not None else (SCORED, WORK)


def _pass_one_args(args: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's args, as JSON, decides on pass 1 and its tasks."""
    return {
        **{key: args.get(key) for key in PASS_ONE_KEYS},  # args of an older version may lack one
        "tokenizer": args["tokenizer"],
        "scorers": {name: one["scorer"] for name, one in args["attributes"].items()},
        "tasks": args["executor"]["tasks"],
    }


def _summary(manifest: Manifest) -> str:
    counts, rows, tokens = manifest["counts"], manifest["rows"], manifest["tokens"]
    documents, sentences = counts["documents"], counts["sentences"]
    lines = [f"data set: {manifest.folder} (see {manifest.folder / CARD})"]
    lines += [f"  {split}: {rows[split]:,} sentences, {tokens[split]:,} tokens" for split in rows]
    lines += [
        f"  from {documents['read']:,} documents, {documents['used']:,} of them used, "
        f"{documents['bad']:,} not readable; {sentences['read']:,} sentences"
    ]
    for name, one in manifest["attributes"].items():
        edges = ", ".join(f"{edge:.6g}" for edge in one["edges"])
        lines.append(f"  {name}: {' / '.join(one['labels'])} at {edges}")
    return "\n".join(lines)


def _dry_run(args: DatasetArgs, overwrite: bool) -> str:
    from src.dataset.preflight import find_problems

    problems = find_problems(args, look_inside=True)
    found = None
    try:
        found = check_output(
            args.output,
            STAGE,
            manifest_args(args),
            overwrite=overwrite,
            fits=partial(_fits, args),
        )
    except ArtifactError as problem:
        problems.found.append(problem)
    except ProjectError:
        pass  # it is among the problems already
    problems.raise_all()
    verb = {
        "fresh": "would write",
        "resumed": "would go on with",
        "replaced": "would replace",
    }[found]
    return (
        f"nothing is missing; would read {args.source.kind} {args.source.path} in {args.executor.tasks} "
        f"tasks with {args.executor.workers} workers; {verb} {args.output}"
    )
