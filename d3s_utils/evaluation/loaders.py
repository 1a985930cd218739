"""How published weights become networks, loader by loader; nothing of what is loaded is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils.evaluation.classifiers import Preprocessing
from d3s_utils.ground import journal, paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_tensors, sha256
from d3s_utils.ground.settings import Evaluation

HERE = Path(__file__).parent
FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # what is fetched of a repository: no pickles


@dataclass(frozen=True)
class PublishedRow:
    """A published row: one model of zoo.csv.

    Attributes:
        source: repository on the hub or folder; for a state_dict the timm architecture.
        revision: of the repository; "main" is whatever is there today, and the tables say which commit that was.
        head: for a state_dict: "" where the architecture's own head is in it; else what a linear head reads, "pooled"
            features, or "class+mean": the class token beside the mean of the patches (DINO's ViT-B/8).
        origin: where the authors published a state_dict.
    """

    model: str
    group: str
    loader: str
    source: str
    revision: str
    preprocessing: Preprocessing
    head: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Loaded:
    """A published network.

    Attributes:
        commit: of the repository, or 16 hexadecimal digits of the content of a file or folder of your own.
        own: whether its classes are those of the run (zero-shot), not ImageNet's 1000.
    """

    network: nn.Module
    commit: str
    own: bool = False


def fetch(row: PublishedRow) -> tuple[Path, str]:
    """The folder of a row's source and its commit: a folder on this machine, or a snapshot from the hub, kept there.

    Raises:
        D3SError: the hub cannot be reached, or has no such repository or revision.
    """
    folder = paths.resolve(row.source)
    journal.note_input(folder)
    if folder.is_dir():
        return folder, content_hash(
            sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors"))
        )
    from huggingface_hub import snapshot_download

    try:
        location = Path(snapshot_download(row.source, revision=row.revision or None, allow_patterns=FILES))
    except Exception as error:  # the hub's client and its HTTP library raise many kinds
        raise _unavailable(row, error) from error
    return location, location.name


def content_hash(files: Sequence[Path]) -> str:
    return digest([[path.name, sha256(path)] for path in files])


def _unavailable(row: PublishedRow, error: Exception) -> D3SError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    return D3SError(
        f"The weights of {row.model} ({row.source}) could not be loaded ({reason}); "
        "go online once so that they are kept, or give their folder in a row of evaluation.zoo."
    )


def load_timm(row: PublishedRow, names: list[str], evaluation: Evaluation) -> Loaded:
    """A timm repository or folder: config.json and model.safetensors."""
    import timm

    folder, commit = fetch(row)
    try:
        return Loaded(timm.create_model(f"local-dir:{folder}", pretrained=True), commit)
    except Exception as error:  # whatever an architecture finds wrong with its weights
        raise _unavailable(row, error) from error


def load_transformers(row: PublishedRow, names: list[str], evaluation: Evaluation) -> Loaded:
    """An image classifier of transformers."""
    from transformers import AutoModelForImageClassification

    folder, commit = fetch(row)
    try:
        model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except Exception as error:
        raise _unavailable(row, error) from error
    return Loaded(_Logits(model), commit)


def load_open_clip(row: PublishedRow, names: list[str], evaluation: Evaluation) -> Loaded:
    """CLIP, SigLIP and their kin in open_clip's layout, zero-shot."""
    import open_clip

    folder, commit = fetch(row)
    try:
        model = open_clip.create_model(f"local-dir:{folder}", precision="fp32").eval()
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    except Exception as error:
        raise _unavailable(row, error) from error
    text = text_weights(lambda prompts: model.encode_text(tokenizer(prompts)), names, evaluation)
    return Loaded(ZeroShot(_Encoder(model, model.encode_image), text), commit, own=True)


def load_flava(row: PublishedRow, names: list[str], evaluation: Evaluation) -> Loaded:
    """FLAVA's image and text towers, zero-shot in the space they were contrasted in (Singh et al., 2022)."""
    from transformers import AutoTokenizer, FlavaModel

    folder, commit = fetch(row)
    try:
        model = FlavaModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise _unavailable(row, error) from error

    def encode(prompts: list[str]) -> Tensor:
        tokens = tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        return model.get_text_features(**tokens).pooler_output[:, 0]

    def see(pixels: Tensor) -> Tensor:
        return model.get_image_features(pixels).pooler_output[:, 0]

    return Loaded(ZeroShot(_Encoder(model, see), text_weights(encode, names, evaluation)), commit, own=True)


def load_state_dict(row: PublishedRow, names: list[str], evaluation: Evaluation) -> Loaded:
    """A timm architecture with the weights of `evaluation.state_dicts`/<model>.safetensors."""
    import timm

    path = paths.resolve(evaluation.state_dicts) / f"{row.model}.safetensors"
    journal.note_input(path)
    if not path.is_file():
        raise D3SError(
            f"There are no weights of {row.model} at {path}; get them from {row.origin or 'their authors'} and run "
            f"python -m d3s_utils convert {row.model} FILE ..."
        )
    state = read_tensors(path)
    network = timm.create_model(row.source, num_classes=0 if row.head else 1000)
    if row.head:
        network = LinearHead(network, row.head, state["head.weight"].shape[0] if "head.weight" in state else 1000)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise D3SError(f"{path} does not fit {row.source} ({reason}); convert it again.") from error
    return Loaded(network, content_hash([path]))


LOADERS: dict[str, Callable[[PublishedRow, list[str], Evaluation], Loaded]] = {
    "timm": load_timm,
    "transformers": load_transformers,
    "open_clip": load_open_clip,
    "flava": load_flava,
    "state_dict": load_state_dict,
}
ZERO_SHOT = ("open_clip", "flava")
HEADS = ("", "pooled", "class+mean")


class _Logits(nn.Module):
    """A classifier of transformers that returns its scores alone."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixel_values=pixels).logits


class _Encoder(nn.Module):
    """One function of a model, as a network that carries the model's weights."""

    def __init__(self, model: nn.Module, see: Callable[[Tensor], Tensor]):
        super().__init__()
        self.model, self.see = model, see

    def forward(self, pixels: Tensor) -> Tensor:
        return self.see(pixels)


class ZeroShot(nn.Module):
    """Cosine of an image with the words for each class, times 100 (CLIP's temperature; only p depends on it)."""

    def __init__(self, image: nn.Module, text: Tensor):
        """text: (K, D), one direction per class."""
        super().__init__()
        self.image = image
        self.register_buffer("text", text)

    def forward(self, pixels: Tensor) -> Tensor:
        return 100 * F.normalize(self.image(pixels), dim=1) @ self.text.T


class LinearHead(nn.Module):
    """A linear head on the features of a timm backbone, as DINO's authors evaluate them (Caron et al., 2021)."""

    def __init__(self, backbone: nn.Module, reads: str, classes: int):
        """reads: "pooled" features, or "class+mean"."""
        super().__init__()
        self.backbone, self.reads = backbone, reads
        self.head = nn.Linear(backbone.num_features * (2 if reads == "class+mean" else 1), classes)

    def forward(self, pixels: Tensor) -> Tensor:
        if self.reads == "pooled":
            return self.head(self.backbone(pixels))
        tokens = self.backbone.forward_features(pixels)
        first = self.backbone.num_prefix_tokens
        return self.head(torch.cat([tokens[:, 0], tokens[:, first:].mean(1)], dim=1))


def templates(evaluation: Evaluation) -> list[str]:
    """The prompts a class name is put into, one "{}" in each.

    Raises:
        D3SError: the file is missing or a line lacks its "{}".
    """
    path = paths.resolve(evaluation.templates) if evaluation.templates else HERE / "templates.txt"
    journal.note_input(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise D3SError(f"evaluation.templates: {path} cannot be read; give a text file, one prompt a line.") from error
    lines = [line for line in lines if line and not line.startswith("#")]
    wrong = [line for line in lines if line.count("{}") != 1]
    if wrong or not lines:
        raise D3SError(
            f"evaluation.templates: {path}: {(wrong or ['no line'])[0]!r} needs one {{}} for the class name."
        )
    return lines


@torch.inference_mode()
def text_weights(encode: Callable[[list[str]], Tensor], names: list[str], evaluation: Evaluation) -> Tensor:
    """One direction per class (K, D): the mean over the templates of the text features (CLIP, section 3.1.4)."""
    rows = []
    for name in names:
        features = F.normalize(encode([template.replace("{}", name) for template in templates(evaluation)]), dim=1)
        rows.append(F.normalize(features.mean(0), dim=0))
    return torch.stack(rows)
