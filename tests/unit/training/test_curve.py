"""The picture: the same rows give the same bytes."""

from src.training.curve import draw_curve


def rows(with_attributes):
    for step in range(1, 6):
        row = {"step": step, "tokens_seen": 100 * step, "loss": 5.0 / step}
        yield row | {"split": "train"}
        if step % 2 == 0:
            aucs = {"toxicity": 0.3 + 0.1 * step} if with_attributes else {}
            yield row | {"split": "validation", "control_auc": aucs}


def test_the_same_rows_give_the_same_picture(tmp_path):
    pictures = []
    for name, with_attributes in (("a", True), ("b", True), ("c", False)):
        path = tmp_path / f"{name}.png"
        draw_curve(list(rows(with_attributes)), path, "title")
        pictures.append(path.read_bytes())
    assert pictures[0].startswith(b"\x89PNG")
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]
    assert b"Software" not in pictures[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]


def test_a_run_without_validation_has_a_picture_too(tmp_path):
    draw_curve([row for row in rows(False) if row["split"] == "train"], tmp_path / "x.png", "t")
    assert (tmp_path / "x.png").stat().st_size > 1000
