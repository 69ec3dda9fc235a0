"""Tokenizers that users bring: decoders that take a space, ids with gaps, vocabularies without all bytes."""

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from tests.builders import END_OF_TEXT, sentences

TEXTS = sentences(300)


def trained(tokenizer, size=400, **options):
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>", END_OF_TEXT], show_progress=False, **options
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def fast(tokenizer, **more):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, **more)


def llama2():
    """Sentencepiece's ways: a space in front of every text, which the decoder takes away again."""
    inner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    inner.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return fast(trained(inner), unk_token="<unk>")


def metaspace():
    """Llama's later form of the same: T5's, Gemma 1's."""
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    inner.decoder = decoders.Metaspace(prepend_scheme="first")
    return fast(trained(inner), unk_token="<unk>")


def wordpieces():
    """BERT's: its decoder puts spaces between words, and none before punctuation."""
    words = sorted({word for text in TEXTS for word in text.replace(".", " . ").split()})
    entries = ["[UNK]", END_OF_TEXT, *words, *(f"##{i}" for i in "abcdefghijklmnopqrstuvwxyz")]
    inner = Tokenizer(
        models.WordPiece({one: i for i, one in enumerate(entries)}, unk_token="[UNK]")
    )
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    return fast(inner, unk_token="[UNK]")


def byte_level(alphabet=True):
    """GPT-2's kind; without its alphabet only the bytes of the training texts are known."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    return fast(trained(inner, initial_alphabet=letters))


def words(unknown=None, gap=0, jump_at=50):
    """Whole words; from the 50th on, ids jump over `gap` numbers."""
    listed = sorted({word.strip(".!") for text in TEXTS for word in text.split()})
    entries = [END_OF_TEXT, *([unknown] if unknown else []), *listed]
    ids = {one: i + gap * (i >= jump_at) for i, one in enumerate(entries)}
    inner = Tokenizer(models.WordLevel(ids, unk_token=unknown or "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return fast(inner, **({"unk_token": unknown} if unknown else {}))


def words_and_one_added_far_away():
    """Ids with a gap that new tokens do not fall into: they follow the largest added one."""
    tokenizer = words("<unk>")
    size = len(tokenizer)
    tokenizer.add_tokens([AddedToken(f"<extra-{i}>") for i in range(3)])
    assert max(tokenizer.get_vocab().values()) == size + 2
    return tokenizer
