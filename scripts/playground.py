"""Play with trained models in a browser: type a prompt, set the tokens and the contrast, compare.

    python scripts/playground.py [models/demo_none models/demo_toxsen …] [--port 7860]

Without folders, all finished runs below models/. Needs, beside requirements.txt:

    python -m pip install -r scripts/requirements_playground.txt

Nothing is sent anywhere: the page is served to this computer alone, and asks no other for anything.
"""

from __future__ import annotations

import argparse
import importlib.util
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from src.attributes.offence import veiled_at_first
from src.errors import EXIT_DONE, EXIT_FAILED, ProjectError, UnavailableError, UserError
from src.evaluation.playground.exchange import (
    HIGHEST_WEIGHT,
    LONGEST,
    MOST_SAMPLES,
    PLACEMENTS,
    Question,
)
from src.evaluation.playground.highlighting import (
    MISALIGNMENT,
    answers_html,
    message_html,
    style_sheet,
)
from src.evaluation.playground.runs import (
    all_runs,
    attributes_of_all,
    named_runs,
    offered_labels,
    offered_models,
)
from src.runtime.console import configure_logging, print_in_any_encoding
from src.runtime.cpu_threads import share_the_cores

if TYPE_CHECKING:
    import gradio

    from src.evaluation.playground.models import Playground

NOT_ASKED = "not asked"
MODELS = Path("models")
INSTALL = "python -m pip install -r scripts/requirements_playground.txt"
HEADING = (
    "# Playground\n"
    "The control tokens and the contrast steer what the models write; the scorers that labelled their "
    "training data judge it. What a model writes can be rude or wrong, and a label is a "
    "classifier's opinion."
)
PAGE_CSS = ".gradio-container { max-width: 90rem !important; }"


