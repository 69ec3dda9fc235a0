"""What the models are given: validation sentences or their beginnings, the lines of a file, or nothing.

Imports neither torch nor transformers.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.attributes.attribute import Attribute
from src.config.prompts import FilePrompts, Prompts, UnpromptedPrompts, ValidationPrompts
from src.errors import ArtifactError, DataError, UserError
from src.published.data_set import rows_of
from src.runtime.randomness import keyed_hash

SHOWN_PROBLEMS = 5
"""Bad lines of a prompt file that a message quotes; the rest is counted."""
_WORD = re.compile(r"\S+")
_LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class Prompt:
    """One prompt: raw text without control tokens, empty where nothing is given.

    The id is unique in its source; it seeds the random numbers of the continuations.
    """

    id: str
    text: str


def load_prompts(
    source: Prompts,
    dataset: Path,
    attributes: Mapping[str, Attribute],
    seed: int,
    leave_out: Collection[str] = (),
) -> list[Prompt]:
    """The prompts of a source, the same for every cell.

    Args:
        source: its args.
        dataset: folder of the data set, for its validation sentences.
        attributes: of the data set.
        seed: decides which ones are drawn, where there are more than asked for.
        leave_out: ids of validation sentences that are not to be drawn.

    Raises:
        UserError: a file of prompts cannot be read.
        DataError: there are fewer than asked for, or the data set has no validation sentences.
        ArtifactError: it has labels that its manifest does not have.
    """
    if isinstance(source, ValidationPrompts):
        return _validation_prompts(source, dataset, attributes, seed, leave_out)
    if isinstance(source, UnpromptedPrompts):
        width = len(str(source.count - 1))
        return [Prompt(f"{i:0{width}d}", "") for i in range(source.count)]
    return _file_prompts(source, seed)


def _validation_prompts(
    source: ValidationPrompts,
    dataset: Path,
    attributes: Mapping[str, Attribute],
    seed: int,
    leave_out: Collection[str],
) -> list[Prompt]:
    """Validation sentences or their beginnings, as many of every combination of labels, give or take one."""
    count = source.count
    combinations = list(itertools.product(*(one.labels for one in attributes.values())))
    groups: dict[tuple[str, ...], list[Prompt]] = {labels: [] for labels in combinations}
    for row in rows_of(dataset, "validation", ["id", "text", "labels"]):
        labels = tuple(row["labels"].get(name) for name in attributes)
        if labels not in groups:
            raise ArtifactError(
                f"{dataset} has a validation sentence with labels that its manifest does not have",
                got=f"{row['id']}: {row['labels']}",
                fix="create the data set again",
            )
        text = row["text"] if source.words is None else beginning(row, source.words, seed)
        if text is not None and row["id"] not in leave_out:
            groups[labels].append(Prompt(row["id"], text))
    share, rest = divmod(count, len(combinations))
    chosen, short = [], []
    for i, (labels, group) in enumerate(groups.items()):
        wanted = share + (i < rest)
        if len(group) < wanted:
            short.append(f"{' + '.join(labels)}: {len(group)} sentences, {wanted} asked for")
        chosen += sorted(group, key=lambda prompt: _draw(seed, prompt))[:wanted]
    if short:
        raise DataError(
            f"{dataset} has too few validation sentences for {count} balanced prompts "
            f"({'; '.join(short)})",
            fix="lower the count of validation prompts or their words, or create the data set with more "
            "validation.sentences",
        )
    return sorted(chosen, key=lambda prompt: _draw(seed, prompt))


def beginning(row: Mapping[str, Any], words: tuple[int, int], seed: int) -> str | None:
    """The first words of a sentence, of which at least one is left out.

    Args:
        row: `id` and `text`; the number of words is drawn by its id.
        words: fewest and most.
        seed: of the run.

    Returns:
        None for a sentence that is too short.
    """
    ends = [match.end() for match in _WORD.finditer(row["text"])]
    fewest, most = words[0], min(words[1], len(ends) - 1)
    if most < fewest:
        return None
    drawn = fewest + keyed_hash(seed, "words_of_prompt", row["id"]) % (most - fewest + 1)
    return row["text"][: ends[drawn - 1]]


def _draw(seed: int, prompt: Prompt) -> tuple[int, str]:
    return keyed_hash(seed, "prompt", prompt.id), prompt.id


def _file_prompts(source: FilePrompts, seed: int) -> list[Prompt]:
    """The lines of a file, in its order; where fewer are asked for, those that the seed draws."""
    lines = _read_lines(source.path)
    if source.path.suffix == ".jsonl":
        prompts = _from_jsonl(lines, source)
    else:
        prompts = [Prompt(_line_id(i), line) for i, line in lines if line.strip()]
    if not prompts:
        raise UserError(f"prompt file {source.path} holds no prompt")
    if source.count is None or source.count == len(prompts):
        return prompts
    if source.count > len(prompts):
        raise DataError(
            f"prompt file {source.path} holds too few prompts",
            got=len(prompts),
            allowed=f"at least the {source.count} asked for",
            fix="lower its count, or leave it out to take all",
        )
    drawn = {p.id for p in sorted(prompts, key=lambda prompt: _draw(seed, prompt))[: source.count]}
    return [prompt for prompt in prompts if prompt.id in drawn]


def _line_id(number: int) -> str:
    return f"line-{number:06d}"


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines that hold something, with their numbers from 1.

    A line ends at a line feed, a carriage return, or both in this order, also where a file mixes them.
    Nothing else ends one: a form feed or U+2028 may be part of a prompt, as JSON strings may hold it.
    """
    if path.suffix not in (".txt", ".jsonl"):
        raise UserError("prompt file of an unknown kind", got=str(path), allowed=".txt, .jsonl")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(
            f"prompt file {path} cannot be read ({error.strerror})", fix="check its path"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"prompt file {path} is not UTF-8 (byte {error.start})", fix="convert it to UTF-8"
        ) from error
    lines = _LINE_END.split(text)
    return [(i, line) for i, line in enumerate(lines, start=1) if line]


def _from_jsonl(lines: Sequence[tuple[int, str]], source: FilePrompts) -> list[Prompt]:
    prompts, problems = [], []
    for number, line in lines:
        try:
            text = _value_at(json.loads(line), source.text_key)
        except (ValueError, LookupError) as error:
            problems.append(f"line {number}: {error}")
            continue
        except RecursionError:
            problems.append(f"line {number}: nested too deeply")
            continue
        prompts.append(Prompt(_line_id(number), text))
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        shown = "; ".join(problems[:SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(
            f"prompt file {source.path}: {len(problems)} of {len(lines)} lines hold no prompt "
            f"({shown})",
            fix=f"repair them, or set text_key (now {source.text_key!r})",
        )
    return prompts


def _value_at(value: Any, dotted: str) -> str:
    """What stands at `a.b` of a JSON object.

    Raises:
        LookupError: no such key, or no text there that UTF-8 can hold.
    """
    for key in dotted.split("."):
        if not isinstance(value, dict) or key not in value:
            have = ", ".join(list(value)[:8]) if isinstance(value, dict) else type(value).__name__
            raise LookupError(f"no key {dotted!r} (there is: {have})")
        value = value[key]
    if not isinstance(value, str) or not value.strip():
        raise LookupError(f"{dotted!r} is no text but {repr(value)[:80]}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise LookupError(f"{dotted!r} holds half of a character (a lone surrogate)")
    return value
