"""Continuations from a trained model, in batches."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

from src.attributes.attribute import Attributes
from src.config.evaluation import Condition, DecodingArgs
from src.control_tokens import (
    Placement,
    ban,
    check_tokenizer,
    control_ids,
    encode_prompt,
    load_tokenizer,
)
from src.errors import UserError
from src.evaluation.continuation import Continuation
from src.evaluation.generation.sampling import DrawToken, uniforms
from src.evaluation.plan.cells import active_weights
from src.evaluation.plan.prompts import Prompt
from src.language_model import load_language_model, pick_precision
from src.runtime import progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What is asked of a model in one cell, but for the condition and the decoding.

    Attributes:
        source: name of the source of prompts, which seeds the samples with the prompt's id.
        prompts: in their order.
        samples_per_prompt: continuations of each.
        placement: where the control tokens stand.
        batch_size: continuations written at the same time.
        seed: of the run.
    """

    source: str
    prompts: Sequence[Prompt]
    samples_per_prompt: int
    placement: Placement
    batch_size: int
    seed: int

    @property
    def n_batches(self) -> int:
        """Number of batches of the cell."""
        return math.ceil(len(self.prompts) * self.samples_per_prompt / self.batch_size)

    def todo(self) -> list[Continuation]:
        """What is to be written, nothing of it written yet, in the order of prompts and samples."""
        return [
            Continuation(prompt.id, sample, prompt.text, "", 0)
            for prompt in self.prompts
            for sample in range(self.samples_per_prompt)
        ]

    def in_order(self, written: Iterable[Continuation]) -> list[Continuation]:
        """All continuations of the cell, in the order of prompts and samples."""
        found = {(one.prompt_id, one.sample): one for one in written}
        return [found[one.prompt_id, one.sample] for one in self.todo()]


