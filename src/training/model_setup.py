"""The model before training: pretrained or from scratch, with rows for the control tokens."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from src.config.training import TrainingArgs
from src.models.control_rows import initialise_rows, train_rows_apart
from src.models.control_tokens import (
    Attributes,
    ban,
    control_ids,
    control_tokens_of,
    start_id,
)
from src.models.decoding import find_batching
from src.models.language_model import (
    attention_for,
    fuse_activations,
    load_language_model,
    model_config,
)
from src.runtime.randomness import seed_everything

logger = logging.getLogger(__name__)


def prepare_model(
    args: TrainingArgs,
    tokenizer: PreTrainedTokenizerBase,
    attributes: Attributes,
    device: torch.device,
) -> PreTrainedModel:
    """The base model, ready to be trained.

    Every model gets a row for every control token of the data set, also those that it is not
    conditioned on, so that all models of one data set share one tokenizer. Only the rows of `condition_on`
    become a parameter of their own; none can ever be written.

    Raises:
        ProjectError: the base model cannot be had or used.
    """
    seed_everything(args.seed)  # weights from scratch, and rows that a resized table gets first
    if args.model.from_scratch:
        model = _from_scratch(args.model.name, args.model.revision, device)
    else:
        model = load_language_model(args.model.name, args.model.revision, device=device)
    find_batching(model, args.model.name)  # what could not write afterwards is not trained
    initialise_rows(
        model,
        tokenizer,
        attributes,
        from_words=args.control_tokens.initialisation == "words",
        seed=args.seed,
    )
    set_token_ids(model, tokenizer, control_ids(tokenizer, attributes))
    conditioned = {name: attributes[name] for name in attributes if name in args.condition_on}
    if conditioned:
        train_rows_apart(model, control_ids(tokenizer, conditioned))
    logger.info(
        "%s: %.1f M parameters, control tokens %s, trained on %s",
        args.model.name,
        model.num_parameters() / 1e6,
        " ".join(control_tokens_of(attributes)),
        " ".join(control_tokens_of(conditioned)) or "none of them",
    )
    return model


def _from_scratch(name: str, revision: str | None, device: torch.device) -> PreTrainedModel:
    logger.warning("from_scratch: the weights start at random; nothing of %s is kept", name)
    model = AutoModelForCausalLM.from_config(
        model_config(name, revision),
        dtype=torch.float32,
        attn_implementation=attention_for(device),
    )
    return fuse_activations(model.to(device))


def set_token_ids(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, banned_ids: Sequence[int]
) -> None:
    """Tell the model's configs which tokens start, end and pad a text, and which are never written.

    What a chat model's generation config said about sampling belonged to another use and is dropped.
    """
    ids = {
        "bos_token_id": start_id(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    for name, value in ids.items():
        setattr(model.config, name, value)
    model.config.use_cache = True  # without a cache, `generate` would crawl
    model.generation_config = GenerationConfig(**ids)
    ban(model.generation_config, banned_ids)
