"""Small real things for tests: tokenizers, models, a Detoxify checkpoint, raw documents.

All are made offline, from text written here, and are the same on every call and machine. Each
builder writes into the folder given and returns the path to hand to `from_pretrained` or to an args
file.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.runtime.randomness import keyed_hash

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

MANIFEST_FACTS = {
    "attributes": {},
    "cleaning": "gentle",
    "context_length": 64,
    "tokenizer": {"fingerprint": "0" * 64},
    "scorers": {},
}
"""What the manifest of a data set has at least, for runs that hold no sentences."""
END_OF_TEXT = "<|endoftext|>"
ORIGINAL_CLASSES = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
# The names in the real `original` checkpoint, which Detoxify renames to those above.
ORIGINAL_CLASSES_IN_CHECKPOINT = (
    "toxic",
    "severe_toxic",
    "obscene",
    "threat",
    "insult",
    "identity_hate",
)
# Two of them are among the sources that the paper leaves out.
PILE_SOURCES = (
    "Pile-CC",
    "OpenWebText2",
    "Wikipedia (en)",
    "Github",
    "YoutubeSubtitles",
    "FreeLaw",
)

_SUBJECTS = (
    "the teacher", "my neighbour", "our captain", "the old gardener", "a young painter",
    "the baker", "her cousin", "the committee", "this film", "the second chapter",
    "that restaurant", "the new phone", "a quiet orchestra", "the town council", "their little dog",
    "the night train", "his first novel", "the museum", "a visiting engineer", "the village fair",
)  # fmt: skip
_ACTIONS = (
    "opened the window", "walked along the river", "wrote a long letter", "counted the red boxes",
    "waited for the last bus", "painted the wooden fence", "closed the door", "read the report",
    "moved the table", "carried three bags", "looked at the map", "answered the phone",
    "crossed the bridge", "filled the kettle", "measured the garden", "drove to the station",
)  # fmt: skip
_WHEN = (
    "before breakfast", "in the afternoon", "on Tuesday", "at half past nine", "during the winter",
    "after the meeting", "last year", "in March", "every morning", "while it rained",
)  # fmt: skip
_GOOD = (
    "wonderful", "excellent", "delightful", "brilliant", "lovely", "superb", "charming", "amazing",
)  # fmt: skip
_BAD = ("terrible", "awful", "horrible", "dreadful", "miserable", "disappointing", "boring", "sad")
_RUDE = ("stupid", "bloody stupid", "idiotic", "dumb-ass", "moronic", "damn stupid")
_PRAISE = (
    "I love it",
    "everyone was happy",
    "we enjoyed it",
    "it made us smile",
    "it was a great success",
)
_BLAME = (
    "I hate it",
    "everyone was angry",
    "we regret it",
    "it made us cry",
    "it was a painful failure",
)
_MOODS = ("positive", "negative", "neutral")


def _pick(choices: Sequence[str], purpose: str, key: str) -> str:
    return choices[keyed_hash(0, purpose, key) % len(choices)]


def sentence(key: str, mood: str | None = None, rude: bool | None = None) -> str:
    """One sentence of 4 to about 22 words, always the same for the same key.

    Args:
        key: names the sentence.
        mood: positive, negative or neutral; None takes one by the key.
        rude: with mildly rude words; None makes one sentence in three rude.
    """
    mood = _pick(_MOODS, "mood", key) if mood is None else mood
    rude = keyed_hash(0, "rude", key) % 3 == 0 if rude is None else rude
    parts = [_pick(_SUBJECTS, "subject", key), _pick(_ACTIONS, "action", key)]
    if keyed_hash(0, "length", key) % 2:
        parts.append(_pick(_WHEN, "when", key))
    fool = f"{_pick(_RUDE, 'rude word', key)} fool"
    adjective = _pick({"positive": _GOOD, "negative": _BAD}.get(mood, ("",)), "adjective", key)
    if rude and mood == "positive":  # rude words lower VADER's score: more praise weighs them up
        parts.append(f"and the {fool} found it {adjective} and {_pick(_GOOD, 'another', key)}")
    elif adjective:
        parts.append(f"and it was {adjective}" + (f" said the {fool}" if rude else ""))
    elif keyed_hash(0, "second", key) % 2:
        parts.append(f"and {_pick(_SUBJECTS, 'other', key)} {_pick(_ACTIONS, 'then', key)}")
    if mood != "neutral" and keyed_hash(0, "why", key) % 2:
        opinion = _pick(_PRAISE if mood == "positive" else _BLAME, "opinion", key)
        parts.append(f"because {opinion}")
    if rude and mood == "neutral":
        parts.append(f"like a {fool}")
    text = " ".join(parts)
    return text[0].upper() + text[1:] + _pick((".", ".", ".", "!"), "end", key)


def sentences(n: int, seed: int = 0) -> list[str]:
    """`n` sentences of all moods, about a third of them mildly rude."""
    return [sentence(f"{seed}/{i}") for i in range(n)]


def pile_documents(n: int = 300, seed: int = 0) -> list[dict[str, Any]]:
    """`n` documents in the Pile's format, of 2 to 9 sentences in one or two paragraphs.

    Every seventh holds a link, an accent and an abbreviation, so that cleaning has something to do.
    """
    documents = []
    for i in range(n):
        size = 2 + keyed_hash(seed, "document size", str(i)) % 8
        body = [sentence(f"{seed}/{i}/{j}") for j in range(size)]
        if i % 7 == 0:
            body[0] = (
                f"Dr. Élan wrote on http://example.org/{i} that {body[0][0].lower()}{body[0][1:]}"
            )
        middle = size // 2
        glue = "\n\n" if i % 3 == 0 else " "
        text = " ".join(body[:middle]) + glue + " ".join(body[middle:])
        documents.append({"text": text, "meta": {"pile_set_name": PILE_SOURCES[i % 6]}})
    return documents


def pile_jsonl(folder: Path, n: int = 300, seed: int = 0) -> list[Path]:
    """`pile_documents` in three shards: part-0.jsonl, part-1.jsonl.gz, part-2.jsonl.zst."""
    import zstandard

    folder.mkdir(parents=True, exist_ok=True)
    documents = pile_documents(n, seed)
    paths = []
    for i, ending in enumerate((".jsonl", ".jsonl.gz", ".jsonl.zst")):
        lines = [json.dumps(document, ensure_ascii=False) for document in documents[i::3]]
        data = ("\n".join(lines) + "\n").encode()
        if ending.endswith(".gz"):
            data = gzip.compress(data, mtime=0)
        elif ending.endswith(".zst"):
            data = zstandard.ZstdCompressor().compress(data)
        path = folder / f"part-{i}{ending}"
        path.write_bytes(data)
        paths.append(path)
    return paths


def build_tokenizer(vocabulary_size: int = 800) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer like GPT-2's: any text goes in and comes out unchanged."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(sentences(600), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        model_max_length=128,
        clean_up_tokenization_spaces=False,
    )


def tiny_tokenizer(folder: Path) -> Path:
    """`build_tokenizer` saved into `folder`."""
    build_tokenizer().save_pretrained(folder)
    return folder


def _model(model_name: str, config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """A model with random weights that depend on `seed` alone; global generators stay untouched."""
    import torch
    import transformers

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return getattr(transformers, model_name)(config).eval()


def tiny_gpt2(folder: Path, *, tied: bool = True, hidden: int = 32, seed: int = 0) -> Path:
    """A two-layer GPT-2 with random weights and `build_tokenizer`'s tokenizer (128 positions)."""
    from transformers import GPT2Config

    tokenizer = build_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=hidden,
        n_layer=2,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=tied,
    )
    _model("GPT2LMHeadModel", config, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_llama(folder: Path, *, tied: bool = False, hidden: int = 32, seed: int = 0) -> Path:
    """A two-layer Llama with grouped attention heads, random weights and the same tokenizer."""
    from transformers import LlamaConfig

    tokenizer = build_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=128,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=tied,
    )
    _model("LlamaForCausalLM", config, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _save_bert_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of the class that Detoxify names: whole words, else single letters.

    Its vocabulary is not trained: that of the `tokenizers` package differs from run to run.
    """
    from transformers import BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = {word.strip(".!").lower() for text in sentences(600) for word in text.split()}
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    pieces = letters + ["##" + letter for letter in letters] + sorted(words - set(letters))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(special + pieces) + "\n")
    tokenizer = BertTokenizer.from_pretrained(folder, model_max_length=64)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _save_bert(folder: Path, n_labels: int, seed: int, **config: Any) -> PreTrainedModel:
    """A two-layer BERT classifier whose every output is above 0 for half of the sentences here."""
    import torch
    from transformers import BertConfig

    tokenizer = _save_bert_tokenizer(folder)
    shape = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,  # random weights of a usual size would score every text alike
        num_labels=n_labels,
        **config,
    )
    model = _model("BertForSequenceClassification", shape, seed)
    with torch.no_grad():
        logits = model(**tokenizer(sentences(64), padding=True, return_tensors="pt")).logits
        model.classifier.bias -= logits.median(dim=0).values
    model.save_pretrained(folder)
    return model


def tiny_detoxify(
    folder: Path, *, model_type: str | None = None, seed: int = 0
) -> tuple[Path, Path]:
    """A two-layer BERT in the format of Detoxify's `original` checkpoint.

    Args:
        folder: where to write.
        model_type: what the checkpoint says its shape is: a hub name such as `bert-base-uncased` in
            the real ones. None puts the config folder, else Detoxify's own class asks the hub.
        seed: of the random weights.

    Returns:
        (checkpoint, folder of the config and the tokenizer), for `Detoxify(checkpoint=…,
        huggingface_config_path=…)`.
    """
    import torch

    config_folder = folder / "config"
    model = _save_bert(config_folder, len(ORIGINAL_CLASSES), seed)
    (config_folder / "model.safetensors").unlink()
    arch = {
        "model_type": model_type or str(config_folder),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": len(ORIGINAL_CLASSES),
    }
    checkpoint = folder / "tiny.ckpt"
    config = {
        "arch": {"args": arch},
        "dataset": {"args": {"classes": list(ORIGINAL_CLASSES_IN_CHECKPOINT)}},
    }
    torch.save({"config": config, "state_dict": model.state_dict()}, checkpoint)
    return checkpoint, config_folder


def tiny_text_classifier(
    folder: Path, labels: Sequence[str], *, problem_type: str | None = None, seed: int = 0
) -> Path:
    """A hub-format text classifier (two-layer BERT, random weights) with these label names.

    Args:
        folder: where to write.
        labels: names of the outputs, in order.
        problem_type: `regression`, `single_label_classification`, `multi_label_classification` or
            None.
        seed: of the random weights.
    """
    _save_bert(
        folder,
        len(labels),
        seed,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        problem_type=problem_type,
    )
    return folder
