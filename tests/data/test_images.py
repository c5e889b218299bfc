import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from raising import raises
from suture.data.images import ArrayImages, FileImages, read_image
from suture.errors import DataError


def pixels(height=6, width=9, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    """One part of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def as_tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).permute(2, 0, 1)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.ppm", "a.tif", "A.PNG"])
def test_rgb_comes_back_exactly(tmp_path, name):
    Image.fromarray(pixels()).save(tmp_path / name)
    assert torch.equal(read_image(tmp_path / name), as_tensor(pixels()))


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = pixels()[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png"), torch.from_numpy(grey).expand(3, -1, -1))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, name):
    deep = np.array([[0, 128, 257 * 7], [257 * 200, 65534, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / name)
    assert read_image(tmp_path / name)[0].tolist() == [[0, 0, 7], [200, 255, 255]]


def png16(array: np.ndarray) -> bytes:
    """A 16-bit PNG of (H, W, 1), grey, or with 2, 3 or 4 channels: grey and alpha, RGB, RGB and alpha."""
    height, width, channels = array.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff16(array: np.ndarray, order: str) -> bytes:
    """An uncompressed 16-bit TIFF of (H, W, 1) or (H, W, 3), of either byte order."""
    height, width, channels = array.shape
    count = 9
    depths = 8 + 2 + 12 * count + 4
    tags = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, channels, depths if channels > 2 else 16),
        259: (3, 1, 1),
        262: (3, 1, 2 if channels == 3 else 1),
        273: (4, 1, depths + 2 * channels),
        277: (3, 1, channels),
        278: (4, 1, height),
        279: (4, 1, array.nbytes),
    }
    content = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIH", 42, 8, count)
    for tag, (kind, many, value) in tags.items():
        short = kind == 3 and many == 1
        content += struct.pack(
            f"{order}HHIHH" if short else f"{order}HHII", tag, kind, many, *([value, 0] if short else [value])
        )
    content += struct.pack(f"{order}I{channels}H", 0, *[16] * channels)
    return content + array.astype(f"{order}u2").tobytes()


def deep(channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**16, (5, 7, channels)).astype(np.uint16)


def test_sixteen_bit_grey_is_rounded_to_the_nearest(tmp_path):
    expected = torch.from_numpy(np.round(deep(1)[..., 0] / 257).astype(np.uint8)).expand(3, -1, -1)
    for name, content in (("a.png", png16(deep(1))), *((f"{o}.tif", tiff16(deep(1), o)) for o in "<>")):
        (tmp_path / name).write_bytes(content)
        assert torch.equal(read_image(tmp_path / name), expected)


def test_sixteen_bit_colour_is_right_to_one_of_256_levels(tmp_path):
    whole = np.concatenate([deep(3), np.full_like(deep(1), 2**16 - 1)], 2)
    contents = {
        "rgb.png": png16(deep(3)),
        "rgba.png": png16(whole),
        "little.tif": tiff16(deep(3), "<"),
        "big.tif": tiff16(deep(3), ">"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        found = read_image(tmp_path / name).permute(1, 2, 0).numpy().astype(float)
        assert np.abs(found - deep(3) / 257).max() <= 1
    (tmp_path / "la.png").write_bytes(png16(whole[..., [0, 3]]))
    assert np.abs(read_image(tmp_path / "la.png").numpy() - deep(3)[..., 0] / 257).max() <= 1


def test_twelve_bits_in_sixteen_stay_dark(tmp_path):
    (tmp_path / "a.png").write_bytes(png16(np.full((2, 2, 1), 4095, np.uint16)))
    assert (read_image(tmp_path / "a.png") == 16).all()


@pytest.mark.parametrize("values", [[-1000, 3000], [0, 70000]])
def test_whole_numbers_of_unknown_range_are_refused(tmp_path, values):
    Image.fromarray(np.array([values], dtype=np.int32)).save(tmp_path / "a.tif")
    with raises(DataError, "a.tif", f"its pixels go from {values[0]} to {values[1]}, which is no range of 16 bits"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["LA", "PA", "CMYK", "RGBA", "RGBX", "P", "1"])
def test_every_usual_mode_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(np.array([[[0] * 3, [255] * 3]], dtype=np.uint8))
    image = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    image.save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").tolist() == [[[0, 255]]] * 3


def test_a_bilevel_image_is_black_and_white(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[1].tolist() == [[255, 0]]


def test_what_is_transparent_becomes_white(tmp_path):
    rgba = np.dstack([pixels(1, 3), np.array([[0, 255, 128]], dtype=np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert found[:, 0, 0].tolist() == [255, 255, 255]
    assert found[:, 0, 1].tolist() == pixels(1, 3)[0, 1].tolist()
    half = (pixels(1, 3)[0, 2].astype(int) + 255) / 2
    assert np.abs(found[:, 0, 2].numpy() - half).max() <= 1


@pytest.mark.parametrize("transparency", [None, 0, b"\x00\xff"])
def test_a_palette_is_looked_up(tmp_path, transparency, recwarn):
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "a.png", **({} if transparency is None else {"transparency": transparency}))
    found = read_image(tmp_path / "a.png")
    assert found[:, 0, 0].tolist() == ([10, 20, 30] if transparency is None else [255, 255, 255])
    assert found[:, 0, 1].tolist() == [40, 50, 60]
    assert not list(recwarn)


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif")[:, 0, 0].tolist() == [255, 0, 0]


def test_a_turned_photograph_is_put_upright(tmp_path):
    turned = Image.fromarray(pixels())
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "a.png"), as_tensor(np.rot90(pixels(), -1).copy()))


def test_with_a_size_the_square_in_the_centre(tmp_path):
    array = np.zeros((4, 12, 3), dtype=np.uint8)
    array[:, 4:8] = 200
    Image.fromarray(array).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 8).shape == (3, 8, 8)
    assert (read_image(tmp_path / "a.png", 8) == 200).all()
    assert read_image(tmp_path / "a.png", 2).shape == (3, 2, 2)


def test_a_thin_image_takes_little_memory(tmp_path):
    Image.new("RGB", (200_000, 1), "green").save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 224).shape == (3, 224, 224)


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 50,000 pixels wide and high."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("content", [b"", b"no image", bomb(), b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_image_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with raises(DataError, str(tmp_path / "bad.png"), "no image that can be read", "--skip-bad"):
        read_image(tmp_path / "bad.png")


def test_a_file_that_is_gone_is_named(tmp_path):
    with raises(DataError, "gone.png", "No such file"):
        read_image(tmp_path / "gone.png")


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32)).save(tmp_path / "a.tif")
    with raises(DataError, "a.tif", "floating-point"):
        read_image(tmp_path / "a.tif")


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["png", "jpg", "gif", "webp", "bmp", "tif"]), data=st.data())
def test_a_damaged_file_is_an_image_or_a_data_error(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    Image.fromarray(pixels()).save(path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        image = read_image(path, 8)
    except DataError as error:
        assert str(path) in error.given
    else:
        assert image.shape == (3, 8, 8)


@pytest.fixture(params=["array", "files"])
def images(request, tmp_path):
    if request.param == "array":
        return ArrayImages(torch.stack([as_tensor(pixels(8, 8, seed)) for seed in range(5)]))
    for seed in range(5):
        Image.fromarray(pixels(8, 8, seed)).save(tmp_path / f"{seed}.png")
    return FileImages([tmp_path / f"{seed}.png" for seed in range(5)], 8)


@pytest.mark.parametrize("indices", [[3, 0, 3], range(1, 4), range(4, 0, -2), [4]])
def test_selecting_is_indexing(images, indices):
    whole = images.batch(range(5))
    assert whole.dtype == torch.uint8
    assert torch.equal(whole, torch.stack([as_tensor(pixels(8, 8, seed)) for seed in range(5)]))
    assert torch.equal(images.batch(indices), whole[list(indices)])
    assert images.batch([]).shape == (0, 3, 8, 8)
    chosen = images.select(indices)
    assert len(chosen) == len(indices)
    assert torch.equal(chosen.batch(range(len(indices))), whole[list(indices)])
