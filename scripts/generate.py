"""Ask trained models for texts.

    python scripts/generate.py models/demo_toxsen --prompt "The hotel" --ask nontoxic pos --contrast 4
    python scripts/generate.py models/demo_none models/demo_toxsen --ask pos --count 5
    cat prompts.txt | python scripts/generate.py models/demo_toxsen --prompt - --ask neg --json

Without arguments: which models there are below models/, and what can be asked of each. The texts, their
sentences and labels are made by the code of the evaluation and of the playground.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.artifacts.manifest import Manifest
from src.attributes.attribute import nearest
from src.errors import EXIT_DONE, EXIT_FAILED, ProjectError, UserError
from src.evaluation.playground.answers_text import LEGEND, answer_json, answer_text
from src.evaluation.playground.exchange import HIGHEST_WEIGHT, PLACEMENTS, Answer, Question
from src.evaluation.playground.runs import all_runs, attributes_of, named_runs
from src.runtime.console import configure_logging, print_in_any_encoding
from src.runtime.cpu_threads import share_the_cores

if TYPE_CHECKING:
    from src.evaluation.playground.models import Playground

MODELS = Path("models")
WIDEST = 120
"""Columns: longer lines are hard to read."""


def what_can_be_asked(runs: Mapping[str, Manifest]) -> str:
    """One line per model and attribute that it learned, and a command to start from."""
    lines, most = [], max(runs.values(), key=lambda run: len(run["condition_on"]))
    for run in runs.values():
        known, learned = attributes_of(run), run["condition_on"]
        asked = [f"{a}: {' | '.join(known[a].labels)}" for a in learned]
        lines.append(f"  {run.folder}   {'; '.join(asked) or 'no control token'}")
    desired = [attributes_of(most)[name].desired for name in most["condition_on"]]
    asked = f" --ask {' '.join(desired)} --contrast 2" if desired else ""
    return "\n".join(
        [
            "models, and the labels that --ask can name:",
            *lines,
            "",
            "for example:",
            f'  python scripts/generate.py {most.folder}{asked} --prompt "The hotel"',
        ]
    )


def condition_of(labels: Sequence[str], runs: Mapping[str, Manifest]) -> dict[str, str]:
    """Attribute → label asked for.

    Args:
        labels: as typed: `pos`, or `sentiment=pos` where several attributes have such a label.
        runs: whose attributes are meant.

    Raises:
        UserError: no attribute has the label, several have it, or an attribute is asked for two.
    """
    known = {
        (name, label)
        for run in runs.values()
        for name, one in attributes_of(run).items()
        for label in one.labels
    }
    condition: dict[str, str] = {}
    for typed in labels:
        wanted, _, label = typed.rpartition("=")
        found = sorted(pair for pair in known if pair[1] == label and wanted in ("", pair[0]))
        if len(found) != 1:
            several = ", ".join(f"{name}={one}" for name, one in found)
            every = sorted({one for _, one in known})
            raise UserError(
                f"--ask: {'several attributes have' if found else 'no attribute has'} this label",
                got=typed,
                allowed=several or ", ".join(every),
                fix=None if found else nearest(typed, every),
            )
        ((name, label),) = found
        if condition.setdefault(name, label) != label:
            raise UserError(
                f"--ask: a sentence has one label of {name}", got=f"{condition[name]} {label}"
            )
    return condition


def weights_of(weights: Sequence[float], condition: Mapping[str, str]) -> dict[str, float]:
    """Contrast weights: one for every label asked for, or one each.

    Raises:
        UserError: there are neither one nor as many as labels, or no label is asked for.
    """
    if weights and not condition:
        raise UserError("--contrast strengthens a label that is asked for", fix="add --ask LABEL")
    if len(weights) not in (0, 1, len(condition)):
        raise UserError(
            "--contrast takes one weight, or one for each label of --ask",
            got=len(weights),
            allowed=f"1 or {len(condition)}",
        )
    each = [*weights] * (len(condition) if len(weights) == 1 else 1)
    return dict(zip(condition, each, strict=False))


def questions_of(
    question: Question, learned: Sequence[str], compare: bool
) -> Iterator[tuple[Question, str]]:
    """What one model is asked, and what has to be said of it.

    Args:
        question: as typed.
        learned: attributes whose tokens the model was trained with.
        compare: without a condition and without the contrast, too.
    """
    dropped = [name for name in question.condition if name not in learned]
    condition = {n: label for n, label in question.condition.items() if n in learned}
    weights = {n: weight for n, weight in question.weights.items() if n in learned}
    note = f"it has no control token of {', '.join(dropped)}" if dropped else ""
    own = replace(question, condition=condition, weights=weights)
    ways = [replace(own, condition={}, weights={}), replace(own, weights={}), own]
    kept: list[Question] = []
    for one in ways if compare else [own]:
        if one not in kept:
            kept.append(one)
            yield one, note


def prompts_of(typed: Sequence[str]) -> Iterator[str]:
    """The prompts: each --prompt, a `-` for the lines of stdin; one empty prompt where there is none."""
    for prompt in typed or [""]:
        if prompt == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin)
        else:
            yield prompt


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, q = parser.add_argument, Question()
    add("runs", nargs="*", type=Path, help="folders made by main_train.py")
    add("--prompt", action="append", default=[], help="again for more; - reads stdin, one a line")
    add("--ask", nargs="+", default=[], metavar="LABEL", help="labels, such as: nontoxic pos")
    add(
        *("--contrast",), nargs="+", type=float, default=[], metavar="WEIGHT",
        help=f"contrast decoding, 0 to {HIGHEST_WEIGHT:g}: stronger control, three times the work",
    )  # fmt: skip
    add("--compare", action="store_true", help="without a condition and without contrast, too")
    add("--count", type=int, default=q.samples, help="texts of each (%(default)s)")
    add("--top-p", type=float, default=q.top_p, help="nucleus (%(default)s)")
    add("--temperature", type=float, default=q.temperature, help="(%(default)s)")
    add("--min-length", type=int, default=q.min_length, help="fewest new tokens (%(default)s)")
    add("--max-length", type=int, default=q.max_length, help="most new tokens (%(default)s)")
    add("--seed", type=int, default=q.seed, help="(%(default)s)")
    add("--placement", choices=PLACEMENTS, default=q.placement, help="of the tokens (%(default)s)")
    add("--json", action="store_true", help="one line of JSON for each prompt and model")
    add("--reveal", action="store_true", help="show offensive words, which are masked otherwise")
    add("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    return parser.parse_args(argv)


def _generate(flags: argparse.Namespace) -> bool:
    """Answer; returns whether every model could."""
    runs, problems = (named_runs(flags.runs), []) if flags.runs else all_runs(MODELS)
    for problem in problems:
        print(f"not usable: {problem}", file=sys.stderr)
    if not (flags.runs or flags.prompt or flags.ask):
        print(what_can_be_asked(runs))
        return True
    condition = condition_of(flags.ask, runs)
    question = Question(
        condition=condition,
        weights=weights_of(flags.contrast, condition),
        top_p=flags.top_p,
        temperature=flags.temperature,
        min_length=flags.min_length,
        max_length=flags.max_length,
        samples=flags.count,
        seed=flags.seed,
        placement=flags.placement,
    )
    from src.evaluation.playground.models import Playground

    playground = Playground(runs, keep=len(runs), device=flags.device)
    answers = [
        _answered(playground, name, one, note, flags)
        for prompt in prompts_of(flags.prompt)
        for name, run in runs.items()
        for one, note in questions_of(
            replace(question, prompt=prompt), run["condition_on"], flags.compare
        )
    ]
    if not flags.json:
        print(f"\n{LEGEND}")
    return all(answer.error is None for answer in answers)


def _answered(
    playground: Playground, name: str, question: Question, note: str, flags: argparse.Namespace
) -> Answer:
    """Ask, and print the answer as soon as it is there."""
    (answer,) = playground.ask([name], question)
    if note:
        answer = replace(answer, notes=(*answer.notes, note))
    if flags.json:
        print(json.dumps(answer_json(question, answer), ensure_ascii=False), flush=True)
    else:
        width = min(WIDEST, shutil.get_terminal_size().columns)
        print(f"\n{answer_text(question, answer, width=width, reveal=flags.reveal)}", flush=True)
    return answer


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    print_in_any_encoding()
    flags = _parse(argv)
    configure_logging()
    share_the_cores()
    try:
        return EXIT_DONE if _generate(flags) else EXIT_FAILED
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return EXIT_DONE


if __name__ == "__main__":
    raise SystemExit(main())
