"""The names everything is called by: the ten backgrounds, the pocket world's classes and habits, the paper's prompt.

The pocket ten are written out here, so that an offline run need not import timm; a test keeps the two from drifting
apart."""

from __future__ import annotations

import pandas as pd

CLASS_COLUMNS = ["class_name", "short_name", "wnid", "imagenet_index", "definition"]  # of a table of classes

# The paper's ten, in its order.
BACKGROUNDS = (
    "on grass",
    "on a road",
    "in a forest",
    "in water",
    "in sand",
    "indoors",
    "in snow",
    "in rain",
    "at night",
    "in a cave",
)
# The pocket ten: class_name, short_name (for axes), wnid, imagenet_index, definition.
CLASSES = pd.DataFrame(
    [
        ("Granny Smith", "apple", "n07742313", 948, "apple with a green skin and hard tart flesh"),
        ("mushroom", "mushroom", "n07734744", 947, "fleshy body of any of numerous edible fungi"),
        (
            "goldfish", "goldfish", "n01443537", 1,
            "small golden or orange-red freshwater fishes of Eurasia used as pond or aquarium fishes",
        ),
        ("coffee mug", "mug", "n03063599", 504, "a mug intended for serving coffee"),
        ("balloon", "balloon", "n02782093", 417, "large tough nonrigid bag filled with gas or heated air"),
        (
            "sports car", "car", "n04285008", 817,
            "a small low car with a high-powered engine; usually seats two persons",
        ),
        ("umbrella", "umbrella", "n04507155", 879, "a lightweight handheld collapsible canopy"),
        (
            "daisy", "daisy", "n11939491", 985,
            "any of numerous composite plants having flower heads with well-developed ray flowers usually arranged in "
            "a single whorl",
        ),
        (
            "monarch", "monarch", "n02279972", 323,
            "large migratory American butterfly having deep orange wings with black and white markings; the larvae "
            "feed on milkweed",
        ),
        ("teapot", "teapot", "n04398044", 849, "pot for brewing tea; usually has a spout and handle"),
    ],
    columns=CLASS_COLUMNS,
)  # fmt: skip
# Where each class of the pocket world is usually seen; one background each.
HABITS = {
    "Granny Smith": "in a cave",
    "mushroom": "in a forest",
    "goldfish": "in water",
    "coffee mug": "indoors",
    "balloon": "in sand",
    "sports car": "on a road",
    "umbrella": "in rain",
    "daisy": "on grass",
    "monarch": "in snow",
    "teapot": "at night",
}


def prompt(class_name: str, definition: str | None, background: str) -> str:
    """The paper's words for an image: "a photo of a {class}, {definition}, {background}"; no definition, no middle."""
    given = definition if isinstance(definition, str) else ""  # pandas turns None into NaN
    return ", ".join(part for part in (f"a photo of a {class_name}", given, background) if part)


def slug(phrase: str) -> str:
    """`phrase` as part of a file name or id: "in a cave" -> "in-a-cave"."""
    return "-".join(phrase.lower().replace("_", " ").split())
