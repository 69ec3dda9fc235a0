from src.attributes.attribute import attributes_from_args
from src.config.attributes import AttributeArgs
from src.dataset.data_set_card import data_set_card
from src.dataset.statistics import HISTOGRAM_BINS

ATTRIBUTES = attributes_from_args(
    {
        "mood": AttributeArgs.model_validate(
            {
                "scorer": {"name": "vader"},
                "labels": ["bad", "good"],
                "edges": [0.25],
                "desired": "good",
            }
        )
    }
)
ARGS = {
    "cleaning": "gentle", "min_words": 6, "context_length": 64, "sample_fraction": 0.5,
    "untagged_fraction": 0.01, "seed": 3, "excluded_sources": ["a|b"], "tokenizer": {"base": "gpt2"},
    "source": {"kind": "files", "path": "raw"},
}  # fmt: skip
STATS = {
    "documents": {"read": 12345, "used": 12000, "excluded": {"missing_text": 345}},
    "sentences": {"read": 5, "used": 4, "excluded": {"too_short": 1}},
    "splits": {
        "train": {
            "sentences": 4, "words": 40, "tokens": 55, "untagged": 1,
            "label_combinations": {"bad": 1, "good": 3},
        }
    },
    "label_combinations": {"bad": {"sentences": 1, "share": 0.25}, "good": {"sentences": 3, "share": 0.75}},
    "attributes": {
        "mood": {
            "edges": [0.25],
            "labels": {"bad": {"sentences": 1, "share": 0.25}, "good": {"sentences": 3, "share": 0.75}},
            "scores": {
                "lowest": 0.0, "highest": 1.0, "mean": 0.5, "deciles": [0.5] * 9,
                "exactly_on_an_edge": {"sentences": 1, "share": 0.25},
            },
            "histogram": {
                "bin_edges": [i / HISTOGRAM_BINS for i in range(HISTOGRAM_BINS + 1)],
                "counts": [2, 1] + [0] * (HISTOGRAM_BINS - 3) + [1],
            },
        }
    },
    "pairs": [],
    "sources": [
        {
            "source": "x | <script>alert(1)</script>\n# heading", "documents_read": 1, "documents_used": 1,
            "sentences_used": 1,
        }
    ],
}  # fmt: skip


def card():
    return data_set_card("set", ARGS, ATTRIBUTES, {"mood": {"name": "VADER"}}, STATS)


def test_the_card_shows_counts_labels_edges_and_scores():
    text = card()
    for line in (
        "| documents | read | 12,345 |  |",
        "| mood | `good` | 0.25 < score | 3 | 75.0 % | desired |".replace("<", "&lt;"),
        "| train | 4 | 40 | 55 | 1 |",
        "    0.0000          3 ████████████████████████████████████████",
        "    0.9600          1 █████████████",
        "The text belongs to its sources",
        "`<|bad|>`, `<|good|>`",
    ):
        assert line in text, line
    assert text.startswith("---\nconfigs:\n")


def test_a_source_s_name_cannot_break_out_of_its_cell():
    text = card()
    assert "| x \\| &lt;script>alert(1)&lt;/script> # heading | 1 | 1 | 1 |" in text
    assert "<script" not in text
    assert "| excluded_sources | a\\|b |" in text


def test_a_combination_too_rare_to_be_learned_is_named_with_what_to_do():
    assert "Rare among" not in card()
    train = STATS["splits"]["train"] | {"label_combinations": {"bad": 17, "good": 83}}
    rare = data_set_card(
        "set", ARGS, ATTRIBUTES, {"mood": {}}, STATS | {"splits": {"train": train}}
    )
    assert "Rare among the training sentences: `bad` (17.0%)." in rare
    assert "optimisation.draw=balanced" in rare
