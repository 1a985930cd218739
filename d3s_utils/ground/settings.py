"""What a profile can say: one frozen dataclass per section, with the default, the limits and the meaning of each key.

`profile.py` reads a YAML file into these. Limits sit in the annotation (`Annotated[int, at_least(1)]`), so that a value
out of range is reported together with what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal


@dataclass(frozen=True)
class Limit:
    """Closed interval of allowed numbers; None leaves a side open."""

    low: float | None = None
    high: float | None = None


def at_least(low: float) -> Limit:
    return Limit(low, None)


def between(low: float, high: float) -> Limit:
    return Limit(low, high)


Count = Annotated[int, at_least(1)]
Whole = Annotated[int, at_least(0)]
Share = Annotated[float, between(0.0, 1.0)]
Positive = Annotated[float, at_least(0.0)]


@dataclass(frozen=True)
class Folders:
    """Photographs in ImageNet layout: DIR/<wnid>/*.JPEG, or all in one folder with a list of their classes."""

    train: str
    val: str
    train_labels: str | None = None  # for a flat folder: a CSV with columns wnid and file, or ImageNet's devkit
    val_labels: str | None = None


@dataclass(frozen=True)
class HubDataset:
    """Photographs of a Hugging Face dataset."""

    dataset: str  # a name on the hub, or a folder that `datasets` reads
    revision: str | None = None
    train: str = "train"  # its splits ...
    val: str = "validation"
    image: str = "image"  # ... and columns
    label: str = "label"


@dataclass(frozen=True)
class Natural:
    """The photographs classifiers grow up with. In the pocket world they are rendered, with a habit."""

    habit: Share = 0.8  # probability that a class appears on its habitual background
    train_per_class: Count = 400
    val_per_class: Count = 100


@dataclass(frozen=True)
class Dataset:
    train_per_cell: Whole = 20  # images per class x background
    val_per_cell: Count = 10
    shard_size: Count = 250  # images per Parquet shard
    engine: Literal["serial", "ray"] = "serial"  # one process; or Ray, on a laptop's cores or a cluster
    generated_backgrounds: Count = 20  # pictures of each background and split, with `backgrounds: generate`


@dataclass(frozen=True)
class Generator:
    model: str = "pocket"  # "pocket", a folder in diffusers layout, or a hub name
    revision: str | None = None
    size: Annotated[int, at_least(16)] = 64  # side of guide and image, pixels
    steps: Count = 25  # DDIM steps before strength shortens them
    guidance: Positive = 5.0
    strength: Share = 0.9
    scale: Annotated[float, between(0.05, 1.0)] = 0.4  # side of the pasted photo as a fraction of `size`
    batch_size: Count = 50
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"  # what UNet and autoencoder compute in
    definition: bool = True  # whether the WordNet definition is part of the prompt
    eta: Share = 0.0  # share of DDIM's noise that is drawn anew at each step (0: none, the paper's)
    mode: Literal["img2img", "text2img", "inpainting"] = "img2img"  # inpainting keeps the object's own pixels
    guide: Literal["recipe", "paste", "mask", "background", "foreground", "none"] = "recipe"  # or another than its own
    masks: str | None = None  # for photographs: a folder of masks, or COCO's instances as JSON
    safety: bool = True  # whether the checkpoint's safety checker, if it has one, flags images; it never blanks them
    compile: bool = False  # torch.compile the UNet: slow to start, faster on a GPU


@dataclass(frozen=True)
class Realism:
    # feature space of the distances: "judge" (the pocket judge), "inception" (FID's own), "auto" (that one if its
    # weights are on disk, else the judge), or a timm model
    features: str = "judge"
    weights: str = "data/weights"  # folder of the standard networks' files; torch's cache is looked at as well
    lpips: Literal["alex", "squeeze", "vgg"] = "alex"  # backbone of LPIPS, taken where its weights are on disk
    clip: str | None = None  # a zero-shot row of the zoo that says how well images agree with their labels
    photos: Count = 1000  # images in each of the sets compared, where there are as many
    strengths: tuple[Share, ...] = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)
    per_strength: Count = 100  # images per strength in the sweep


@dataclass(frozen=True)
class Verification:
    # "auto": people's votes if this run's votes.csv holds any, else simulated ones; "csv": the file `votes`
    source: Literal["auto", "simulated", "csv"] = "auto"
    votes: str | None = None  # with source csv: the file of votes
    votes_per_image: Annotated[int, at_least(1)] = 5  # annotators who see each image
    session: Annotated[int, at_least(1)] = 25  # pictures an annotator is given at a time
    ask: Literal["all", "candidates"] = "all"  # candidates: only what every model of the panel got wrong (the paper's)
    panel: tuple[str, ...] = ()  # of classifiers, with `ask: candidates`; none named: those of the evaluation
    audit_rate: Share = 0.1  # share of the other images that is asked about as well, to know their label error
    gold: str | None = "photographs"  # pictures with known answers: held-out photographs, a CSV of yours, or none
    gold_rate: Share = 0.1  # share of a session that is gold
    gold_least: Share = 0.7  # accuracy on gold (mean over yes and no) below which an annotator is reported
    leave_out: bool = False  # whether the votes of those reported are left out
    judge: str = "pocket"  # in whose eyes simulated annotators see: "pocket", a folder, or "none": they believe
    workers: Annotated[int, at_least(3)] = 25  # simulated annotators
    spammers: Whole = 2  # those of them who do not look
    error_low: Share = 0.005  # the best simulated annotator's rate of slips
    error_high: Share = 0.08  # the worst one's


@dataclass(frozen=True)
class Evaluation:
    # with weights train: small networks, rows of evaluation/small.py; with pretrained: published rows, those of
    # evaluation/zoo.csv ("original" and "newer" are groups of them), or names of timm; none named: all rows there are
    models: tuple[str, ...] = ()
    weights: Literal["train", "pretrained"] = "train"  # train here, or take what was published
    zoo: str | None = None  # a CSV like evaluation/zoo.csv with published rows of your own
    state_dicts: str = "data/weights"  # folder of <model>.safetensors, for rows with the loader state_dict
    templates: str | None = None  # prompts for zero-shot models, one {} in each; null: evaluation/templates.txt
    epochs: Count = 4
    batch_size: Count = 64
    habits: tuple[Share, ...] = (0.6, 0.95)  # further habits for the curve, with the first of the models
    rule: Literal["unanimity", "majority", "dawid_skene"] = "majority"  # which images count as verified


@dataclass(frozen=True)
class Disentanglement:
    backbone: str = "resnet"  # a row of classifiers.ZOO, for small pictures, or a timm name
    pretrained: bool = False  # whether the backbone starts from timm's weights
    background_share: Share = 0.5  # share of the features that are background (paper: 250 of 2048)
    # rows of penalties.PENALTIES
    penalties: tuple[str, ...] = ("none", "wasserstein", "gradient_reversal", "hsic", "hsic_whitened")
    trains: Literal["projectors", "backbone"] = "projectors"  # what a penalty trains; "backbone" is the paper's way
    width: Annotated[int, at_least(2)] = 32  # features of the projectors, both parts together
    views: Count = 4  # augmented copies of each image whose frozen features are kept
    backbone_epochs: Count = 5
    backbone_batch_size: Count = 32  # D3S images per step, and as many natural ones
    warmup: Whole = 100  # steps of cross entropy alone (paper: 2 000)
    steps: Count = 400  # steps of the encoder against the penalty (paper: 100 000, those of the critic included)
    batch_size: Count = 256  # D3S images per step, and as many natural ones (paper: 32)
    critic_steps: Count = 5  # steps of the critic before each of the encoder
    lr: Positive = 0.002  # Adam, encoder and critic
    warmup_lr: Positive = 0.05  # SGD during the warm-up
    weight: Positive = 1.0  # times the weight that each penalty brings along
    # for large data and long training of a backbone:
    image_size: Annotated[int, at_least(8)] | None = None  # side of the pictures, which then stay on disk; null: memory
    precision: Literal["float32", "bfloat16"] = "float32"  # what the backbone computes in; penalties stay in float32
    save_every: Whole = 0  # steps after which a killed training can go on from where it was; 0: it starts again
    workers: Count = 1  # processes that share the images of a step through Ray Train, a GPU each where there are any


@dataclass(frozen=True)
class Probes:
    seeds: Count = 3
    hidden: Count = 128  # width of the MLP probe
    steps: Count = 300
    families: Count = 4  # counterfactual families: one seed and one guide background each ...
    foregrounds: Annotated[int, at_least(2)] = 3  # ... with so many photographs, under every background


@dataclass(frozen=True)
class Spurious:
    permutations: Count = 5
    correlations: tuple[Annotated[float, between(0.0, 1.0)], ...] = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Profile:
    """One run, complete. `name` comes from the file, not from a key."""

    name: str
    seed: Whole = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: Count = 2  # CPU threads; part of the recipe, because sums depend on their order
    foregrounds: Literal["pocket"] | Folders | HubDataset = "pocket"
    classes: int | Literal["all"] | tuple[str, ...] = 10
    backgrounds: str = "pocket"  # a folder DIR/<background>/*.jpg; or "generate": made once from text
    recipe: str = "background"  # a name in d3s_utils/recipes, or a YAML file: what the prompts say
    natural: Natural = field(default_factory=Natural)
    dataset: Dataset = field(default_factory=Dataset)
    generator: Generator = field(default_factory=Generator)
    realism: Realism = field(default_factory=Realism)
    verification: Verification = field(default_factory=Verification)
    evaluation: Evaluation = field(default_factory=Evaluation)
    disentanglement: Disentanglement = field(default_factory=Disentanglement)
    probes: Probes = field(default_factory=Probes)
    spurious: Spurious = field(default_factory=Spurious)
