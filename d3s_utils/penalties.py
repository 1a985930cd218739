"""What keeps foreground features from knowing the background, and background features from knowing the class.

A *measure* is one module that says how much a set of features knows about a set of labels. A `Penalty` holds two of
them, one for each side of the split, and `PENALTIES` is the table of all there are: one row there is all it takes for
a measure to reach every training run, table and figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3s_utils.errors import D3SError


@dataclass(frozen=True)
class Parts:
    """The split features of one batch and what is known of its images.

    D3S images come first: only they have a background label, so `background` may be shorter than the rest.
    """

    fg: Tensor  # (n, Df) foreground features
    bg: Tensor  # (n, Db) background features
    label: Tensor  # (n,) class of the foreground
    background: Tensor  # (m,) background of the first m <= n images

    def detach(self) -> Parts:
        return Parts(self.fg.detach(), self.bg.detach(), self.label, self.background)


class Measure(nn.Module):
    """How much features (n, D) know about labels (n,), as something an encoder can lower.

    A measure with `learns` carries a network of its own, the critic, which takes its turns through `critic_loss`.
    """

    learns = False

    def __init__(self, n_features: int, n_labels: int):
        super().__init__()
        self.n_features, self.n_labels = n_features, n_labels

    def forward(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """The dependence the encoder lowers, a scalar; `rng` draws the shuffles."""
        raise TypeError(f"{type(self).__name__} does not say how to measure dependence.")

    def critic_loss(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        """What the critic lowers at its turn, a scalar; `features` carry no gradient."""
        raise TypeError(f"{type(self).__name__} has no critic.")


class Nothing(Measure):
    """The control: no dependence is ever seen, so nothing is taken away."""

    def forward(self, features, labels, rng):
        return features.new_zeros(())


def halving_critic(width: int) -> nn.Sequential:
    """Linear layers that halve `width` down to 1, LeakyReLU(0.1) between them (the paper's critic)."""
    layers: list[nn.Module] = []
    while width > 1:
        layers += [nn.Linear(width, width // 2), nn.LeakyReLU(0.1)]
        width //= 2
    return nn.Sequential(*layers[:-1])


class Wasserstein(Measure):
    """The paper's penalty: Wasserstein distance between (features, label) pairs and shuffled pairs.

    The critic sees [features, label vector]; label vectors are fixed Gaussian rows, `label_share` of the feature size.
    It is kept 1-Lipschitz by a gradient penalty on points between joint and shuffled pairs (Gulrajani et al., 2017).
    Both pairs carry the same features, so the encoder feels the critic only where the critic bends: where it is linear
    the gradients of the two cancel.

    Args:
        interpolation: "sample" draws one mixing share per pair, as the gradient penalty is defined; "element" draws
            one per coordinate, as the paper's published code does.
    """

    learns = True

    def __init__(self, n_features, n_labels, *, label_share=0.2, gradient_weight=10.0, interpolation="sample"):
        super().__init__(n_features, n_labels)
        size = max(1, int(label_share * n_features))
        self.register_buffer("label_vectors", torch.randn(n_labels, size))
        self.critic = halving_critic(n_features + size)
        self.gradient_weight, self.interpolation = gradient_weight, interpolation

    def pairs(self, features: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Joint and shuffled pairs, each (n, D + size of a label vector)."""
        order = torch.randperm(len(labels), generator=rng).to(labels.device)
        joint = torch.cat([features, self.label_vectors[labels]], dim=1)
        return joint, torch.cat([features, self.label_vectors[labels[order]]], dim=1)

    def forward(self, features, labels, rng):
        joint, shuffled = self.pairs(features, labels, rng)
        return (self.critic(shuffled) - self.critic(joint)).mean()

    def critic_loss(self, features, labels, rng):
        joint, shuffled = self.pairs(features, labels, rng)
        gap = (self.critic(joint) - self.critic(shuffled)).mean()
        return gap + self.gradient_weight * self.gradient_penalty(joint, shuffled, rng)

    def gradient_penalty(self, joint: Tensor, shuffled: Tensor, rng: torch.Generator) -> Tensor:
        """Mean squared distance from 1 of the critic's gradient norm, at points between the pairs."""
        shape = joint.shape if self.interpolation == "element" else (len(joint), 1)
        share = torch.rand(shape, generator=rng).to(joint)
        between = (share * joint + (1 - share) * shuffled).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        return (gradient.norm(dim=1) - 1).square().mean()


def classifier_head(n_features: int, n_labels: int, hidden: int = 128) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, n_labels))


class GradientReversal(Measure):
    """Adversarial heads (Ganin et al., 2016): a head learns to read the label, the encoder learns that it cannot.

    In nats: log K less the head's cross entropy, so 0 is chance. Head and encoder take turns, which gives the encoder
    exactly the head's gradient, reversed.
    """

    learns = True

    def __init__(self, n_features, n_labels):
        super().__init__(n_features, n_labels)
        self.critic = classifier_head(n_features, n_labels)

    def forward(self, features, labels, rng):
        return log(self.n_labels) - F.cross_entropy(self.critic(features), labels)

    def critic_loss(self, features, labels, rng):
        return F.cross_entropy(self.critic(features), labels)


class Club(Measure):
    """Contrastive log-ratio upper bound of the mutual information, in nats (Cheng et al., 2020).

    A head q(label | features) is fitted; the bound is its log-likelihood on true labels less that on labels drawn
    from the batch, the expectation over draws taken exactly.
    """

    learns = True

    def __init__(self, n_features, n_labels):
        super().__init__(n_features, n_labels)
        self.critic = classifier_head(n_features, n_labels)

    def forward(self, features, labels, rng):
        log_q = self.critic(features).log_softmax(dim=1)  # (n, K)
        frequency = F.one_hot(labels, self.n_labels).to(log_q).mean(dim=0)  # (K,)
        return log_q.gather(1, labels[:, None]).mean() - (log_q @ frequency).mean()

    def critic_loss(self, features, labels, rng):
        return F.cross_entropy(self.critic(features), labels)


def squared_distances(x: Tensor) -> Tensor:
    """(n, D) -> (n, n), never negative."""
    norms = x.square().sum(dim=1)
    return (norms[:, None] + norms[None, :] - 2 * x @ x.T).clamp_min(0)


def whitened(x: Tensor, ridge: float = 0.01) -> Tensor:
    """`x` (n, D) with mean 0 and covariance 1; `ridge`, a share of the mean variance, keeps noise from growing."""
    x = x - x.mean(dim=0)
    covariance = x.T @ x / len(x)
    floor = ridge * covariance.diagonal().mean().detach().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + floor * torch.eye(len(covariance), device=x.device))
    return torch.linalg.solve_triangular(factor, x.T, upper=False).T


def centred(kernel: Tensor) -> Tensor:
    """Row and column means taken out of an (n, n) matrix."""
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between two centred (n, n) matrices: 0 for independence, 1 for the same geometry."""
    return (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)


class Hsic(Measure):
    """Hilbert-Schmidt independence criterion (Gretton et al., 2005), normalised to 0-1.

    Gaussian kernels on the features, at the median distance times `scales`; on labels, "same or not".

    Args:
        whiten: measure distances after the batch has been whitened. Otherwise a kernel sees the loud directions alone,
            and an encoder learns to whisper: it moves the label into directions too faint for the kernel, where a
            probe still finds it.
    """

    def __init__(self, n_features, n_labels, *, scales=(0.5, 1.0, 2.0), whiten=False):
        super().__init__(n_features, n_labels)
        self.scales, self.whiten = scales, whiten

    def forward(self, features, labels, rng):
        squared = squared_distances(whitened(features) if self.whiten else features)
        median = squared.detach().median().clamp_min(1e-12)
        kernel = sum(torch.exp(-squared / (2 * scale**2 * median)) for scale in self.scales)
        same = (labels[:, None] == labels[None, :]).to(kernel)
        return correlation(centred(kernel), centred(same))


class DistanceCorrelation(Measure):
    """Distance correlation (Szekely et al., 2007), 0-1, between features and labels that are equal or not."""

    def forward(self, features, labels, rng):
        distance = (squared_distances(features) + 1e-8).sqrt()
        different = (labels[:, None] != labels[None, :]).to(distance)
        return correlation(centred(distance), centred(different)).clamp_min(0)


class Penalty(nn.Module):
    """One measure for each side of the split.

    Foreground features are held against the background label, which only D3S images have; background features against
    the class. On natural images class and background truly go together, so background features that name the place
    also foretell the class; a measure therefore looks at D3S images only, unless `both_streams` asks for the paper's
    published way.
    """

    def __init__(self, measure: Callable[[int, int], Measure], fg_dim, bg_dim, n_classes, n_backgrounds, both_streams):
        super().__init__()
        self.fg, self.bg = measure(fg_dim, n_backgrounds), measure(bg_dim, n_classes)
        self.both_streams = both_streams

    @property
    def learns(self) -> bool:
        """Whether there are critics that must take turns with the encoder."""
        return self.fg.learns

    def loss(self, parts: Parts, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """What the encoder lowers, and its two terms by name."""
        return self._sum("penalty", self.fg, self.bg, parts, rng)

    def critic_loss(self, parts: Parts, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """What the critics lower, and its two terms by name; the features get no gradient."""
        return self._sum("critic", self.fg.critic_loss, self.bg.critic_loss, parts.detach(), rng)

    def _sum(self, word: str, fg_side, bg_side, parts: Parts, rng) -> tuple[Tensor, dict[str, float]]:
        seen = len(parts.label if self.both_streams else parts.background)
        fg = fg_side(parts.fg[: len(parts.background)], parts.background, rng)
        bg = bg_side(parts.bg[:seen], parts.label[:seen], rng)
        return fg + bg, {f"fg_{word}": fg.item(), f"bg_{word}": bg.item()}


@dataclass(frozen=True)
class Recipe:
    """A measure, the weight that suits its scale, and one line about it for tables."""

    measure: Callable[[int, int], Measure]
    weight: float
    about: str
    both_streams: bool = False


# One row here is all it takes for a penalty to be trained, probed and tested.
PENALTIES: dict[str, Recipe] = {
    "none": Recipe(Nothing, 0.0, "cross entropy alone"),
    "wasserstein": Recipe(Wasserstein, 1.0, "the paper's critic, on pairs of features and label", both_streams=True),
    "wasserstein_element": Recipe(
        partial(Wasserstein, interpolation="element"),
        1.0,
        "the same, with the mixing of the published code",
        both_streams=True,
    ),
    "gradient_reversal": Recipe(GradientReversal, 1.0, "an adversarial head, its gradient reversed"),
    "club": Recipe(Club, 1.0, "an upper bound of the mutual information"),
    "hsic": Recipe(Hsic, 10.0, "kernel independence (HSIC)"),
    "hsic_whitened": Recipe(partial(Hsic, whiten=True), 10.0, "kernel independence, faint directions made loud"),
    "distance_correlation": Recipe(DistanceCorrelation, 10.0, "correlation of distances"),
}


def recipe_for(name: str) -> Recipe:
    """The row of `PENALTIES` called `name`.

    Raises:
        D3SError: there is no such row.
    """
    if name not in PENALTIES:
        raise D3SError(f"There is no penalty called {name!r}; disentanglement.penalties takes {', '.join(PENALTIES)}.")
    return PENALTIES[name]


def build_penalty(name: str, fg_dim: int, bg_dim: int, n_classes: int, n_backgrounds: int) -> Penalty:
    """The penalty called `name` for features of these widths; critics start from torch's current seed."""
    recipe = recipe_for(name)
    return Penalty(recipe.measure, fg_dim, bg_dim, n_classes, n_backgrounds, recipe.both_streams)
