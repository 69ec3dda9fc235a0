"""Causal language models: load them with clear errors, in which number format, and which weights.

Shared by training (the base model) and evaluation (checkpoints, the reference model).
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.activations import NewGELUActivation
from transformers.utils import logging as transformers_logging

from src.artifacts.atomic_files import file_sha256, json_sha256
from src.errors import UnavailableError, UserError, first_line
from src.pretrained.hub_models import require_model, require_safetensors

logger = logging.getLogger(__name__)

Precision = Literal["bf16", "fp16", "fp32"]
_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}
_HINT = "check the name, or set a local folder (the demo's: python scripts/fetch_demo_assets.py)"


def model_config(name: str, revision: str | None = None) -> PretrainedConfig:
    """The config of a causal language model. Loads no weights.

    Args:
        name: name on the hub or local folder.
        revision: commit, tag or branch of a hub repository.

    Raises:
        UnavailableError: it is neither a local folder nor to be had from the hub.
        UserError: the folder is missing, holds no model, or one that is no causal language model.
    """
    source = source_options(name, revision)
    try:
        config = AutoConfig.from_pretrained(name, **source)
    except Exception as error:  # for this breadth see load_language_model
        raise UserError(
            f"{name!r} holds no model that can be read ({first_line(error)})",
            allowed="what save_pretrained writes: config.json, *.safetensors, the tokenizer's files",
            fix=_HINT,
        ) from error
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(
            f"model {name!r} is not a causal language model",
            got=config.model_type,
            allowed="any model of transformers' AutoModelForCausalLM, such as gpt2 or llama",
        )
    return config


def source_options(name: str, revision: str | None = None) -> dict[str, Any]:
    """Options for every `from_pretrained` of a model or tokenizer, once it is known that it can be had.

    Args:
        name: name on the hub or local folder.
        revision: commit, tag or branch of a hub repository.

    Raises:
        UserError: the name can only mean a local folder, and there is none.
        UnavailableError: it is not to be had from the hub.
    """
    parent = Path(name).parent
    # `assets/` is what set-up fetches: in a bare clone it is not there yet.
    is_a_path = name.startswith(("/", ".", "~", "assets/")) or (
        parent != Path() and parent.is_dir()
    )
    if is_a_path and not Path(name).is_dir():
        raise UserError("the folder of a model or tokenizer does not exist", got=name, fix=_HINT)
    return {
        "revision": revision,
        "local_files_only": _require_model(name, revision),
        # Else transformers asks on the terminal whether to run the code that comes with a model.
        "trust_remote_code": False,
    }


# One question to the hub for config, tokenizer and weights.
_require_model = functools.cache(require_model)


def attention_for(device: torch.device) -> str | None:
    """Attention implementation to load a model with; None leaves it to transformers.

    On a CPU the fused kernel is slow for short sequences in bf16: at 16 sentences of 33 tokens its
    backward pass takes eight times as long as plain matrix products, a tenth of a training step.
    """
    return "eager" if device.type == "cpu" else None


def load_language_model(
    name: str, revision: str | None = None, *, device: torch.device
) -> PreTrainedModel:
    """A pretrained causal language model in fp32, in evaluation mode, on the device.

    Args:
        name: name on the hub or local folder.
        revision: commit, tag or branch of a hub repository.
        device: where it goes.

    Raises:
        UnavailableError: it is neither a local folder nor to be had from the hub.
        UserError: no causal language model, or weights are missing: transformers would go on with random
            ones in their place, and only warn.
    """
    config = model_config(name, revision)
    require_safetensors(name)
    options: dict[str, Any] = {
        "dtype": torch.float32,
        "output_loading_info": True,
        "use_safetensors": True,
        "weights_only": True,
    }
    if attention_for(device) is not None:
        options["attn_implementation"] = attention_for(device)
    source = source_options(name, revision)
    with _quiet_loading():
        try:
            model, found = AutoModelForCausalLM.from_pretrained(
                name, config=config, **source, **options
            )
        except Exception as error:
            # Not narrower: of a stranger's folder whose files are not as expected, transformers lets through
            # whatever breaks first: KeyError, ZeroDivisionError, SafetensorError, StrictDataclassError …
            raise UnavailableError(
                f"the weights of model {name!r} could not be loaded ({first_line(error)})",
                fix=_HINT,
            ) from error
    lacking = sorted({*found["missing_keys"], *map(str, found.get("mismatched_keys", ()))})
    if lacking:
        raise UserError(
            f"model {name!r} lacks {len(lacking)} of its weights",
            got=", ".join(lacking[:3]),
            fix="choose a checkpoint of a causal language model, or set from_scratch: true",
        )
    return fuse_activations(model).to(device).eval()


def fuse_activations(model: PreTrainedModel) -> PreTrainedModel:
    """Let GPT-2's activation be computed in one step in place of eight; changes no weight and no config.

    It is the same function (GELU by its tanh approximation) to rounding. Apart, its steps take a twentieth of
    a training step on a CPU, most of it for writing what the next one reads.

    Args:
        model: of any kind; models without this activation stay as they are.

    Returns:
        The same model.
    """
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh"))
    return model


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """No load report and no bar: what would be reported is checked and raised by the caller."""
    verbosity = transformers_logging.get_verbosity()
    had_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bars:
            transformers_logging.enable_progress_bar()


def weights_sha256(name: str, revision: str | None = None) -> str:
    """Hex sha256 over a model's weight files, by their names and contents.

    Args:
        name: local folder, or a hub model that has been loaded on this machine.
        revision: commit, tag or branch of a hub repository.

    Raises:
        UnavailableError: no weight file is found.
    """
    folder = Path(name) if Path(name).is_dir() else _cached_snapshot(name, revision)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UnavailableError(f"no weight files of model {name!r} in {folder}")
    return json_sha256({path.name: file_sha256(path) for path in files})


def _cached_snapshot(name: str, revision: str | None) -> Path:
    from transformers.utils import cached_file

    return Path(cached_file(name, "config.json", revision=revision, local_files_only=True)).parent


def parameter_count(config: PretrainedConfig) -> int:
    """Parameters of a model of this shape, tied ones once. Takes no memory."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config).num_parameters()


# ------------------------------------------------------------------------------------ number format


def pick_precision(wanted: str, device: torch.device) -> Precision:
    """The number format of the matrix products; weights and losses stay in fp32.

    Args:
        wanted: `auto` takes bf16 where the device computes it natively, else fp32.
        device: where it is computed.

    Raises:
        UserError: the device cannot compute in the format asked for.
    """
    native = _has_native_bf16(device)
    if wanted == "auto":
        return "bf16" if native else "fp32"
    if (wanted == "fp16" and device.type != "cuda") or (
        wanted == "bf16" and device.type == "cuda" and not native
    ):
        raise UserError(
            f"device {device.type!r} does not compute in this precision",
            got=wanted,
            allowed="auto, fp32" + (", fp16" if device.type == "cuda" else ", bf16"),
        )
    return wanted  # type: ignore[return-value]  # the args model allows these formats only


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Matrix products in this precision inside the context."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, _FORMATS[precision])
