"""Control tokens: the only place that renders, encodes or bans them (control_rows.py embeds them).

A control token is a condition, not a target. A training sentence is the token sequence

    start  <|label|> …  text …  end-of-text
           └ condition ┘ └──── targets ────┘

with a loss on the targets only. No checkpoint can write a control token: `ban` puts them into the
generation config, so this also holds when the folder is loaded with plain transformers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from src.attributes.attribute import Attribute
from src.config.prompts import Placement
from src.errors import ArtifactError, UserError, first_line
from src.models.language_model import source_options

Attributes = Mapping[str, Attribute]


def control_token(label: str) -> str:
    """The token of a label: `<|label|>`."""
    return f"<|{label}|>"


def control_tokens_of(attributes: Attributes) -> list[str]:
    """Every control token of the attributes, in their order."""
    return [control_token(label) for attribute in attributes.values() for label in attribute.labels]


def render(text: str, labels: Mapping[str, str], attributes: Attributes) -> str:
    """The sentence as a person would read it: its control tokens, in the attributes' order, then the text.

    Args:
        text: the raw sentence.
        labels: attribute → label; attributes that are missing get no token.
        attributes: fixes the order.
    """
    chosen = [labels[name] for name in attributes if name in labels]
    return "".join(control_token(label) for label in chosen) + text


# ---------------------------------------------------------------------------------------- tokenizer


def load_tokenizer(
    name: str, attributes: Attributes | None = None, revision: str | None = None
) -> PreTrainedTokenizerBase:
    """Load a tokenizer and give it the attributes' control tokens and a padding token.

    Args:
        name: name on the hub or local folder.
        attributes: their control tokens are added as special tokens where they are missing.
        revision: commit, tag or branch of a hub repository.

    Raises:
        UnavailableError: it is neither a folder nor to be had from the hub.
        UserError: it is no tokenizer, no fast one, has no end-of-text token, or one that a label needs.
    """
    source = source_options(name, revision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **source)
    except Exception as error:
        # Not narrower: of files that are not as expected transformers lets through whatever breaks first, and
        # tokenizers raises a bare Exception.
        raise UserError(
            f"{name!r} holds no tokenizer that can be read ({first_line(error)})",
            fix="check the name, or set another folder",
        ) from error
    wanted = control_tokens_of(attributes or {})
    _check_usable(tokenizer, name, wanted)
    _add_control_tokens(tokenizer, name, wanted)
    for how_it_was_loaded in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(how_it_was_loaded, None)  # would be saved with it
    if tokenizer.pad_token_id is None:
        # Padding is always masked, so it needs no embedding of its own.
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _check_usable(tokenizer: PreTrainedTokenizerBase, name: str, wanted: Sequence[str]) -> None:
    if not tokenizer.is_fast:
        raise UserError(
            f"tokenizer {name!r} has no fast (tokenizers) version", fix="choose another tokenizer"
        )
    if tokenizer.eos_token is None:
        raise UserError(
            f"tokenizer {name!r} has no end-of-text token", fix="choose another tokenizer"
        )
    try:
        text_ids(tokenizer, [_STRANGE_TEXT])
    except Exception as error:  # tokenizers raises a bare Exception
        raise UserError(
            f"tokenizer {name!r} cannot encode every text ({first_line(error)})",
            fix="give it an unknown token that is in its vocabulary, or choose another tokenizer",
        ) from error
    own = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token}
    taken = [token for token in wanted if token in own]
    if taken:
        # It would be banned from what the model writes.
        raise UserError(
            f"a control token is one that tokenizer {name!r} needs itself",
            got=", ".join(taken),
            fix="rename the label",
        )


# Letters of several scripts, a sign, and a character that no vocabulary has.
_STRANGE_TEXT = "zqxj \u0416\u05d0\u0e01\u6f22 \u2603 \U0001f9ff \ue000"


def _add_control_tokens(
    tokenizer: PreTrainedTokenizerBase, name: str, wanted: Sequence[str]
) -> None:
    """Add control tokens as special tokens, each under an id of its own.

    Raises:
        UserError: an id that a new token gets is another entry's: `tokenizers` counts entries to find the
            next id, which may be in use where ids have gaps.
    """
    taken = {i: token for token, i in tokenizer.get_vocab().items() if token not in wanted}
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(wanted)}, replace_extra_special_tokens=False
    )
    for token in wanted:
        own = tokenizer.convert_tokens_to_ids(token)
        if own in taken:
            raise UserError(
                f"the ids of tokenizer {name!r} have gaps (its largest is {max(taken)}, and it has "
                f"{len(taken)} entries): control token {token} would get the id of {taken[own]!r}",
                fix="give its entries the ids 0 to n - 1 and the model's embedding rows with them, or choose "
                "another tokenizer",
            )


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hex sha256 of what decides about ids: the vocabulary, the merges and the special tokens.

    Padding and truncation are left out: calls change them.
    """
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    described.pop("padding", None)
    described.pop("truncation", None)
    described["end_of_text"] = tokenizer.eos_token_id
    described["start"] = start_id(tokenizer)
    text = json.dumps(described, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, fingerprint: str, made_by: str) -> None:
    """Raises ArtifactError where a tokenizer is not the one that `made_by` was made with."""
    found = tokenizer_fingerprint(tokenizer)
    if found != fingerprint:
        raise ArtifactError(
            f"the tokenizer differs from the one that {made_by} was made with",
            got=found[:12],
            allowed=fingerprint[:12],
            fix="use the same base model and attributes in every stage",
        )


