"""The published models: every row of the zoo, every loader on a small checkpoint of its format, what is missing."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from conftest import CLIP_VIT, save_clip, write_zoo

from d3s_utils.cli.convert import convert
from d3s_utils.cli.parser import main
from d3s_utils.evaluation import loaders, published
from d3s_utils.evaluation.classifiers import Preprocessing
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_tensors
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.settings import Evaluation
from d3s_utils.ground.words import CLASSES

TWO = CLASSES.head(2).reset_index(drop=True)
ROWS = published.read_rows()


def profile_of(path, folder):
    return load_profile(
        "pocket", f"evaluation.weights=pretrained evaluation.zoo={path} evaluation.state_dicts={folder}"
    )


def classifier_of(name, classes, profile):
    return published.published_classifier(name, classes, profile.evaluation, profile.device)


def some_images(n=3, side=48):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


# Rows -----------------------------------------------------------------------------------------------------------------


def test_the_zoo_holds_the_papers_34_and_more_than_ten_newer():
    groups = [row.group for row in ROWS.values()]
    assert groups.count("original") == 34 and groups.count("newer") >= 10


@pytest.mark.parametrize("name", ROWS)
def test_every_row_resolves_in_the_installed_libraries(name):
    import open_clip.pretrained
    import transformers

    row = ROWS[name]
    if row.loader == "timm":
        architecture = row.source.removeprefix("timm/")
        config = timm.get_pretrained_cfg(architecture, allow_unregistered=False)
        assert config.hf_hub_id and config.num_classes == 1000
        assert row.preprocessing == published._timm_preprocessing(architecture)
    elif row.loader == "state_dict":
        assert timm.is_model(row.source) and row.origin.startswith("https://")
    elif row.loader == "open_clip":
        tags = [tag for model in open_clip.pretrained._PRETRAINED.values() for tag in model.values()]
        tag = next(tag for tag in tags if tag.get("hf_hub", "").strip("/") == row.source)
        assert row.preprocessing.mean == tuple(tag["mean"]) and row.preprocessing.std == tuple(tag["std"])
    elif row.loader == "flava":
        assert transformers.FlavaModel.config_class.model_type == "flava"
    else:
        assert "dinov2" in row.source and transformers.Dinov2ForImageClassification


def test_a_model_of_timm_needs_no_row():
    row = published.find_row("resnet18.tv_in1k", Evaluation())
    assert (row.loader, row.source, row.preprocessing.size) == ("timm", "timm/resnet18.tv_in1k", 224)
    assert published.find_row("resnet18", Evaluation()).source == "timm/resnet18.a1_in1k"


def test_an_unknown_model_is_named_with_the_nearest_known_one():
    with pytest.raises(D3SError, match="dino_resnet5O.*did you mean dino_resnet50"):
        published.find_row("dino_resnet5O", Evaluation())


@pytest.mark.parametrize(
    "line, said",
    [
        ("a,mine,magic,x,,32,1.0,bicubic,0 0 0,1 1 1,,", "line 2: there is no loader 'magic'"),
        ("a,mine,timm,x,,32,1.0,lanczos,0 0 0,1 1 1,,", "line 2: interpolation 'lanczos'"),
        ("a,mine,timm,x,,big,1.0,bicubic,0 0 0,1 1 1,,", "line 2: invalid literal"),
        ("a,mine,timm,x,,32,1.0,bicubic,0 0,1 1 1,,", "line 2: '0 0' should be three"),
        ("a,mine,state_dict,x,,32,1.0,bicubic,0 0 0,1 1 1,mlp,", "line 2: there is no head 'mlp'"),
        ("original,mine,timm,x,,32,1.0,bicubic,0 0 0,1 1 1,,", "line 2: original is taken"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, line, said):
    path = write_zoo(tmp_path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(D3SError, match=said):
        published.read_rows(path)


def test_a_zoo_without_a_column_says_which(tmp_path):
    (tmp_path / "zoo.csv").write_text("model,group\na,b\n")
    with pytest.raises(D3SError, match="lacks the column loader"):
        published.read_rows(tmp_path / "zoo.csv")


# Preprocessing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crop, interpolation", [(0.875, "bilinear"), (0.95, "bicubic"), (1.0, "bicubic")])
def test_preprocessing_is_timms_own_up_to_rounding(crop, interpolation):
    from PIL import Image

    smooth = Image.fromarray(some_images(1, 9)[0]).resize((300, 300), Image.Resampling.BICUBIC)
    ours = Preprocessing(224, (0.5,) * 3, (0.5,) * 3, crop, interpolation)(torch.from_numpy(np.array(smooth))[None])
    transform = timm.data.create_transform(
        (3, 224, 224), interpolation=interpolation, crop_pct=crop, mean=(0.5,) * 3, std=(0.5,) * 3
    )
    assert ours.shape == (1, 3, 224, 224)
    assert (ours[0] - transform(smooth)).abs().max() < 0.02  # two grey levels of 255, in units of std


# Loaders --------------------------------------------------------------------------------------------------------------


def save_timm(folder):
    from timm.models import save_for_hf

    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=1000)
    save_for_hf(model, folder, safe_serialization=True)
    return model


def save_dinov2(folder):
    from transformers import Dinov2Config, Dinov2ForImageClassification

    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8, num_labels=1000
    )
    Dinov2ForImageClassification(config).save_pretrained(folder)


def save_flava(folder):
    from transformers import BertTokenizer, FlavaConfig, FlavaModel

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    image = small | {"image_size": 32, "patch_size": 8}
    config = FlavaConfig(
        text_config=small | {"vocab_size": 40},
        image_config=image,
        multimodal_config=small,
        projection_dim=16,
        hidden_size=16,
    )
    FlavaModel(config).save_pretrained(folder)
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "a",
        "photo",
        "of",
        "the",
        "granny",
        "smith",
        "mushroom",
        ".",
    ]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)


CLIP_RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}


@pytest.mark.parametrize(
    "loader, save",
    [
        ("timm", save_timm),
        ("transformers", save_dinov2),
        ("open_clip", lambda folder: save_clip(folder, CLIP_VIT)),
        ("open_clip", lambda folder: save_clip(folder, CLIP_RESNET)),
        ("flava", save_flava),
    ],
)
def test_a_small_checkpoint_of_each_format_scores_the_classes_of_the_run(tmp_path, loader, save):
    save(tmp_path / "small")
    path = write_zoo(tmp_path, ("small", loader, tmp_path / "small", ""))
    classifier = classifier_of("small", TWO, profile_of(path, tmp_path))
    scores = classifier.logits(some_images())
    assert scores.shape == (3, 2) and np.isfinite(scores).all() and len(np.unique(scores)) > 2
    assert len(classifier.revision) == 16


def test_another_weight_is_another_recipe(tmp_path):
    save_timm(tmp_path / "small")
    path = write_zoo(tmp_path, ("small", "timm", tmp_path / "small", ""))
    before = classifier_of("small", TWO, profile_of(path, tmp_path)).key
    (tmp_path / "small" / "note.json").write_text("{}")
    assert classifier_of("small", TWO, profile_of(path, tmp_path)).key != before


def test_zero_shot_models_name_classes_of_your_own_and_others_cannot(tmp_path):
    save_clip(tmp_path / "clip", CLIP_VIT)
    save_timm(tmp_path / "resnet")
    path = write_zoo(
        tmp_path, ("clip", "open_clip", tmp_path / "clip", ""), ("resnet", "timm", tmp_path / "resnet", "")
    )
    own = pd.DataFrame({"class_name": ["my dog", "<script>", "a {} cat"], "imagenet_index": [-1, -1, -1]})
    assert classifier_of("clip", own, profile_of(path, tmp_path)).logits(some_images()).shape == (3, 3)
    with pytest.raises(D3SError, match="my dog is no ImageNet class.*weights of resnet"):
        classifier_of("resnet", own, profile_of(path, tmp_path))


def test_zero_shot_finds_the_class_whose_words_lie_nearest():
    text = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), dim=1)
    network = loaders.ZeroShot(torch.nn.Flatten(), text)
    assert network(torch.tensor([[[[3.0]], [[0.1]]], [[[1.0]], [[2.0]]]])).argmax(1).tolist() == [0, 1]


def test_templates_are_data_with_one_place_for_the_class(tmp_path):
    assert len(loaders.templates(Evaluation())) == 7
    (tmp_path / "mine.txt").write_text("# mine\na drawing of a {}\n\n")
    assert loaders.templates(Evaluation(templates=str(tmp_path / "mine.txt"))) == ["a drawing of a {}"]
    (tmp_path / "mine.txt").write_text("a drawing\n")
    with pytest.raises(D3SError, match="'a drawing' needs one"):
        loaders.templates(Evaluation(templates=str(tmp_path / "mine.txt")))


# State dicts ----------------------------------------------------------------------------------------------------------


def test_a_robust_checkpoint_is_converted_without_its_wrappers(tmp_path):
    model = timm.create_model("resnet10t", num_classes=1000)
    state = {f"module.model.{key}": value for key, value in model.state_dict().items()}
    state |= {f"module.attacker.model.{key}": value + 1 for key, value in model.state_dict().items()}
    torch.save({"model": state | {"module.normalizer.new_mean": torch.zeros(3)}, "epoch": 3}, tmp_path / "robust.ckpt")
    path = write_zoo(tmp_path, ("robust", "state_dict", "resnet10t", ""))
    profile = profile_of(path, tmp_path / "weights")
    assert (
        convert("robust", [tmp_path / "robust.ckpt"], profile.evaluation) == tmp_path / "weights" / "robust.safetensors"
    )
    classifier = classifier_of("robust", TWO, profile)
    images = some_images()
    wanted = model.eval()(classifier.preprocessing(torch.from_numpy(images))).detach()
    np.testing.assert_allclose(classifier.logits(images), wanted[:, TWO["imagenet_index"].tolist()], atol=1e-5)


@pytest.mark.parametrize(
    "architecture, reads, width", [("resnet10t", "pooled", 512), ("vit_tiny_patch16_224", "class+mean", 384)]
)
def test_a_backbone_and_its_linear_head_become_one_file(tmp_path, architecture, reads, width):
    torch.save(timm.create_model(architecture, num_classes=0).state_dict(), tmp_path / "backbone.pth")
    head = {"module.linear.weight": torch.randn(1000, width), "module.linear.bias": torch.randn(1000)}
    torch.save({"state_dict": head, "epoch": 1}, tmp_path / "head.pth")
    path = write_zoo(tmp_path, ("dino", "state_dict", architecture, reads))
    path.write_text(path.read_text().replace(",32,", ",224,"))
    profile = profile_of(path, tmp_path)
    convert("dino", [tmp_path / "backbone.pth", tmp_path / "head.pth"], profile.evaluation)
    assert classifier_of("dino", TWO, profile).logits(some_images(2)).shape == (2, 2)


def test_a_missing_state_dict_says_where_it_belongs_and_how_it_is_made(tmp_path):
    profile = load_profile("paper", f"evaluation.state_dicts={tmp_path}")
    with pytest.raises(D3SError, match=r"dino_vitb8\.safetensors; get them from https.*convert dino_vitb8"):
        classifier_of("dino_vitb8", TWO, profile)


def test_weights_that_do_not_fit_are_not_kept(tmp_path):
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "bad.pth")
    path = write_zoo(tmp_path, ("bad", "state_dict", "resnet10t", ""))
    with pytest.raises(D3SError, match="does not fit resnet10t"):
        convert("bad", [tmp_path / "bad.pth"], profile_of(path, tmp_path).evaluation)
    assert not (tmp_path / "bad.safetensors").exists()


class Trap:
    def __reduce__(self):
        return (open, ("trap-was-sprung", "w"))


def test_a_pickle_that_runs_code_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
    assert main(["convert", "resnet50_l2", str(tmp_path / "trap.pth")]) == 1
    assert "without running code" in capsys.readouterr().err and not (tmp_path / "trap-was-sprung").exists()


def test_only_state_dicts_are_converted():
    with pytest.raises(D3SError, match="resnet50 is loaded by timm"):
        convert("resnet50", [], Evaluation())


# Without the hub ------------------------------------------------------------------------------------------------------


def test_weights_that_cannot_be_fetched_name_the_model_and_the_mend(monkeypatch):
    import huggingface_hub

    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(D3SError, match=r"weights of flava .*no route to host.*go online once"):
        classifier_of("flava", TWO, load_profile("paper"))


# End to end -----------------------------------------------------------------------------------------------------------


def test_a_zoo_of_every_loader_predicts_and_what_is_missing_is_told(tmp_path, monkeypatch):
    from d3s_utils.evaluation.models import evaluate
    from d3s_utils.evaluation.predict import ImageSet
    from d3s_utils.generation.world import open_photos
    from d3s_utils.ground.run import Run

    save_timm(tmp_path / "resnet")
    save_dinov2(tmp_path / "dinov2")
    save_clip(tmp_path / "clip", CLIP_VIT)
    save_flava(tmp_path / "flava")
    (tmp_path / "weights").mkdir()
    small = timm.create_model("resnet10t", num_classes=1000)
    write_tensors(tmp_path / "weights" / "robust.safetensors", small.state_dict())
    path = write_zoo(
        tmp_path, ("resnet", "timm", tmp_path / "resnet", ""), ("dino2", "transformers", tmp_path / "dinov2", ""),
        ("clip", "open_clip", tmp_path / "clip", ""), ("bert", "flava", tmp_path / "flava", ""),
        ("robust", "state_dict", "resnet10t", ""), ("lost", "state_dict", "resnet10t", ""),
    )  # fmt: skip
    profile = load_profile(
        "smoke",
        f"classes=2 evaluation.weights=pretrained evaluation.zoo={path} evaluation.state_dicts={tmp_path}/weights "
        "evaluation.models=[resnet,dino2,clip,bert,robust,lost]",
    )
    run = Run(profile, "03_classifier_evaluation", tmp_path / "run")
    ids = list("abc")
    table = pd.DataFrame({"image_id": ids, "label": [0, 1, 0], "background": None, "foreground_source": ids})
    sets = {"natural": ImageSet("natural", table, lambda ids: some_images(len(ids)), "key")}
    photos = open_photos(profile)
    rows = evaluate(run, photos, sets)
    assert list(rows["model"].unique()) == ["resnet", "dino2", "clip", "bert", "robust"]
    assert rows["guess"].isin([0, 1]).all() and rows[["p_label", "p_guess"]].stack().between(0, 1).all()
    told = pd.read_csv(tmp_path / "run" / "tables" / "03_classifier_evaluation_models.csv", keep_default_na=False)
    assert list(told.loc[told["reason"] != "", "model"]) == ["lost"]

    monkeypatch.setattr("d3s_utils.evaluation.predict.predict", lambda *args: pytest.fail("predicted again"))
    pd.testing.assert_frame_equal(evaluate(run, photos, sets), rows)  # what is there is not computed again
