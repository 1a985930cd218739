"""A generator is known by the revision asked of the hub, or by the content of its folder."""

from d3s_utils.diffusion.revision import generator_revision
from d3s_utils.ground import paths
from d3s_utils.ground.settings import Generator


def test_the_revision_of_a_folder_is_its_content(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "POCKET_WEIGHTS", tmp_path)
    assert generator_revision(Generator()) == ""
    (tmp_path / "generator" / "unet").mkdir(parents=True)
    weights = tmp_path / "generator" / "unet" / "model.safetensors"
    weights.write_bytes(b"one")
    first = generator_revision(Generator())
    weights.write_bytes(b"two")
    assert len(first) == 16 and generator_revision(Generator()) != first


def test_the_revision_of_a_name_is_the_one_asked_for():
    assert generator_revision(Generator(model="someone/a-model", revision="abc")) == "abc"
