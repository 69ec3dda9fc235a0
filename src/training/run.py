"""Stage 2, wired: a labelled data set and a base model → a model that follows control tokens.

The heavy libraries are imported only where there is work to do: a finished run is found at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.artifacts.manifest import is_finished, read_manifest
from src.artifacts.output_folder import check_output
from src.artifacts.run_folder import Run
from src.artifacts.shared_run import entered_run
from src.config.training import TrainingArgs
from src.published.trained_model import CURVE, FINAL, METRICS
from src.runtime.process_group import agreed, process_group
from src.runtime.processes import is_first_of_its_machine, is_main_process
from src.training.layout import nothing_saved_yet

if TYPE_CHECKING:
    from src.training.preflight import Plan

STAGE = "training"


def train(args: TrainingArgs, *, dry_run: bool = False, overwrite: bool = False) -> str:
    """Train a model, go on with a run that was interrupted, or find it done.

    Args:
        args: the resolved args.
        dry_run: check all that can be checked without work; write nothing.
        overwrite: replace what is at `args.output`.

    Returns:
        Where the model is, with a few figures; for a dry run, what would be done.

    Raises:
        ProjectError: see `preflight`; the loss is no number; the run is another's.
    """
    if dry_run and not is_first_of_its_machine():
        return ""
    if dry_run:
        if is_finished(args.output) and not overwrite:
            check_output(args.output, STAGE, args.what_is_trained())
            return f"nothing is missing; {args.output} is there already, nothing to do"
        return _preflight(args, overwrite).describe(args)
    with process_group(args.device):
        done = agreed(is_finished(args.output))
        plan = _preflight(args, overwrite) if overwrite or not done else None
        trained = args.what_is_trained()
        run = Run(args.output, STAGE, trained, overwrite=overwrite, fits=nothing_saved_yet)
        with entered_run(run):
            if run.status == "done":
                return f"already done: {args.output}\n{_summary(args)}"
            from src.training.make_model import make_model

            assert plan is not None, "an unfinished run has been planned"
            make_model(args, plan, run)
    return _summary(args)


def _preflight(args: TrainingArgs, overwrite: bool) -> Plan:
    from src.training.preflight import preflight

    return preflight(args, overwrite=overwrite)


def _summary(args: TrainingArgs) -> str:
    if not is_main_process():
        return ""
    manifest = read_manifest(args.output, STAGE, verify=False)
    final = manifest["checkpoints"][-1]
    lines = [
        f"model: {args.output / FINAL}",
        f"  {manifest['steps']:,} steps, {manifest['tokens_trained']:,} tokens, conditioned on "
        + (", ".join(manifest["condition_on"]) or "nothing"),
    ]
    if final["loss"] is not None:
        ends = final["control_auc_interval"]
        aucs = "".join(
            f", control AUC {name} {value:.2f} [{ends[name][0]:.2f}, {ends[name][1]:.2f}]"
            for name, value in final["control_auc"].items()
        )
        lines.append(f"  validation loss {final['loss']:.3f}{aucs}")
    lines.append(f"  metrics: {args.output / METRICS}, {args.output / CURVE}")
    return "\n".join(lines)
