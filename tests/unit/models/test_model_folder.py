"""Which file or folder a model's name means; every command looks in the same places."""

from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.models.model_folder import SHIPPED_MODELS, local_place, model_folder, where
from probekit.models.transformer_source import open_transformer
from trainer.planning.architectures import architecture


def test_a_shipped_model_comes_before_a_path_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sprite-base").mkdir()
    assert where("sprite-base") == SHIPPED_MODELS / "sprite-base"
    assert where("./sprite-base") == Path("sprite-base")
    assert where(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", [".", "..", "./.."])
def test_a_path_that_begins_with_a_dot_is_never_the_shipped_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert where(name).resolve() in (tmp_path, tmp_path.parent)


def test_a_name_that_is_nothing_is_refused_by_every_reader() -> None:
    assert local_place("sprite-nonsense") is None
    with pytest.raises(UserError, match="sprite-nonsense"):
        where("sprite-nonsense")
    with pytest.raises(UserError, match="sprite-base"):
        model_folder("sprite-nonsense")
    with pytest.raises(UserError, match="sprite-nonsense"):
        open_transformer("sprite-nonsense")
    with pytest.raises(UserError, match="sprite-nonsense"):
        architecture("sprite-nonsense", "sprite-nonsense")


def test_weights_and_their_plan_are_read_from_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sprite-base", "sprite-large"):
        opened = open_transformer(name)
        assert opened.path == SHIPPED_MODELS / name / "transformer"
        assert opened.config["num_layers"] == architecture(name, name)["num_layers"]
