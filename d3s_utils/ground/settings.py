"""What a profile can say: one frozen class per section, with the default, the limits and the meaning of each key.

`profile.py` reads a YAML file into these. Limits sit in the annotation, so that a value out of range is reported
together with what is allowed. Nothing is converted: "1" is no number, and true is no whole one. While a notebook is
watched, each key that it reads is noted in its journal.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from d3s_utils.ground import journal

KEYS: dict[tuple[type, str], str] = {}  # class and attribute -> dotted key, such as "generator.strength"

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(ge=0)]

settings = dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))


class Settings:
    """What every section is, and the profile itself. A key that is read while a journal is kept is noted there."""

    def __getattribute__(self, name: str) -> object:
        if "D3S_JOURNAL" in os.environ and (key := KEYS.get((type(self), name))):
            journal.note_setting(key)
        return object.__getattribute__(self, name)


@settings
class Folders(Settings):
    """Photographs in ImageNet layout: DIR/<wnid>/*.JPEG, or all in one folder with a list of their classes."""

    train: str
    val: str
    train_labels: str | None = None  # for a flat folder: a CSV with columns wnid and file, or ImageNet's devkit
    val_labels: str | None = None


@settings
class HubDataset(Settings):
    """Photographs of a Hugging Face dataset."""

    dataset: str  # a name on the hub, or a folder that `datasets` reads
    revision: str | None = None
    train: str = "train"  # its splits ...
    val: str = "validation"
    image: str = "image"  # ... and columns
    label: str = "label"


@settings
class Natural(Settings):
    """The photographs classifiers grow up with. In the pocket world they are rendered, with a habit."""

    habit: Share = 0.8  # probability that a class appears on its habitual background
    train_per_class: Count = 400
    val_per_class: Count = 100


@settings
class Dataset(Settings):
    train_per_cell: Whole = 20  # images per class x background
    val_per_cell: Count = 10
    shard_size: Count = 250  # images per Parquet shard
    engine: Literal["serial", "ray"] = "serial"  # one process; or Ray, on a laptop's cores or a cluster
    generated_backgrounds: Count = 20  # pictures of each background and split, with `backgrounds: generate`


@settings
class Generator(Settings):
    model: str = "pocket"  # "pocket", a folder in diffusers layout, or a hub name
    revision: str | None = None
    size: Annotated[int, Field(ge=16)] = 64  # side of guide and image, pixels
    steps: Count = 25  # DDIM steps before strength shortens them
    guidance: Positive = 5.0
    strength: Share = 0.9
    scale: Annotated[float, Field(ge=0.05, le=1.0)] = 0.4  # side of the pasted photo as a fraction of `size`
    batch_size: Count = 50
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"  # what UNet and autoencoder compute in
    definition: bool = True  # whether the WordNet definition is part of the prompt
    eta: Share = 0.0  # share of DDIM's noise that is drawn anew at each step (0: none, the paper's)
    mode: Literal["img2img", "text2img", "inpainting"] = "img2img"  # inpainting keeps the object's own pixels
    guide: Literal["recipe", "paste", "mask", "background", "foreground", "none"] = "recipe"  # or another than its own
    masks: str | None = None  # for photographs: a folder of masks, or COCO's instances as JSON
    safety: bool = True  # whether the checkpoint's safety checker, if it has one, flags images; it never blanks them
    compile: bool = False  # torch.compile the UNet: slow to start, faster on a GPU


@settings
class Realism(Settings):
    # feature space of the distances: "judge" (the pocket judge), "inception" (FID's own), "auto" (that one if its
    # weights are on disk, else the judge), or a timm model
    features: str = "judge"
    weights: str = "data/weights"  # folder of the standard networks' files; torch's cache is looked at as well
    lpips: Literal["alex", "squeeze", "vgg"] = "alex"  # backbone of LPIPS, taken where its weights are on disk
    clip: str | None = None  # a zero-shot row of the zoo that says how well images agree with their labels
    photos: Count = 1000  # images in each of the sets compared, where there are as many
    strengths: tuple[Share, ...] = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)
    per_strength: Count = 100  # images per strength in the sweep


@settings
class Verification(Settings):
    # "auto": people's votes if this run's votes.csv holds any, else simulated ones; "csv": the file `votes`
    source: Literal["auto", "simulated", "csv"] = "auto"
    votes: str | None = None  # with source csv: the file of votes
    votes_per_image: Count = 5  # annotators who see each image
    session: Count = 25  # pictures an annotator is given at a time
    ask: Literal["all", "candidates"] = "all"  # candidates: only what every model of the panel got wrong (the paper's)
    panel: tuple[str, ...] = ()  # of classifiers, with `ask: candidates`; none named: those of the evaluation
    audit_rate: Share = 0.1  # share of the other images that is asked about as well, to know their label error
    gold: str | None = "photographs"  # pictures with known answers: held-out photographs, a CSV of yours, or none
    gold_rate: Share = 0.1  # share of a session that is gold
    gold_least: Share = 0.7  # accuracy on gold (mean over yes and no) below which an annotator is reported
    leave_out: bool = False  # whether the votes of those reported are left out
    judge: str = "pocket"  # in whose eyes simulated annotators see: "pocket", a folder, or "none": they believe
    workers: Annotated[int, Field(ge=3)] = 25  # simulated annotators
    spammers: Whole = 2  # those of them who do not look
    error_low: Share = 0.005  # the best simulated annotator's rate of slips
    error_high: Share = 0.08  # the worst one's


@settings
class Evaluation(Settings):
    # with weights train: small networks, rows of evaluation/networks.yaml; with pretrained: published rows, those of
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


@settings
class Turns(Settings):
    """How the turns of critics and encoder go."""

    warmup: Whole = 100  # steps of cross entropy alone, by SGD (paper: 2 000)
    warmup_lr: Positive = 0.05
    steps: Count = 400  # steps of the encoder against the penalty (authors' code: 19 600)
    critic_steps: Count = 5  # steps of the critic before each of the encoder (authors' code: 4)
    # batches of recent features that the critics learn from, in the encoder's own step; 0: from images of their own
    critic_memory: Whole = 0
    batch_size: Count = 256  # D3S images per step, and as many natural ones (paper: 32)
    lr: Positive = 0.002  # Adam, encoder and critic
    lr_low: Positive = 0.0  # where the cosine of `lr` ends
    weight: Positive = 1.0  # times the weight that each penalty brings along
    # steps from `lr` to `lr_low`, and as many back, for encoder and critics alike (authors' code: 100); 0: the
    # encoder's falls once, over all of its steps, and the critics' stays
    lr_wave: Whole = 0


@settings
class Disentanglement(Turns):
    """The backbone, the penalties, and how methods that train projectors on its frozen features go about it."""

    backbone: str = "resnet"  # a row of evaluation/networks.yaml, for small pictures, or a timm name
    pretrained: bool = False  # whether the backbone starts from timm's weights
    background_share: Share = 0.5  # share of the features that are background (paper: 250 of 2048)
    # rows of the files in disentanglement/penalties; "hsic" trains two projectors on the frozen backbone, and
    # "hsic@backbone" the whole backbone, the paper's way (section whole_backbone)
    penalties: tuple[str, ...] = (
        "none",
        "wasserstein",
        "wasserstein_normalised",
        "gradient_reversal",
        "hsic",
        "hsic_whitened",
    )
    paper_method: str = "wasserstein"  # which of them stands beside the paper's numbers
    width: Annotated[int, Field(ge=2)] = 32  # features of the projectors, both parts together
    views: Count = 4  # augmented copies of each image whose frozen features are kept
    backbone_epochs: Count = 5
    backbone_batch_size: Count = 32  # D3S images per step, and as many natural ones
    augment: Literal["shift", "crop"] = "shift"  # crop: a random part of the picture, resized (the paper's)
    # for large data and long training of a backbone:
    image_size: Annotated[int, Field(ge=8)] | None = None  # side of what it sees; pictures stay on disk; null: memory
    precision: Literal["float32", "bfloat16"] = "float32"  # what the backbone computes in; penalties stay in float32
    save_every: Whole = 0  # steps after which a killed training can go on from where it was; 0: it starts again
    workers: Count = 1  # processes that share the images of a step through Ray Train, a GPU each where there are any


@settings
class WholeBackbone(Turns):
    """How methods that train the whole backbone go about it: PENALTY@backbone."""

    start: Literal["plain", "backbone"] = "plain"  # a network that never saw a D3S image, or one that learned both
    batch_size: Count = 64


@settings
class Probes(Settings):
    seeds: Count = 1  # of the probes that begin at random: linear, MLP, forest
    hidden: Count = 512  # width of the MLP probe
    steps: Count = 2000  # of the linear probe and the MLP; notebook 05 shows that half of them would nearly do
    trees: Count = 200  # of the forest
    sample: Annotated[int, Field(ge=50)] = 5000  # images at most that the SVM and the forest learn from
    families: Count = 4  # counterfactual families: one seed and one guide background each ...
    foregrounds: Annotated[int, Field(ge=2)] = 3  # ... with so many photographs, under every background


@settings
class Spurious(Settings):
    permutations: Count = 5
    correlations: tuple[Share, ...] = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
    # times which the background part is multiplied where a head reads both parts; 1: both are of equal variance
    loudness: tuple[Annotated[float, Field(gt=0)], ...] = (0.1, 1.0, 10.0)


@settings
class Profile(Settings):
    """One run, complete. `name` comes from the file, not from a key."""

    name: str
    seed: Whole = 0
    # added to `seed`, it draws first weights, the order of images and every augmentation of everything that is trained;
    # images, votes and probes keep `seed`
    training_seed: Whole = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: Count = 2  # CPU threads; part of the recipe, because sums depend on their order
    foregrounds: Literal["pocket"] | Folders | HubDataset = "pocket"
    classes: int | Literal["all"] | tuple[str, ...] = 10
    backgrounds: str = "pocket"  # a folder DIR/<background>/*.jpg; or "generate": made once from text
    recipe: str = "background"  # a name in d3s_utils/recipes, or a YAML file: what the prompts say
    natural: Natural = Natural()
    dataset: Dataset = Dataset()
    generator: Generator = Generator()
    realism: Realism = Realism()
    verification: Verification = Verification()
    evaluation: Evaluation = Evaluation()
    disentanglement: Disentanglement = Disentanglement()
    whole_backbone: WholeBackbone = WholeBackbone()
    probes: Probes = Probes()
    spurious: Spurious = Spurious()

    @property
    def training_key(self) -> int:
        """Takes the place of `seed` in the keys of everything that is trained."""
        return self.seed + self.training_seed


SECTIONS = {each.name: type(each.default) for each in dataclasses.fields(Profile) if isinstance(each.default, Settings)}
KEYS |= {(Profile, each.name): each.name for each in dataclasses.fields(Profile) if each.name not in SECTIONS}
KEYS |= {
    (kind, each.name): f"{section}.{each.name}"
    for section, kind in SECTIONS.items()
    for each in dataclasses.fields(kind)
}
