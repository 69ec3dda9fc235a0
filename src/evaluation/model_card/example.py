"""The code example of a model card: plain transformers, the same ids as in training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

EXAMPLE = """\
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # the folder of this card
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder).eval()

prompt = "The film"  # may be empty
condition = {condition}
start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
text = tokenizer(prompt, add_special_tokens=False, split_special_tokens=True)["input_ids"]
tokens = tokenizer.convert_tokens_to_ids(condition)
ids = torch.tensor([{ids}])
written = model.generate(
    ids,
    attention_mask=torch.ones_like(ids),
    do_sample=True,
{options}
)
print(tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))
"""
ORDERS = {
    "after_prompt": "[start, *text, *tokens]",
    "before_prompt": "[start, *tokens, *text]",
}


def example_of(condition: Sequence[str], placement: str, decoding: Mapping[str, Any]) -> str:
    """A program that prompts the model as the evaluation did.

    Args:
        condition: control tokens, in the attributes' order.
        placement: `after_prompt` or `before_prompt`.
        decoding: args of a decoding without contrast; {} takes top_p 0.9 and 40 tokens.
    """
    options = {
        "top_p": decoding.get("top_p", 0.9),
        "top_k": decoding.get("top_k", 0),
        "temperature": decoding.get("temperature", 1.0),
        "max_new_tokens": decoding.get("max_length", 40),
    }
    if decoding.get("min_length"):
        options["min_new_tokens"] = decoding["min_length"]
    if decoding.get("no_repeat_ngram_size"):
        options["no_repeat_ngram_size"] = decoding["no_repeat_ngram_size"]
    lines = "\n".join(f"    {key}={value!r}," for key, value in options.items())
    quoted = ", ".join(f'"{token}"' for token in condition)
    return EXAMPLE.format(condition=f"[{quoted}]", ids=ORDERS[placement], options=lines)
