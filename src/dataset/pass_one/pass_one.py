"""Pass 1, the heavy one: read → sample → choose sources → split → clean → filter → score.

It depends on no edge, label or split, so its result is kept and used again when only those change: it
is known by a fingerprint of all that it does depend on.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from src.artifacts.atomic_files import file_sha256, json_sha256, write_json_atomically
from src.artifacts.provenance import package_versions
from src.attributes.scorer import cached_scorer
from src.config.dataset import DatasetArgs, HubSource
from src.dataset.executors.local_executor import executor_for
from src.dataset.executors.slurm_executor import still_at_work
from src.dataset.input.opening import open_input
from src.dataset.input.parts import ranks_by_part
from src.dataset.layout import MADE_FROM, PASS_ONE_KEYS, SCORED, WORK
from src.dataset.pass_one.readers import ReadDocuments
from src.dataset.pass_one.steps import (
    ChooseSources,
    CleanSentences,
    CountTokens,
    CountWords,
    SampleDocuments,
    ScoreSentences,
    SplitIntoSentences,
)
from src.dataset.scored_shards import ScoredShards, WriteScoredShard, shard_path
from src.dataset.tally import Tally
from src.errors import ArtifactError, DataError

logger = logging.getLogger(__name__)

# Raise it when the code of pass 1 changes what it writes for the same args.
PASS_ONE_VERSION = 3
FINGERPRINT = "fingerprint.json"


@dataclass(frozen=True)
class Submitted:
    """Pass 1 is at work elsewhere, or waits for it; nothing more can be done now."""

    message: str


def describe_pass_one(args: DatasetArgs, tokenizer_fingerprint: str) -> dict[str, Any]:
    """All that the result of pass 1 depends on, as JSON: the input, the args, the scorers, the code.

    Raises:
        DataError, UnavailableError: there is no input, or it cannot be reached.
    """
    opened = open_input(args.source)
    return {
        "version": PASS_ONE_VERSION,
        "args": args.model_dump(mode="json", include=set(PASS_ONE_KEYS)),
        "tasks": args.executor.tasks,
        "input": opened.describe(),
        "parts": opened.names(),
        "scorers": scorer_fingerprints(args),
        "tokenizer": tokenizer_fingerprint,
        "packages": package_versions(),
    }


def scorer_fingerprints(args: DatasetArgs) -> dict[str, dict[str, Any]]:
    """Per attribute what decides on its scores; for ready scores, where they are from."""
    ready = _ready_scores(args)
    return {
        name: {"reused_from": ready[name], "source": args.source.path}
        if name in ready
        else cached_scorer(attribute.scorer).fingerprint()
        for name, attribute in args.attributes.items()
    }


def judge_fingerprints(args: DatasetArgs) -> dict[str, dict[str, str]]:
    """Per attribute with a judge what decides on the judge's scores. Pass 1 does not depend on it."""
    return {
        name: cached_scorer(one.judge.scorer).fingerprint()
        for name, one in args.attributes.items()
        if one.judge is not None
    }


def run_pass_one(
    args: DatasetArgs, made_from: dict[str, Any], partial: Path, finished: Path
) -> ScoredShards | Submitted:
    """Make `scored/`, or take it from where it is already; or see to it that a Slurm cluster makes it.

    Args:
        made_from: from `describe_pass_one`.
        partial: the run's folder while it is made; an interrupted pass 1 goes on there.
        finished: the folder of a finished run with the same name, whose shards may serve.
    """
    folder, fingerprint = partial / SCORED, json_sha256(made_from)
    groups = ranks_by_part(len(made_from["parts"]), args.executor.tasks)
    shards = ScoredShards(folder, groups)
    if _is_whole(folder, fingerprint):
        logger.info("pass 1 is done already: %s", folder)
        return shards
    if _is_whole(finished / SCORED, fingerprint):
        logger.info("pass 1 is that of %s", finished)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(finished / SCORED, folder, copy_function=_link_or_copy)
        return shards
    message = still_at_work(work_folder(partial))
    if message is not None:
        _check_same_work(partial, fingerprint, message)
        return Submitted(message)
    _prepare(partial, fingerprint)
    executor = executor_for(
        args, _pipeline(args, made_from["parts"], folder.absolute()), work_folder(partial)
    )
    message = executor.finish()
    if message is not None:
        return Submitted(message)
    hashes = {path.name: file_sha256(path) for path in shards.paths()}
    content = {"fingerprint": fingerprint, "made_from": made_from, "sha256": hashes}
    write_json_atomically(folder / MADE_FROM, content)
    return shards


