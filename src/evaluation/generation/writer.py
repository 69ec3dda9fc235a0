"""Continuations from a trained model, in batches."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    SuppressTokensLogitsProcessor,
)

from src.attributes.attribute import Attributes
from src.config.evaluation import Condition, DecodingArgs
from src.errors import UserError
from src.evaluation.continuation import Continuation
from src.evaluation.generation.continuation_text import decode_continuation
from src.evaluation.generation.sampling import draw_for_groups, uniforms
from src.evaluation.plan.cells import active_weights
from src.evaluation.plan.prompts import Prompt
from src.models.control_tokens import (
    Placement,
    check_tokenizer,
    control_ids,
    encode_prompt,
    load_tokenizer,
)
from src.models.decoding import GrowingBatch, find_batching
from src.models.language_model import load_language_model, pick_precision
from src.pretrained.context_length import context_length
from src.runtime.console import progress

logger = logging.getLogger(__name__)

FINISHED_SHARE = 0.25
"""Share of a batch's rows that are finished before the rest goes on without them: kept to the end of the last
one, they would be half of all the work where lengths differ much."""


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
        self,
        folder: Path,
        attributes: Attributes,
        fingerprint: str,
        device: torch.device,
        precision: str = "auto",
    ) -> None:
        """Load a checkpoint.

        Args:
            folder: a plain Hugging Face folder.
            attributes: of the data set.
            fingerprint: of the tokenizer that the data set was made with.
            device: to compute on.
            precision: of the weights; auto: see `writing_dtype`.

        Raises:
            ArtifactError: the checkpoint's tokenizer is another one.
        """
        self.attributes, self.device = attributes, device
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(str(folder), attributes)
        check_tokenizer(self.tokenizer, fingerprint, made_by="the data set")
        model = load_language_model(str(folder), device=device)
        self.batching = find_batching(model, str(folder))
        # A checkpoint's own settings of sampling play no part; what it bans stays banned.
        banned = model.generation_config.suppress_tokens or []
        self._banned = [*banned, *control_ids(self.tokenizer, attributes)]
        self.model: PreTrainedModel = model.to(writing_dtype(device, precision))

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
        variants, weights = self._variants(condition, decoding)
        encoded = [self._encode(todo, variant, task.placement) for variant in variants]
        self._check_room(todo, encoded[0], decoding.max_length)
        after = bool(condition) and task.placement == "after_prompt"
        # Prompts of like length together: less padding.
        by_length = sorted(range(len(todo)), key=lambda i: len(encoded[0][i]))
        with progress(what=title, total=len(wanted) * task.batch_size, unit="text") as bar:
            for number in sorted(wanted):
                batch = by_length[number * task.batch_size :][: task.batch_size]
                rows = [prompts[i] for prompts in encoded for i in batch]
                keys = [(todo[i].prompt_id, todo[i].sample) for i in batch]
                numbers = uniforms(task.seed, task.source, keys, decoding.max_length)
                with torch.inference_mode():
                    written = self._generate(rows, numbers, decoding, list(weights.values()))
                bar.update(len(batch))
                yield (
                    number,
                    [
                        replace(todo[i], text=self._decode(todo[i], ids, after), n_tokens=len(ids))
                        for i, ids in zip(batch, written, strict=True)
                    ],
                )

    def _variants(
        self, condition: Condition, decoding: DecodingArgs
    ) -> tuple[list[Condition], dict[str, float]]:
        """The condition, then it with labels flipped or left out; the weights of those."""
        weights = active_weights(decoding, condition)

        def without(names: Collection[str]) -> Condition:
            flipped = {
                name: self.attributes[name].opposite(condition[name])
                for name in names
                if decoding.contrast_against == "flipped"
            }
            return {n: label for n, label in condition.items() if n not in names} | flipped

        if decoding.contrast_flip == "together" and weights:
            together = {" + ".join(weights): next(iter(weights.values()))}
            return [condition, without(weights)], together
        return [condition, *(without([name]) for name in weights)], weights

    def _encode(
        self, todo: Sequence[Continuation], condition: Condition, placement: Placement
    ) -> list[list[int]]:
        return [
            encode_prompt(self.tokenizer, one.prompt, condition, self.attributes, placement)
            for one in todo
        ]

    def _decode(self, one: Continuation, ids: list[int], after_tokens: bool) -> str:
        return decode_continuation(self.tokenizer, one.prompt, ids, after_tokens=after_tokens)

    def _check_room(
        self, todo: Sequence[Continuation], encoded: Sequence[list[int]], max_length: int
    ) -> None:
        room = context_length(self.model.config)
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
        weights: Sequence[float],
    ) -> list[list[int]]:
        """New token ids of every group of rows, cut at end-of-text.

        Args:
            rows: [variants · groups] prompts, variant by variant.
            numbers: [groups, max_length] random numbers.
            decoding: how tokens are drawn.
            weights: of the flipped variants.
        """
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        uniform = torch.as_tensor(numbers, dtype=dtype).to(self.device)
        written: list[list[int]] = [[] for _ in numbers]
        for groups in self._together(rows[: len(numbers)]):
            chosen = [rows[v * len(numbers) + g] for v in range(1 + len(weights)) for g in groups]
            found = self._grow(chosen, uniform[groups], decoding, weights)
            for group, ids in zip(groups, found, strict=True):
                written[group] = ids
        return written

    def _together(self, prompts: Sequence[list[int]]) -> list[list[int]]:
        """Which prompts the model can go on from at the same time."""
        if self.batching.padded:
            return [list(range(len(prompts)))]
        by_length: dict[int, list[int]] = {}
        for i, prompt in enumerate(prompts):
            by_length.setdefault(len(prompt), []).append(i)
        return list(by_length.values())

    def _grow(
        self,
        rows: Sequence[list[int]],
        uniform: torch.Tensor,
        decoding: DecodingArgs,
        weights: Sequence[float],
    ) -> list[list[int]]:
        """As `_generate`, for rows that go together.

        One token is drawn per group and appended to all its rows. Finished groups leave, some at a time.
        """
        n_groups, end, padding = len(uniform), self.tokenizer.eos_token_id, self._banned[-1]
        # Any token that is never written will do for padding; end-of-text would be taken for a token of
        # the prompt by no_repeat_ngram_size.
        batch = GrowingBatch(self.model, rows, padding, self.batching)
        width, processors = batch.ids.shape[1], self._processors(decoding, batch.ids.shape[1])
        left = torch.arange(n_groups, device=self.device)
        finished = torch.zeros(n_groups, dtype=torch.bool, device=self.device)
        written: list[list[int]] = [[] for _ in range(n_groups)]
        for step in range(decoding.max_length):
            scores = processors(batch.ids, batch.next_logits())
            drawn = draw_for_groups(scores, uniform[left, step], decoding, weights)
            drawn = drawn.masked_fill(finished, padding)
            batch.append(drawn.repeat(1 + len(weights)))
            finished = finished | (drawn == end)
            last = step + 1 == decoding.max_length
            if not (last or bool(finished.all()) or self._may_shrink(finished)):
                continue
            done = finished | last
            for row in done.nonzero().squeeze(1).tolist():
                new = batch.ids[row, width:].tolist()
                written[int(left[row])] = new[: new.index(end)] if end in new else new
            if bool(done.all()):
                break
            batch.keep((~done).repeat(1 + len(weights)).nonzero().squeeze(1))
            left, finished = left[~done], finished[~done]
        return written

    def _may_shrink(self, finished: torch.Tensor) -> bool:
        return self.batching.shrinks and bool(finished.float().mean() >= FINISHED_SHARE)

    def _processors(self, decoding: DecodingArgs, width: int) -> LogitsProcessorList:
        """What no row may write next, by transformers' own classes, in the order of `generate`."""
        processors = LogitsProcessorList()
        if decoding.no_repeat_ngram_size:
            processors.append(NoRepeatNGramLogitsProcessor(decoding.no_repeat_ngram_size))
        if decoding.min_length:
            end = self.tokenizer.eos_token_id
            processors.append(
                MinNewTokensLengthLogitsProcessor(
                    width, decoding.min_length, end, device=str(self.device)
                )
            )
        processors.append(SuppressTokensLogitsProcessor(self._banned, device=str(self.device)))
        return processors


def writing_dtype(device: torch.device, precision: str = "auto") -> torch.dtype:
    """bfloat16 where the device computes it natively, else float32; or as it is asked for.

    On a CPU that has it, texts are written twice as fast. Of the demo's M-TS, over what it may draw, rounding
    moves the difference that contrast decoding adds by 22 % of its size for toxicity and 11 % for sentiment,
    and 1 % of the mass of what it draws from without contrast, 5 % with weights of 2, 9 % with weights of 5.
    It favours no label. An output layer in float32 saves a fifth of that: the layers before make the most.
    """
    return torch.bfloat16 if pick_precision(precision, device) == "bf16" else torch.float32
