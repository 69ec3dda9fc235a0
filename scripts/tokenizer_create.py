"""Make the folder that `tokenizer.folder` names: the base model's tokenizer with the control tokens.

    python scripts/tokenizer_create.py [args/args_dataset_full]

A second run finds it done; with other attributes in the args file it is made again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.config.dataset import DatasetArgs
from src.config.loading import load_args
from src.errors import EXIT_DONE, ProjectError, UserError
from src.runtime.console import configure_logging, print_in_any_encoding

# What transformers saves for a tokenizer of any kind.
TOKENIZER_FILES = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "chat_template.jinja",
}


def create_tokenizer(args: DatasetArgs) -> str:
    """Make the tokenizer's folder, or find it done.

    Args:
        args: of a data set; its `tokenizer` and the labels of its `attributes` are used.

    Returns:
        What was done, for the user.

    Raises:
        UserError: the args name no folder.
        UnavailableError: the base tokenizer is neither a folder nor to be had from the hub.
    """
    from src.dataset.preflight import attributes_without_edges
    from src.models.control_tokens import control_tokens_of, load_tokenizer, tokenizer_fingerprint
    from src.pretrained.hub_models import require_model

    if args.tokenizer.folder is None:
        raise UserError(
            "tokenizer.folder is null: the control tokens are added to tokenizer.base at every use, so "
            "there is nothing to make"
        )
    folder = Path(args.tokenizer.folder)
    require_model(args.tokenizer.base)  # answers in seconds where the hub cannot be reached
    attributes = attributes_without_edges(args)
    tokenizer = load_tokenizer(args.tokenizer.base, attributes)
    made = f"{args.tokenizer.base} with {' '.join(control_tokens_of(attributes))}, {len(tokenizer)} tokens"
    if _is_made(folder, tokenizer_fingerprint(tokenizer)):
        return f"already done: {folder} ({made})"
    _check_replaceable(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return f"tokenizer: {folder} ({made})"


def _is_made(folder: Path, fingerprint: str) -> bool:
    from src.models.control_tokens import load_tokenizer, tokenizer_fingerprint

    if not folder.is_dir():
        return False
    try:
        return tokenizer_fingerprint(load_tokenizer(str(folder))) == fingerprint
    except ProjectError:  # whatever is there is no tokenizer that can be loaded: it is made again
        return False


def _check_replaceable(folder: Path) -> None:
    """Raises UserError where the folder holds more than a tokenizer: replacing it would delete that."""
    if folder.exists() and not folder.is_dir():
        raise UserError(
            "tokenizer.folder is a file", got=str(folder), fix="set a folder of its own"
        )
    others = sorted(p.name for p in folder.glob("*") if p.name not in TOKENIZER_FILES)
    if others:
        raise UserError(
            f"tokenizer.folder {folder} holds more than a tokenizer and is not replaced",
            got=", ".join(others[:5]),
            fix="set tokenizer.folder to a folder of its own",
        )


def main(argv: list[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    print_in_any_encoding()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "args_file",
        nargs="?",
        default="args/args_dataset_full",
        help="args file of a data set; .yaml may be left out (default: %(default)s)",
    )
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="wins over the file")
    flags = parser.parse_args(argv)
    configure_logging()
    try:
        print(create_tokenizer(load_args(DatasetArgs, flags.args_file, flags.overrides)))
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: the tokenizer cannot be written: {error}", file=sys.stderr)
        return 1
    return EXIT_DONE


if __name__ == "__main__":
    raise SystemExit(main())
