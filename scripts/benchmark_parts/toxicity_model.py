"""A classifier of BERT-base's shape in Detoxify's checkpoint format: its code path without its weights."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CLASSES = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORD = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")
VOCABULARY = 30522


def write_toxicity_model(
    folder: Path, texts: Sequence[str], threshold: float, **shape: Any
) -> tuple[Path, Path]:
    """Random weights; the toxicity output's bias is set so that half of the texts are above the threshold.

    Args:
        folder: where to write.
        texts: for the vocabulary (whole words, else letters); the first 256 decide on the bias.
        threshold: of the toxicity score.
        shape: of `BertConfig`, where it is not BERT-base's.

    Returns:
        (checkpoint, folder of the config and the tokenizer).
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    config_folder = folder / "config"
    config_folder.mkdir(parents=True)
    (config_folder / "vocab.txt").write_text("\n".join(_vocabulary(texts)) + "\n", encoding="utf-8")
    tokenizer = BertTokenizer.from_pretrained(config_folder, model_max_length=512)
    tokenizer.save_pretrained(config_folder)
    config = BertConfig(num_labels=len(CLASSES), vocab_size=VOCABULARY, **shape)
    config.save_pretrained(config_folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(config).eval()
    with torch.inference_mode():
        some = tokenizer(list(texts[:256]), padding=True, truncation=True, return_tensors="pt")
        # Between the two middle ones: a text at the threshold itself would fall by rounding.
        middle = model(**some).logits[:, 0].quantile(0.5)
    with torch.no_grad():
        model.classifier.bias[0] += math.log(threshold / (1 - threshold)) - middle
    return _save(model, folder / "toxicity.ckpt", config_folder), config_folder


def _save(model: Any, checkpoint: Path, config_folder: Path) -> Path:
    """Write a checkpoint as Detoxify reads it."""
    import torch

    arch = {
        "model_type": str(config_folder),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": len(CLASSES),
    }
    described = {"arch": {"args": arch}, "dataset": {"args": {"classes": list(CLASSES)}}}
    torch.save({"config": described, "state_dict": model.state_dict()}, checkpoint)
    return checkpoint


def _vocabulary(texts: Sequence[str]) -> list[str]:
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    counts = Counter(word for text in texts for word in WORD.findall(text.lower()))
    words = sorted(set(counts) - set(letters), key=lambda word: (-counts[word], word))
    pieces += words[: VOCABULARY - len(pieces)]
    return pieces + [f"[unused{i}]" for i in range(VOCABULARY - len(pieces))]
