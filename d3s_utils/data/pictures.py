"""Picture files as they are found in the wild: each is read as a person would see it, or refused with a reason."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from d3s_utils.ground import journal, paths
from d3s_utils.ground.cached import cached_words, digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.sources import code_of

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
READERS = 16  # files decoded at a time when many are checked; Pillow decodes beside Python

Source = Path | bytes  # a file, or what is in one


def list_pictures(folder: Path, setting: str) -> list[str]:
    """Names of the pictures in `folder`, sorted; `setting`, a key of the profile, is named in the errors.

    Raises:
        D3SError: if the folder is missing or has no pictures.
    """
    if not folder.is_dir():
        raise D3SError(f"{setting}: there is no folder {folder}; make it, or take {folder.name} out of the profile.")
    journal.note_input(folder)
    names = sorted(file.name for file in folder.iterdir() if is_picture(file))
    if not names:
        raise D3SError(f"{setting}: the folder {folder} has no pictures ({', '.join(SUFFIXES)}); fill it or remove it.")
    return names


def is_picture(file: Path) -> bool:
    """Whether `file` is called like a picture."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def read_picture(source: Source, name: str = "") -> Image.Image:
    """The picture in a file, upright (EXIF), RGB whatever it was (grey, 16 bit, CMYK, palette, transparent on white).

    Args:
        name: what to call it in errors, where it is no file with a path of its own.

    Raises:
        D3SError: if the file is missing or cannot be decoded.
    """
    try:
        with Image.open(_openable(source)) as picture:
            return _to_rgb(ImageOps.exif_transpose(picture))
    except FileNotFoundError as error:
        raise D3SError(f"There is no picture {source}; put it back, or build the manifest again.") from error
    except UNREADABLE as error:
        called = name if isinstance(source, bytes) else source
        raise D3SError(f"{called} cannot be read as a picture ({error}); replace or remove the file.") from error


def what_is_wrong(source: Source) -> str:
    """Why a picture cannot be used, in a few words; "" if it can.

    It is decoded for that, JPEG in an eighth of its size: a file cut short looks whole from the outside.
    """
    try:
        with Image.open(_openable(source)) as picture:
            picture.draft("RGB", (64, 64))
            picture.load()
    except Image.DecompressionBombError:
        return f"has more than {2 * Image.MAX_IMAGE_PIXELS // 1_000_000} million pixels"
    except UNREADABLE as error:
        return _diagnosis(source, error)
    return ""


def _diagnosis(source: Source, error: Exception) -> str:
    """What a person who opened the file would say."""
    try:
        start = source[:4096] if isinstance(source, bytes) else _start(source)
    except OSError as failure:
        return f"cannot be opened ({failure.strerror})"
    if not start:
        return "is empty"
    if not isinstance(error, UnidentifiedImageError):
        return "is cut short or damaged"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # the last letter may be cut
    except UnicodeDecodeError:
        return "is no picture of a kind known here"
    return "is text, not a picture" if text.isprintable() or "\n" in text else "is no picture of a kind known here"


def _start(path: Path, size: int = 4096) -> bytes:
    with path.open("rb") as content:
        return content.read(size)


def _openable(source: Source) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # plain `convert` would clip 16-bit greys to white
        grey = np.asarray(picture).astype(np.int64)
        deep = picture.mode.startswith("I;16") or grey.max(initial=0) > 255
        picture = Image.fromarray((grey >> 8 if deep else grey).clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    sheet = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(sheet, picture.convert("RGBA")).convert("RGB")


def file_stamp(path: Path) -> str:
    """Size and time of a file; the notebook that runs has read it."""
    journal.note_input(path)
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def usable(
    wanted: Mapping[str, Sequence[str]],
    most: int,
    source_name: str,
    read: Callable[[str], Source],
    stamp: Callable[[str], str],
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The first `most` pictures of each group that can be used, in the order given, and what is wrong with others.

    Each picture is looked at once, until its stamp changes; what was found is kept in <outputs>/.pictures.

    Args:
        wanted: names by group, each in the order in which they are wanted. One that is not needed is not opened.
        source_name: what was found is kept under this name.
        read, stamp: give a name's file or bytes, and what changes when the picture does.

    Returns:
        Names by group, and reason by name for every picture that was tried and cannot be used.
    """
    path, key = paths.outputs() / ".pictures" / f"{digest(source_name)}.parquet", code_of(what_is_wrong)
    reasons, tried = {}, dict.fromkeys(wanted, 0)
    chosen: dict[str, list[str]] = {group: [] for group in wanted}
    while True:
        turn = {}
        for group, names in wanted.items():
            more = names[tried[group] : tried[group] + most - len(chosen[group])]
            tried[group] += len(more)
            turn |= dict.fromkeys(more, group)
        if not turn:
            return chosen, {name: reason for name, reason in reasons.items() if reason}
        found = cached_words(path, key, {name: stamp(name) for name in turn}, lambda new: _look_at(read, new))
        reasons |= found
        for name, group in turn.items():
            if not found[name]:
                chosen[group].append(name)


def _look_at(read: Callable[[str], Source], names: Sequence[str]) -> list[str]:
    """What is wrong with each of many pictures."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda name: what_is_wrong(read(name)), names))