def build_page(
    playground: Playground,
    names: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    others: Sequence[str] = (),
    veiled: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> gradio.Blocks:
    """The page.

    Args:
        playground: answers.
        names: of its models.
        others: names of checkpoints on the way.
        labels: attribute → what can be asked for.
        veiled: attributes whose undesired sentences are blurred at first.
        problems: lines shown at the top.
    """
    import gradio as gr

    with gr.Blocks(title="Playground", analytics_enabled=False) as page:
        gr.Markdown(HEADING)
        if problems:
            gr.HTML(message_html(problems))
        controls = _controls(gr, names, others, labels)
        with gr.Row():
            colour_by = gr.Radio(
                [*labels, MISALIGNMENT], value=next(iter(labels)), label="Colour by", scale=3
            )
            veil = gr.CheckboxGroup(
                list(labels), value=list(veiled), label="Blur undesired", scale=2
            )
        answered, view = gr.State(None), gr.HTML(elem_id="answers")

        def draw(state: Any, colour: str, veil: Sequence[str]) -> str:
            if state is None:
                return ""
            return answers_html(*state, colour_by=colour, veil=veil)

        def write(values: Mapping[Any, Any]) -> tuple[Any, str]:
            given = {name: values[control] for name, control in controls.items()}
            try:
                question = question_of(given, labels)
                chosen = [*given["models"], *(given["checkpoints"] or ())]
                state = question, playground.ask(chosen, question)
            except ProjectError as problem:
                return None, message_html([str(problem)])
            return state, draw(state, values[colour_by], values[veil])

        options = {"api_visibility": "private", "concurrency_limit": 1}
        for event in (controls["button"].click, controls["prompt"].submit):
            event(write, {*controls.values(), colour_by, veil}, [answered, view], **options)
        for event in (colour_by.change, veil.change):
            event(draw, [answered, colour_by, veil], view, **options)
    return page


def _controls(
    gr: Any, names: Sequence[str], others: Sequence[str], labels: Mapping[str, Sequence[str]]
) -> dict[str, gradio.components.Component]:
    """Everything that a question is made of, by name; `label X` and `weight X` for attribute X."""
    made: dict[str, Any] = {}
    made["models"] = gr.CheckboxGroup(list(names), value=list(names)[:4], label="Models")
    made["checkpoints"] = gr.Dropdown(
        list(others),
        value=[],
        multiselect=True,
        label="Checkpoints on the way",
        visible=bool(others),
    )
    made["prompt"] = gr.Textbox(
        label="Prompt", placeholder="may be empty: the model starts a text of its own", lines=2
    )
    with gr.Row():
        for name, own in labels.items():
            with gr.Column():
                made[f"label {name}"] = gr.Radio(
                    [NOT_ASKED, *own], value=NOT_ASKED, label=f"Token of {name}"
                )
                made[f"weight {name}"] = gr.Slider(
                    0, HIGHEST_WEIGHT, value=0, step=0.25, label=f"Contrast of {name} (0: off)"
                )
    with gr.Accordion("Sampling", open=False), gr.Row():
        made["top_p"] = gr.Slider(0.05, 1, value=0.9, step=0.05, label="top_p")
        made["temperature"] = gr.Slider(0.1, 2, value=1, step=0.1, label="Temperature")
        made["min_length"] = gr.Slider(0, LONGEST, value=0, step=1, label="Fewest new tokens")
        made["max_length"] = gr.Slider(1, LONGEST, value=40, step=1, label="Most new tokens")
        made["samples"] = gr.Slider(1, MOST_SAMPLES, value=3, step=1, label="Samples")
        made["seed"] = gr.Number(0, precision=0, minimum=0, label="Seed")
        made["placement"] = gr.Radio(
            list(PLACEMENTS), value=PLACEMENTS[0], label="Where the tokens stand"
        )
    made["button"] = gr.Button("Write", variant="primary")
    return made


def question_of(given: Mapping[str, Any], labels: Mapping[str, Sequence[str]]) -> Question:
    """The question that the controls are set to.

    Raises:
        UserError: a value cannot be used.
    """
    asked = {name: given[f"label {name}"] for name in labels}
    try:
        whole = {key: int(given[key]) for key in ("min_length", "max_length", "samples", "seed")}
    except (TypeError, ValueError) as error:
        raise UserError("a number is missing", fix="fill in all fields of Sampling") from error
    return Question(
        prompt=given["prompt"] or "",
        condition={name: label for name, label in asked.items() if label != NOT_ASKED},
        weights={name: given[f"weight {name}"] for name in labels},
        top_p=given["top_p"],
        temperature=given["temperature"],
        placement=given["placement"],
        **whole,
    )


def open_to(page: gradio.Blocks, host: str, port: int) -> None:
    """Serve the page in the background.

    Raises:
        UnavailableError: the address cannot be had.
    """
    import gradio as gr

    # Named fonts are the system's own: a theme's usual ones would be asked for by the page.
    theme = gr.themes.Soft(
        primary_hue="blue",
        font=[gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")],
        font_mono=[gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")],
    )
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            show_error=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
            footer_links=[],
            max_file_size="1kb",
            theme=theme,
            css=PAGE_CSS + style_sheet(),
        )
    except OSError as error:
        raise UnavailableError(
            f"the playground cannot listen on {host}, port {port} ({error})",
            fix="choose another one with --port",
        ) from error


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path, help="folders made by main_train.py")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--keep", type=int, default=4, help="models kept in memory at a time (%(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    return parser.parse_args(argv)


def reach_without_proxy(host: str) -> None:
    """Keep requests to the page itself from the user's proxy: gradio asks it once whether it is up.

    Args:
        host: address that the page is served on.
    """
    own = ["localhost", "127.0.0.1", "::1", host]
    for name in ("no_proxy", "NO_PROXY"):  # some libraries read the one, some the other
        known = [one for one in os.environ.get(name, "").split(",") if one]
        os.environ[name] = ",".join(dict.fromkeys([*known, *own]))


def _play(flags: argparse.Namespace) -> None:
    runs, problems = (named_runs(flags.runs), []) if flags.runs else all_runs(MODELS)
    if not is_loopback(flags.host):
        print(
            f"warning: on {flags.host} everybody who reaches this computer can use the models; there is "
            "no password",
            file=sys.stderr,
        )
    from src.evaluation.playground.models import Playground

    playground = Playground(runs, keep=flags.keep, device=flags.device)
    others = [name for name in offered_models(runs) if name not in runs]
    labels, veiled = offered_labels(runs), veiled_at_first(attributes_of_all(runs))
    page = build_page(playground, list(runs), labels, others, veiled, problems)
    open_to(page, flags.host, flags.port)
    print(f"playground: {page.local_url} (stop it with Ctrl+C)", flush=True)
    page.block_thread()


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    print_in_any_encoding()
    flags = _parse(argv)
    configure_logging()
    # Before gradio is imported, which reads them then: it reports to nobody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    reach_without_proxy(flags.host)
    share_the_cores()
    try:
        if importlib.util.find_spec("gradio") is None:
            raise UserError("the playground needs gradio, which is not installed", fix=INSTALL)
        _play(flags)
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError as error:
        print(f"error: gradio cannot be used ({error}); {INSTALL}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return EXIT_DONE


if __name__ == "__main__":
    raise SystemExit(main())
