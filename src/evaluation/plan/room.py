"""Whether prompts and what is written after them fit into the models' contexts: known before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from src.config.evaluation import EvaluationArgs
from src.errors import ProjectError, UserError
from src.evaluation.plan.prompts import Prompt
from src.pretrained.context_length import context_length


def prompts_without_room(
    args: EvaluationArgs,
    models: Mapping[str, Any],
    reference: tuple[str, str | None],
    prompts: Mapping[str, Sequence[Prompt]],
) -> Iterator[ProjectError]:
    """The longest prompt of a source, where it leaves a model or the reference too few positions.

    The reference may cut what is written into other tokens than the models do; as many are assumed.

    Args:
        args: of the run.
        models: name → its `TrainedModel`s, of one recipe; all have the data set's tokenizer.
        reference: name and revision of the model that judges fluency.
        prompts: by the name of their source.
    """
    from src.models.control_tokens import load_tokenizer, text_ids
    from src.models.language_model import model_config

    new = max(decoding.max_length for decoding in args.decodings.values())
    tokens = max(len(c) for entry in args.models.values() for c in entry.conditions)
    readers = {
        f"models.{name}": (str(one.folder), None, 1 + tokens) for name, (one, *_) in models.items()
    }
    # Its last token is only predicted.
    readers["perplexity.reference"] = (*reference, 0)
    known: dict[str, dict[str, tuple[int, str]]] = {}
    for where, (name, revision, more) in readers.items():
        context = context_length(model_config(name, revision))
        if context is None:
            continue
        key = "models" if where.startswith("models.") else where
        if key not in known:
            tokenizer = load_tokenizer(name, revision=revision)
            known[key] = {
                source: max(
                    (len(ids), prompt.id)
                    for ids, prompt in zip(
                        text_ids(tokenizer, [one.text for one in listed]), listed, strict=True
                    )
                )
                for source, listed in prompts.items()
            }
        for source, (length, prompt) in known[key].items():
            if more + length + new > context:
                yield UserError(
                    f"{where}: prompt {prompt} of {source!r} and max_length {new} do not fit into the "
                    f"{context} positions of {name}",
                    got=f"{more + length} tokens before the text",
                    fix="shorten the prompt or max_length, or name a model with a longer context",
                )