def start_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """What every sequence starts with: the beginning-of-text token, or end-of-text where there is none."""
    has_own = tokenizer.bos_token_id is not None
    return tokenizer.bos_token_id if has_own else tokenizer.eos_token_id


def control_ids(tokenizer: PreTrainedTokenizerBase, attributes: Attributes) -> list[int]:
    """Ids of every control token of the attributes.

    Raises:
        ArtifactError: the tokenizer lacks one of them.
    """
    return _ids_of(tokenizer, control_tokens_of(attributes))


def condition_ids(
    tokenizer: PreTrainedTokenizerBase, labels: Mapping[str, str], attributes: Attributes
) -> list[int]:
    """Ids of the control tokens of some labels, in the attributes' order."""
    return _ids_of(
        tokenizer, [control_token(labels[name]) for name in attributes if name in labels]
    )


def _ids_of(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[str]) -> list[int]:
    special = set(tokenizer.all_special_tokens)
    missing = [token for token in tokens if token not in special]
    if missing:
        raise ArtifactError(
            f"the tokenizer has no control token {', '.join(missing)}",
            fix="load it with the attributes of the data set",
        )
    return list(tokenizer.convert_tokens_to_ids(list(tokens)))


# ----------------------------------------------------------------------------------------- encoding


def text_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Ids of raw texts. A text that spells a special token stays text: data cannot forge a condition."""
    if not texts:
        return []
    return tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]


def encode_sentence(
    tokenizer: PreTrainedTokenizerBase,
    text: Sequence[int],
    labels: Mapping[str, str],
    attributes: Attributes,
) -> tuple[list[int], int]:
    """A training sentence.

    Args:
        text: the sentence's ids, from `text_ids`.
        labels: the labels whose tokens stand before it; {} for an untagged sentence.

    Returns:
        The ids `start, control tokens, text, end-of-text`, and how many at the front are condition: they
        are never targets.
    """
    front = [start_id(tokenizer), *condition_ids(tokenizer, labels, attributes)]
    return [*front, *text, tokenizer.eos_token_id], len(front)


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    condition: Mapping[str, str],
    attributes: Attributes,
    placement: Placement,
) -> list[int]:
    """What the model is given before it writes; an empty prompt leaves start and control tokens.

    Args:
        placement: `before_prompt`: start, control tokens, prompt, as in training; `after_prompt` (the
            paper's): start, prompt, control tokens.
    """
    tokens = condition_ids(tokenizer, condition, attributes)
    ids = text_ids(tokenizer, [prompt])[0] if prompt else []
    front = [start_id(tokenizer)]
    return front + (ids + tokens if placement == "after_prompt" else tokens + ids)


def encode_continuation(
    tokenizer: PreTrainedTokenizerBase, prompt: str, continuation: str
) -> tuple[list[int], int]:
    """A prompt with its continuation, tokenised as one text: merges across the border happen.

    Returns:
        The ids `start, prompt, continuation`, and how many at the front belong to the prompt alone. A token
        that spans the border belongs to the continuation.
    """
    encoded = tokenizer(
        [prompt + continuation],
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
    )
    ends = [end for _, end in encoded["offset_mapping"][0]]
    n_prompt = next((i for i, end in enumerate(ends) if end > len(prompt)), len(ends))
    return [start_id(tokenizer), *encoded["input_ids"][0]], 1 + n_prompt


def ban(generation: GenerationConfig, ids: Iterable[int]) -> None:
    """Keep tokens from ever being written by `generate`, in this checkpoint and whoever loads it."""
    generation.suppress_tokens = sorted({*(generation.suppress_tokens or ()), *ids})
