"""Stage 1, wired: raw documents → sentences labelled for their attributes, in one published folder."""

from __future__ import annotations

import logging
import shutil
from typing import Any

from src.artifacts import (
    MANIFEST,
    Manifest,
    Run,
    partial_folder,
    read_manifest,
    write_json_atomically,
    write_text_atomically,
)
from src.attributes.attribute import to_manifest
from src.config.dataset import DatasetArgs
from src.control_tokens import tokenizer_fingerprint
from src.dataset.card import data_set_card
from src.dataset.checks import find_problems, load_run_tokenizer, raise_problems
from src.dataset.pass_one import (
    SCORED,
    WORK,
    check_bad_fraction,
    describe_pass_one,
    run_pass_one,
    scorer_fingerprints,
)
from src.dataset.pass_two import Labelled, PassTwo
from src.dataset.tally import Tally

logger = logging.getLogger(__name__)
STAGE = "dataset"
STATS, CARD = "stats.json", "README.md"


def create_dataset(args: DatasetArgs, *, dry_run: bool = False, overwrite: bool = False) -> str:
    """Make a data set, go on with one that was interrupted, or find it done.

    Args:
        args: the resolved args.
        dry_run: check all that can be checked without work; write nothing.
        overwrite: replace what is at `args.output`. Scored shards that were made from the same input, args
            and scorers are used again.

    Returns:
        Where the data set is, with a few figures; for a dry run, what would be done.

    Raises:
        ProjectError: see `checks`, `pass_one` and `pass_two`.
    """
    done = (args.output / MANIFEST).is_file() and not partial_folder(args.output).exists()
    if dry_run or overwrite or not done:
        raise_problems(find_problems(args))
    if dry_run:
        return _plan(args, overwrite)
    run = Run(
        args.output,
        STAGE,
        manifest_args(args),
        overwrite=overwrite,
        keep_on_overwrite=(SCORED, WORK),
    )
    with run:
        if run.status == "done":
            logger.info("already done: %s", args.output)
        else:
            _make(args, run)
    return _summary(read_manifest(args.output, STAGE, verify=False))


def manifest_args(args: DatasetArgs) -> dict[str, Any]:
    """The args that decide on the result, as JSON: all but how many processes work at it."""
    return args.model_dump(mode="json", exclude={"executor": {"kind", "workers"}})


def _make(args: DatasetArgs, run: Run) -> None:
    tokenizer = load_run_tokenizer(args)
    fingerprint = tokenizer_fingerprint(tokenizer)
    made_from = describe_pass_one(args, fingerprint)
    shards = run_pass_one(args, made_from, run.partial, run.folder)
    _warn(args, shards.tally())
    check_bad_fraction(shards.tally(), args.max_bad_fraction)
    labelled = PassTwo(args, shards, run.partial).run()
    scorers = scorer_fingerprints(args)
    write_json_atomically(run.partial / STATS, labelled.stats)
    card = data_set_card(run.folder.name, run.args, labelled.attributes, scorers, labelled.stats)
    write_text_atomically(run.partial / CARD, card)
    shutil.rmtree(run.partial / WORK, ignore_errors=True)
    run.publish(
        **_facts(args, labelled),
        tokenizer={
            "name": args.tokenizer.folder or args.tokenizer.base,
            "base": args.tokenizer.base,
            "fingerprint": fingerprint,
        },
        scorers=scorers,
        made_from=made_from["input"],
    )


def _warn(args: DatasetArgs, tally: Tally) -> None:
    """Say what is allowed and yet may be a mistake."""
    for source in args.excluded_sources:
        if source not in tally.sources_read:
            logger.warning("excluded source %r: the input has no document of it", source)
    for reason, n in tally.bad_documents.most_common():
        examples = ", ".join(tally.bad_examples[reason])
        logger.warning("%d documents left out: %s (e.g. %s)", n, reason, examples)


def _facts(args: DatasetArgs, labelled: Labelled) -> dict[str, Any]:
    documents, sentences = labelled.stats["documents"], labelled.stats["sentences"]
    splits = labelled.stats["splits"]
    return {
        "attributes": to_manifest(labelled.attributes),
        "cleaning": args.cleaning,
        "context_length": args.context_length,
        "seed": args.seed,
        "counts": {"documents": documents, "sentences": sentences},
        "rows": {name: split["sentences"] for name, split in splits.items()},
        "tokens": {name: split["tokens"] for name, split in splits.items()},
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
    lines += [
        f"  {name}: "
        + " / ".join(one["labels"])
        + f" at {', '.join(f'{e:.6g}' for e in one['edges'])}"
        for name, one in manifest["attributes"].items()
    ]
    return "\n".join(lines)


def _plan(args: DatasetArgs, overwrite: bool) -> str:
    partial = partial_folder(args.output)
    if partial.exists() and not overwrite:
        verb = "would go on with"
    elif args.output.exists():
        verb = "would replace" if overwrite else "is there already; nothing to do:"
    else:
        verb = "would write"
    return (
        f"nothing is missing; would read {args.source.kind} {args.source.path} in {args.executor.tasks} "
        f"tasks with {args.executor.workers} workers; {verb} {args.output}"
    )
