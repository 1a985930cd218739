"""Picture files of every kind people have: shown as a person would see them, or refused in a person's words."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from d3s_utils.data import pictures
from d3s_utils.data.pictures import file_stamp, read_picture, usable, what_is_wrong
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for


def jpeg(size=(640, 480), **options) -> bytes:
    """A JPEG of noise, so that it has many bytes to lose."""
    pixels = rng_for("jpeg", *size).integers(0, 256, (size[1], size[0], 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="JPEG", **options)
    return data.getvalue()


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_rgb(mode, tmp_path):
    grey = Image.new("L", (20, 10), 255)
    picture = Image.fromarray(np.full((10, 20), 65535, np.uint16)) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    picture.save(path)
    read = read_picture(path)
    assert read.mode == "RGB" and read.size == (20, 10)
    assert read.getpixel((5, 5)) == (255, 255, 255)


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees
    (tmp_path / "turned.jpg").write_bytes(jpeg((40, 30), exif=exif))
    assert read_picture(tmp_path / "turned.jpg").size == (30, 40)


@pytest.mark.parametrize("depth", [np.uint16, np.int32])
def test_a_deep_grey_keeps_its_tones(depth, tmp_path):
    """16-bit greys, whatever Pillow calls them, end as the upper eight bits and not as white."""
    ramp = np.linspace(0, 65535, 256).astype(depth)[None].repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "ramp.tif")
    read = np.asarray(read_picture(tmp_path / "ramp.tif"))[0, :, 0]
    assert read[0] == 0 and read[-1] == 255 and abs(int(read[128]) - 128) <= 1


def test_a_cmyk_jpeg_has_the_colours_it_had(tmp_path):
    Image.new("RGB", (40, 40), (200, 30, 30)).convert("CMYK").save(tmp_path / "print.JPEG", quality=95)
    red, green, blue = read_picture(tmp_path / "print.JPEG").getpixel((20, 20))
    assert red > 180 and green < 60 and blue < 60


@pytest.mark.parametrize("size", [(75, 56), (5000, 4000), (1, 1), (3, 900)])
def test_no_size_is_refused(size, tmp_path):
    path = tmp_path / "picture.png"
    Image.new("RGB", size, "green").save(path)
    assert what_is_wrong(path) == "" and read_picture(path).size == size


PROBLEMS = {
    "is empty": b"",
    "is text, not a picture": "<html>\n404: no such image, sorry \u2014 try again\n</html>".encode(),
    "is cut short or damaged": jpeg()[:20_000],
    "is no picture of a kind known here": bytes(range(128, 256)) * 20,
}


@pytest.mark.parametrize("says", PROBLEMS)
def test_what_is_wrong_is_said_as_a_person_would(says, tmp_path):
    path = tmp_path / "n01443537_7.JPEG"
    path.write_bytes(PROBLEMS[says])
    assert what_is_wrong(path) == what_is_wrong(PROBLEMS[says]) == says
    with pytest.raises(D3SError, match=r"n01443537_7.JPEG cannot be read as a picture .*; replace or remove"):
        read_picture(path)


def test_a_picture_of_absurd_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    Image.new("L", (3000, 1000)).save(tmp_path / "huge.png")
    assert what_is_wrong(tmp_path / "huge.png") == "has more than 2 million pixels"


def test_a_file_that_is_gone_is_named(tmp_path):
    assert what_is_wrong(tmp_path / "gone.jpg") == "cannot be opened (No such file or directory)"
    with pytest.raises(D3SError, match="There is no picture .*gone.jpg; put it back"):
        read_picture(tmp_path / "gone.jpg")


def test_a_file_is_looked_at_once_until_it_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "outputs"))
    path, looks, look = tmp_path / "one.jpg", [], pictures.what_is_wrong
    path.write_bytes(jpeg())
    monkeypatch.setattr(
        pictures, "what_is_wrong", functools.wraps(look)(lambda source: looks.append(source) or look(source))
    )

    def wrong():
        return usable({"group": ["one"]}, 1, "here", lambda name: path, lambda name: file_stamp(path))[1]

    assert (wrong(), wrong(), len(looks)) == ({}, {}, 1)
    path.write_bytes(b"")
    assert (wrong(), wrong(), len(looks)) == ({"one": "is empty"}, {"one": "is empty"}, 2)
    (kept,) = (tmp_path / "outputs" / ".pictures").iterdir()
    kept.write_bytes(b"damaged")
    assert (wrong(), len(looks)) == ({"one": "is empty"}, 3)


def test_the_next_picture_takes_the_place_of_a_broken_one(tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    content = {"a": b"", "b": jpeg((8, 8)), "c": b"", "d": jpeg((8, 8)), "e": jpeg((8, 8)), "f": b""}
    opened = []

    def read(name):
        opened.append(name)
        return content[name]

    wanted = {"one": ["a", "b", "c", "d", "e"], "two": ["f"]}
    chosen, reasons = usable(wanted, 2, "here", read, lambda name: "")
    assert chosen == {"one": ["b", "d"], "two": []}
    assert reasons == {"a": "is empty", "c": "is empty", "f": "is empty"}
    assert "e" not in opened, "what is not needed is not opened"
