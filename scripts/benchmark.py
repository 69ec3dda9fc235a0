"""Measure this project against its peers on this machine, side by side in one run.

    python scripts/benchmark.py [tagging training …] [--repetitions 3] [--device cpu]
    python scripts/benchmark.py --list

Without names, every part runs. Needs the demo's model, corpus, data set and models: `bash
scripts/quickstart.sh` makes them. Repetitions are interleaved (work, peer, work, peer …), each side in a
process of its own. Each figure is their median or, where every turn has other texts (tagging), the rate over
all. Let nothing else run meanwhile.

Writes results/benchmark/benchmark.json and benchmark.png. Pairs of parts that did not run now are kept
there only where machine, device, versions and commit are the same; else they are dropped, so that
nothing in the file is stale.

The exit code is 0 also where a floor is missed (the table marks it); 1 where a part failed (the others
are still measured and saved), 2 where something is missing or misspelt.
"""

from __future__ import annotations

import argparse
import difflib
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.benchmark_parts import results_file
from scripts.benchmark_parts.pairs import Pair, table
from scripts.benchmark_parts.part import Options, Part, require
from scripts.benchmark_parts.registry import PARTS
from src.errors import EXIT_DONE, EXIT_FAILED, ProjectError, UserError
from src.runtime.console import configure_logging, print_in_any_encoding

RESULTS = Path("results/benchmark")
logger = logging.getLogger(__name__)


def chosen_parts(names: Sequence[str], parts: Sequence[Part] = PARTS) -> list[Part]:
    """The parts of these names, in the order of the table; all of them for no name.

    Raises:
        UserError: there is no part of such a name.
    """
    known = [part.name for part in parts]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                "no such part of the benchmark",
                got=name,
                allowed=", ".join(known),
                fix=f"Did you mean {near[0]!r}?" if near else None,
            )
    return [part for part in parts if not names or part.name in names]


def run(
    parts: Sequence[Part], repetitions: int, device: str, folder: Path
) -> tuple[list[Pair], list[str]]:
    """Measure parts, and save after each, so that a later failure loses nothing.

    Args:
        parts: what to measure.
        repetitions: rounds of turns.
        device: auto, cpu or cuda.
        folder: of the results.

    Returns:
        (the pairs, names of the parts that failed).

    Raises:
        UserError: something that the parts need is not there.
    """
    require(parts)
    kind, name = _device(device)
    known = results_file.provenance(name)
    pairs: list[Pair] = []
    failed: list[str] = []
    for number, part in enumerate(parts, 1):
        logger.info("part %d of %d, %s: %s", number, len(parts), part.name, part.title)
        with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
            try:
                found = part.measure(Options(repetitions, kind, name, Path(work)))
            except ProjectError as error:
                logger.error("part %s failed: %s", part.name, error)
                failed.append(part.name)
                found = []
        pairs += found
        ran = [done.name for done in parts[:number]]
        path = results_file.save(folder, known, pairs, ran)
        for pair in found:
            logger.info("%s: ratio %.3g", pair.work, pair.ratio)
    results_file.draw(path, folder / results_file.PICTURE)
    return pairs, failed


def _device(wanted: str) -> tuple[str, str]:
    """(kind, the name for the results)."""
    import torch

    from src.runtime.device import pick_device

    kind = pick_device(wanted).type
    if kind == "cuda":
        return kind, torch.cuda.get_device_name()
    return kind, f"{kind}, {torch.get_num_threads()} threads"


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    print_in_any_encoding()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="names of parts; none: all of them")
    parser.add_argument("--list", action="store_true", help="say which parts there are, and stop")
    parser.add_argument("--repetitions", type=int, default=3, help="rounds of turns (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="folder of the results (%(default)s)"
    )
    flags = parser.parse_args(argv)
    configure_logging()
    if flags.list:
        print("\n".join(f"{part.name:12} {part.title}" for part in PARTS))
        return EXIT_DONE
    try:
        if flags.repetitions < 1:
            raise UserError("--repetitions has to be at least 1", got=flags.repetitions)
        pairs, failed = run(
            chosen_parts(flags.parts), flags.repetitions, flags.device, flags.output
        )
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return _say(pairs, failed, flags.output)


def _say(pairs: Sequence[Pair], failed: Sequence[str], folder: Path) -> int:
    """Print the table and the end; returns the exit code."""
    print(table(pairs))
    missed = sum(pair.is_missed for pair in pairs)
    with_floor = sum(pair.floor is not None for pair in pairs)
    print(f"\n{with_floor - missed} of {with_floor} floors reached; saved in {folder}")
    if failed:
        print(f"error: parts that failed: {', '.join(failed)}", file=sys.stderr)
    return EXIT_FAILED if failed else EXIT_DONE


if __name__ == "__main__":
    raise SystemExit(main())