def check_bad_fraction(tally: Tally, max_bad_fraction: float) -> None:
    """Raises DataError where too many documents could not be read, or none was there."""
    if tally.documents_read == 0:
        raise DataError("the input holds no document", fix="check source.path and source.pattern")
    bad = tally.bad_documents
    share = bad.total() / tally.documents_read
    if share > max_bad_fraction:
        lines = [
            f"  {reason}: {n} (e.g. {', '.join(tally.bad_examples[reason])})"
            for reason, n in bad.most_common()
        ]
        raise DataError(
            f"{bad.total()} of {tally.documents_read} documents cannot be read:\n"
            + "\n".join(lines)
            + "\n",
            got=round(share, 6),
            allowed=f"at most {max_bad_fraction} (max_bad_fraction)",
            fix="check the keys of source, repair the input, or raise max_bad_fraction",
        )


def _pipeline(args: DatasetArgs, parts: list[str], folder: Path) -> list[PipelineStep]:
    tally = Tally()  # shared by the steps of one task: they are copied together
    ready = _ready_scores(args)
    to_score = {name: one.scorer for name, one in args.attributes.items() if name not in ready}
    source_needed = bool(args.excluded_sources)
    tokenizer = args.tokenizer.folder or args.tokenizer.base
    return [
        ReadDocuments(args.source, parts, tally, source_needed=source_needed),
        SampleDocuments(args.sample_fraction, args.seed, tally),
        ChooseSources(args.excluded_sources),
        SplitIntoSentences(tally),
        CleanSentences(args.cleaning),
        CountWords(args.min_words),
        CountTokens(tokenizer, len(args.attributes), args.context_length),
        ScoreSentences(to_score),
        WriteScoredShard(folder, list(args.attributes), tally, list(args.source.human_ratings)),
    ]


def _ready_scores(args: DatasetArgs) -> dict[str, str]:
    return args.source.scores_keys if isinstance(args.source, HubSource) else {}


def work_folder(partial: Path) -> Path:
    """Where pass 1 keeps its tasks' logs and markers, inside a run's unfinished folder."""
    return partial / WORK / "pass_1"


def _check_same_work(partial: Path, fingerprint: str, message: str) -> None:
    """Raises ArtifactError where jobs are at work on something that is wanted no longer."""
    if json.loads((work_folder(partial) / FINGERPRINT).read_text()) != fingerprint:
        raise ArtifactError(
            f"jobs are at work on {partial} that were submitted for another input, other args or other "
            f"versions: {message}",
            fix="wait for them, or end them",
        )


def _prepare(partial: Path, fingerprint: str) -> None:
    """Keep the tasks that are complete if they were made from the same; else begin anew."""
    work, folder = work_folder(partial), partial / SCORED
    marker = work / FINGERPRINT
    if not marker.is_file() or json.loads(marker.read_text()) != fingerprint:
        if marker.is_file():
            logger.warning(
                "what pass 1 is made from has changed since it was begun: it begins anew"
            )
        for stale in (work, folder):
            shutil.rmtree(stale, ignore_errors=True)
        work.mkdir(parents=True)
        write_json_atomically(marker, fingerprint)
    folder.mkdir(exist_ok=True)
    (folder / MADE_FROM).unlink(missing_ok=True)
    for unfinished in folder.glob(".*.tmp"):
        unfinished.unlink()
    # A marker without its shard can be left by a crash of the machine.
    for done in (work / "completions").glob("*"):
        if not shard_path(folder, int(done.name)).is_file():
            done.unlink()


def _is_whole(folder: Path, fingerprint: str) -> bool:
    """Whether a folder holds all shards of a pass 1 made from the same, unchanged."""
    try:
        content = json.loads((folder / MADE_FROM).read_text(encoding="utf-8"))
        hashes = content["sha256"]
        if content["fingerprint"] != fingerprint:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(
        (folder / name).is_file() and file_sha256(folder / name) == sha256
        for name, sha256 in hashes.items()
    )


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system knows no hard links
        shutil.copy2(source, target)
