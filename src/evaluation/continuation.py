"""The record that flows through an evaluation: written, then scored, then judged for fluency."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Continuation:
    """What a model wrote after one prompt, and what is known of it.

    Attributes:
        prompt_id: of the prompt, unique in its source.
        training: number of the training that wrote it, among its model's, from 0.
        sample: number of the continuation among those of its prompt, from 0.
        prompt: raw text given, without control tokens.
        text: raw text written, without special tokens.
        n_tokens: new tokens, end-of-text not counted.
        sentences: of the text alone, split and cleaned as the data set's.
        scores: per sentence, attribute → score.
        labels: per sentence, attribute → label.
        judge_scores: per sentence, attribute with a judge → the judge's score.
        judge_labels: per sentence, attribute with a judge → the judge's label.
        reference_nll: nats of the text after its prompt, under the reference model.
        reference_tokens: the reference model's tokens that these nats are a sum over.
    """

    prompt_id: str
    sample: int
    prompt: str
    text: str
    n_tokens: int
    sentences: tuple[str, ...] = ()
    scores: tuple[dict[str, float], ...] = ()
    labels: tuple[dict[str, str], ...] = ()
    judge_scores: tuple[dict[str, float], ...] = ()
    judge_labels: tuple[dict[str, str], ...] = ()
    reference_nll: float = 0.0
    reference_tokens: int = 0
    training: int = 0
