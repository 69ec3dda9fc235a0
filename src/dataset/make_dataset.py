"""The work of stage 1 from its start to the published folder."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from src.artifacts.atomic_files import write_json_atomically, write_text_atomically
from src.artifacts.run_folder import Run
from src.attributes.attribute import to_manifest
from src.config.dataset import DatasetArgs
from src.dataset.audit.audit_picture import draw_audit
from src.dataset.audit.card_section import audit_section
from src.dataset.audit.hand_check import hand_check_sheet
from src.dataset.data_set_card import data_set_card
from src.dataset.input.vanished_parts import check_no_part_vanished
from src.dataset.layout import AUDIT, AUDIT_PICTURE, CARD, HAND_CHECK, STATS, WORK
from src.dataset.pass_one.pass_one import (
    Submitted,
    check_bad_fraction,
    describe_pass_one,
    judge_fingerprints,
    run_pass_one,
    scorer_fingerprints,
)
from src.dataset.pass_two.pass_two import Labelled, PassTwo
from src.dataset.preflight import load_run_tokenizer
from src.dataset.tally import Tally
from src.models.control_tokens import tokenizer_fingerprint

logger = logging.getLogger(__name__)


def make_dataset(args: DatasetArgs, run: Run) -> str | None:
    """Do both passes in a run's folder and publish it.

    Returns:
        None: it is published. Otherwise what to tell the user: pass 1 is at work on a cluster.

    Raises:
        DataError: too many documents cannot be read, or the sentences do not suffice.
        ScorerError: a scorer failed.
        UnavailableError: the input, a model or a worker went away.
    """
    check_no_part_vanished(args, run)
    fingerprint = tokenizer_fingerprint(load_run_tokenizer(args))
    made_from = describe_pass_one(args, fingerprint)
    shards = run_pass_one(args, made_from, run.partial, run.folder)
    if isinstance(shards, Submitted):
        return shards.message
    tally = shards.tally()
    _warn(args, tally)
    check_bad_fraction(tally, args.max_bad_fraction)
    labelled = PassTwo(args, shards, run.partial).run()
    scorers = scorer_fingerprints(args)
    write_json_atomically(run.partial / STATS, labelled.stats)
    audit = _write_audit(args, labelled, run.partial)
    card = data_set_card(
        run.folder.name,
        run.args,
        labelled.attributes,
        scorers,
        labelled.stats,
        audit_section(audit),
    )
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
        judges=judge_fingerprints(args),
        made_from=made_from["input"],
    )
    return None


def _write_audit(args: DatasetArgs, labelled: Labelled, folder: Path) -> dict[str, Any]:
    """Audit the labels: figures, picture, and a sheet for a person. Returns the figures."""
    audit = labelled.audit.to_json(labelled.stats)
    for name, human in audit["human"].items():
        if not human["rated_sentences"]:
            logger.warning(
                "no sentence has a human rating of %s: source.human_ratings names %r, and a rating counts "
                "where its row is a single sentence",
                name,
                human["key"],
            )
    write_json_atomically(folder / AUDIT, audit)
    draw_audit(audit, folder / AUDIT_PICTURE)
    sheet = hand_check_sheet(labelled.attributes, labelled.audit.samples, args.audit.hand_check)
    write_text_atomically(folder / HAND_CHECK, sheet)
    return audit


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