class Writer:
    """A trained model that writes continuations on demand."""

    def __init__(
        self, folder: Path, attributes: Attributes, fingerprint: str, device: torch.device
    ) -> None:
        """Load a checkpoint.

        Args:
            folder: a plain Hugging Face folder.
            attributes: of the data set.
            fingerprint: of the tokenizer that the data set was made with.
            device: to compute on.

        Raises:
            ArtifactError: the checkpoint's tokenizer is another one.
        """
        self.attributes, self.device = attributes, device
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(str(folder), attributes)
        check_tokenizer(self.tokenizer, fingerprint, made_by="the data set")
        model = load_language_model(str(folder), device=device)
        self.model: PreTrainedModel = model.to(writing_dtype(device))
        # Nothing but what is said here decides: a checkpoint's own sampling settings would step in
        # where ours are unset. What it bans stays banned.
        banned = (model.generation_config.suppress_tokens or []) + control_ids(
            self.tokenizer, attributes
        )
        self.model.generation_config = GenerationConfig(
            eos_token_id=self.tokenizer.eos_token_id,
            # Any token that is never written will do for padding; end-of-text would be taken for a
            # token of the prompt by no_repeat_ngram_size.
            pad_token_id=banned[-1],
            do_sample=False,
        )
        ban(self.model.generation_config, banned)

    def write(
        self, task: Task, condition: Condition, decoding: DecodingArgs, title: str
    ) -> list[Continuation]:
        """The continuations of one cell, in the order of prompts and samples.

        Args:
            task: prompts and how many continuations of each.
            condition: attribute → label asked for.
            decoding: how tokens are drawn.
            title: of the progress bar.

        Raises:
            UserError: a prompt leaves no room for max_length new tokens.
        """
        batches = self.batches(task, condition, decoding, range(task.n_batches), title)
        return task.in_order(one for _, batch in batches for one in batch)

    def batches(
        self,
        task: Task,
        condition: Condition,
        decoding: DecodingArgs,
        wanted: Collection[int],
        title: str,
    ) -> Iterator[tuple[int, list[Continuation]]]:
        """Some batches of one cell, each as soon as it is written: (number, its continuations).

        What a batch holds depends on nothing but the task and the tokenizer, so that several processes can
        share a cell, and a run that was interrupted goes on with the next batch.

        Args:
            task: prompts and how many continuations of each.
            condition: attribute → label asked for.
            decoding: how tokens are drawn.
            wanted: numbers of the batches, from 0 to task.n_batches − 1.
            title: of the progress bar.

        Raises:
            UserError: a prompt leaves no room for max_length new tokens.
        """
        todo = task.todo()
        variants = self._variants(condition, decoding)
        encoded = [self._encode(todo, variant, task.placement) for variant in variants]
        self._check_room(todo, encoded[0], decoding.max_length)
        # Prompts of like length together: less padding.
        by_length = sorted(range(len(todo)), key=lambda i: len(encoded[0][i]))
        weights = active_weights(decoding, condition)
        with progress(what=title, total=len(wanted) * task.batch_size, unit="text") as bar:
            for number in sorted(wanted):
                batch = by_length[number * task.batch_size :][: task.batch_size]
                rows = [prompts[i] for prompts in encoded for i in batch]
                keys = [(todo[i].prompt_id, todo[i].sample) for i in batch]
                numbers = uniforms(task.seed, task.source, keys, decoding.max_length)
                with torch.inference_mode():
                    written = self._generate(rows, numbers, decoding, weights)
                bar.update(len(batch))
                yield (
                    number,
                    [
                        replace(todo[i], text=self._decode(ids), n_tokens=len(ids))
                        for i, ids in zip(batch, written, strict=True)
                    ],
                )

    def _variants(self, condition: Condition, decoding: DecodingArgs) -> list[Condition]:
        """The condition, then the condition with each weighted attribute at its opposite label."""
        flipped = {
            name: self.attributes[name].opposite(condition[name])
            for name in active_weights(decoding, condition)
        }
        return [condition, *({**condition, name: label} for name, label in flipped.items())]

    def _encode(
        self, todo: Sequence[Continuation], condition: Condition, placement: Placement
    ) -> list[list[int]]:
        return [
            encode_prompt(self.tokenizer, one.prompt, condition, self.attributes, placement)
            for one in todo
        ]

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def _check_room(
        self, todo: Sequence[Continuation], encoded: Sequence[list[int]], max_length: int
    ) -> None:
        room = getattr(self.model.config, "max_position_embeddings", None)
        longest = max(range(len(encoded)), key=lambda i: len(encoded[i]))
        if room is not None and len(encoded[longest]) + max_length > room:
            raise UserError(
                f"prompt {todo[longest].prompt_id} and max_length {max_length} do not fit into the "
                f"model's {room} positions",
                got=f"{len(encoded[longest])} tokens of prompt",
                fix="shorten the prompt or max_length",
            )

    def _generate(
        self,
        rows: Sequence[list[int]],
        numbers: np.ndarray,
        decoding: DecodingArgs,
        weights: Mapping[str, float],
    ) -> list[list[int]]:
        """New token ids of every group of rows, cut at end-of-text.

        Args:
            rows: [variants · groups] prompts, variant by variant.
            numbers: [groups, max_length] random numbers.
            decoding: how tokens are drawn.
            weights: of the flipped variants.
        """
        end, width = self.tokenizer.eos_token_id, max(map(len, rows))
        ids, mask = self._pad_left(rows, width)
        uniform = torch.as_tensor(
            numbers, dtype=torch.float32 if self.device.type == "mps" else torch.float64
        ).to(self.device)
        written: list[list[int]] = [[] for _ in numbers]
        left, cache = torch.arange(len(numbers), device=self.device), None
        while len(left):
            draw = DrawToken(uniform[left], width, decoding, weights)
            ids, cache = self._round(ids, mask, cache, draw, decoding, width)
            new = ids[: len(left), width:]
            for group, tokens in zip(left.tolist(), new.tolist(), strict=True):
                written[group] = tokens[: tokens.index(end)] if end in tokens else tokens
            going_on = ~(new == end).any(-1) & (new.shape[1] < decoding.max_length)
            left = left[going_on]
            kept = going_on.repeat(1 + len(weights)).nonzero().squeeze(-1)
            ids = ids[kept]
            mask = torch.nn.functional.pad(mask[kept], (0, ids.shape[1] - mask.shape[1]), value=1)
            if cache is not None:
                cache.batch_select_indices(kept)
        return written

    def _round(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        cache: DynamicCache | None,
        draw: DrawToken,
        decoding: DecodingArgs,
        width: int,
    ) -> tuple[torch.Tensor, DynamicCache | None]:
        """Write on until many rows are finished.

        Args:
            ids: [rows, width and what is written] tokens so far.
            mask: [rows, the same] attention mask.
            cache: keys and values of all tokens but the last; None computes them anew.
            draw: the last logits processor.
            decoding: lengths, and which n-grams may not repeat.
            width: padded length of the prompts.

        Returns:
            (ids with the new tokens, the cache; None where the model keeps another kind of state).
        """
        so_far = ids.shape[1] - width
        output = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            logits_processor=LogitsProcessorList([draw]),
            stopping_criteria=StoppingCriteriaList(
                [ManyFinished(width, self.tokenizer.eos_token_id)]
            ),
            max_new_tokens=decoding.max_length - so_far,
            min_new_tokens=max(decoding.min_length - so_far, 0) or None,
            no_repeat_ngram_size=decoding.no_repeat_ngram_size or None,
            return_dict_in_generate=True,
        )
        cache = output.past_key_values
        return output.sequences, cache if isinstance(cache, DynamicCache) else None

    def _pad_left(self, rows: Sequence[list[int]], width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(token ids, attention mask), each [rows, width]: a model goes on from what stands at the end."""
        padding = self.model.generation_config.pad_token_id
        ids = torch.tensor([[padding] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self.device), mask.to(self.device)


class ManyFinished(StoppingCriteria):
    """Interrupts `generate` when a quarter of its rows are finished, so that the rest goes on without them.

    `generate` computes finished rows until the last one is done: with texts of very different lengths,
    that is half of all the work.
    """

    SHARE = 0.25

    def __init__(self, width: int, end: int) -> None:
        """Args:
        width: padded length of the prompts, in tokens.
        end: id of the end-of-text token.
        """
        self._width, self._end = width, end

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **_: Any) -> torch.BoolTensor:
        """Whether to stop, for every row alike: [rows]."""
        finished = (input_ids[:, self._width :] == self._end).any(-1)
        return (finished.float().mean() >= self.SHARE).expand(len(input_ids))


def writing_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes it natively, else float32.

    On a CPU that has it, matrix products take less than half the time. The distribution of the demo's
    model moves by 0.001 nats, and the difference that contrast decoding adds by a twentieth of its size.
    """
    return torch.bfloat16 if pick_precision("auto", device) == "bf16" else torch.float32
