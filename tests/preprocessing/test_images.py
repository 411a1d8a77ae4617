"""Image files to float images."""

import base64
import itertools
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo import ZooError
from zoo.preprocessing import Images
from zoo.preprocessing import images as images_module

RED, GREY, WHITE = (1, 0, 0), (0.4, 0.4, 0.4), (1, 1, 1)

DAMAGED, NO_IMAGE, TOO_LARGE = "the image data is damaged", "not a PNG or JPEG image", "image is larger than 64 megapixels"

# 8 by 8 pixels of red ink; no stock op writes such a file.
CMYK = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBXQUZMTlJTUjI+WmFaUGBKUVJP/8"
    "AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABQAAQAAAAAAAAAAAAAAAAAAAAf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0AWQBLAAA/AE4YDAnP/9k="
)


def plain(*colour, height=7, width=5, dtype="uint8"):
    """An image of one colour: integer [height, width, channels]."""
    return np.full((height, width, len(colour)), colour, dtype)


def png(pixels):
    return tf.io.encode_png(pixels, compression=1).numpy()


def jpeg(pixels, **options):
    return tf.io.encode_jpeg(pixels, **options).numpy()


def raw_png(width, height, bits, kind, data, *chunks):
    """A PNG file made by hand, of what no stock op writes."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    chunk = b"".join(struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in parts)
    return b"\x89PNG\r\n\x1a\n" + chunk


def jpeg_that_declares(height, width):
    file = bytearray(jpeg(plain(9, 9, 9)))
    start = file.index(b"\xff\xc0") + 5
    file[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(file)


PALETTE = (b"PLTE", bytes([255, 0, 0, 0, 255, 0]))

FILES = {
    "grey": (png(plain(102)), GREY),
    "grey and alpha": (png(plain(0, 153)), GREY),
    "rgb": (png(plain(255, 0, 0)), RED),
    "rgba, opaque": (png(plain(255, 0, 0, 255)), RED),
    "rgba, half over white": (png(plain(255, 0, 0, 51)), (1, 0.8, 0.8)),
    "rgba, nothing": (png(plain(0, 0, 255, 0)), WHITE),
    "grey of 16 bits": (png(plain(26214, dtype="uint16")), GREY),
    "rgba of 16 bits": (png(plain(0, 0, 0, 39321, dtype="uint16")), GREY),
    "1 bit": (raw_png(8, 2, 1, 0, b"\0\xff\0\xff"), WHITE),
    "palette of 1 bit": (raw_png(8, 2, 1, 3, b"\0\0\0\0", PALETTE), RED),
    "palette with alpha": (raw_png(8, 2, 1, 3, b"\0\0\0\0", PALETTE, (b"tRNS", b"\0\xff")), WHITE),
    "jpeg": (jpeg(plain(255, 0, 0)), RED),
    "grey jpeg": (jpeg(plain(102)), GREY),
    "progressive jpeg": (jpeg(plain(255, 0, 0), progressive=True), RED),
    "cmyk jpeg": (base64.b64decode(CMYK), RED),
    "one pixel": (png(plain(255, 0, 0, height=1, width=1)), RED),
    "one row": (png(plain(102, height=1, width=3000)), GREY),
    "one column": (jpeg(plain(102, height=3000, width=1)), GREY),
}
BROKEN = {
    "empty": (b"", "empty"),
    "text": (b"hello", NO_IMAGE),
    "zeros": (bytes(5000), NO_IMAGE),
    "gif": (b"GIF89a" + bytes(50), NO_IMAGE),
    "bmp": (b"BM" + bytes(50), NO_IMAGE),
    "png signature": (png(plain(1))[:8], DAMAGED),
    "png header": (png(plain(1))[:20], DAMAGED),
    "truncated png": (png(plain(1))[:-25], DAMAGED),
    "png without size": (raw_png(0, 0, 8, 0, b""), DAMAGED),
    "truncated jpeg": (jpeg(plain(1, 1, 1))[:-60], DAMAGED),
    "jpeg header": (jpeg(plain(1, 1, 1))[:30], DAMAGED),
    "large png": (raw_png(60_000, 60_000, 8, 2, bytes(100)), TOO_LARGE),
    "largest png": (raw_png(2**31 - 1, 2**31 - 1, 8, 2, bytes(100)), TOO_LARGE),
    "large jpeg": (jpeg_that_declares(60_000, 60_000), TOO_LARGE),
    "wide png": (raw_png(2**32 - 1, 1, 8, 2, bytes(100)), DAMAGED),
}


@pytest.fixture(scope="module")
def colour():
    return tf.function(Images(6, 4, 3), input_signature=[tf.TensorSpec([None], tf.string)])


def call(images, *files):
    """Images and errors as numpy arrays of numbers and strings."""
    pixels, error = images(tf.constant(files, tf.string, shape=[len(files)]))
    return pixels.numpy(), [text.decode() for text in error.numpy()]


@pytest.mark.parametrize(("file", "expected"), FILES.values(), ids=FILES)
def test_kinds_of_files(file, expected, colour):
    images, error = call(colour, file)
    assert error == [""]
    assert images.shape == (1, 6, 4, 3)
    np.testing.assert_allclose(images, np.broadcast_to(expected, images.shape), atol=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_bad_files_harm_no_others(channels):
    """Each between two good ones."""
    images = Images(3, 3, channels)
    good = [png(plain(i, 2 * i, 0)) for i in range(len(BROKEN) + 1)]
    alone, fine = call(images, *good)
    assert set(fine) == {""}
    mixed = [good[0]]
    for (file, _), after in zip(BROKEN.values(), good[1:], strict=True):
        mixed += [file, after]
    result, errors = call(images, *mixed)
    assert dict(zip(BROKEN, errors[1::2], strict=True)) == {name: error for name, (_, error) in BROKEN.items()}
    assert set(errors[::2]) == {""}
    np.testing.assert_array_equal(result[::2], alone)
    np.testing.assert_array_equal(result[1::2], 0)


def test_only_bad_files_and_none_at_all(colour):
    images, error = call(colour, b"", b"x")
    assert error == ["empty", NO_IMAGE]
    np.testing.assert_array_equal(images, np.zeros((2, 6, 4, 3)))
    images, error = call(colour)
    assert images.shape == (0, 6, 4, 3)
    assert error == []


def test_images_of_the_right_size_keep_their_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3), "uint8")
    images, _ = call(Images(6, 4, 3), png(pixels))
    np.testing.assert_allclose(images[0], pixels / 255, atol=1e-6)
    grey, _ = call(Images(6, 4, 1, dark_background=True), png(pixels[..., :1] // 4))
    np.testing.assert_allclose(grey[0], pixels[..., :1] // 4 / 255, atol=1e-6)


def test_colours_as_grey():
    images, _ = call(Images(1, 1, 1), *(png(plain(*rgb)) for rgb in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))))
    np.testing.assert_allclose(images.ravel(), [0.299, 0.587, 0.114, 1], atol=1e-6)


def test_a_smaller_image_is_an_average_of_the_larger():
    checks = np.indices((64, 64)).sum(0)[..., None] % 2 * 255
    images, _ = call(Images(8, 8, 1), png(checks.astype("uint8")))
    np.testing.assert_allclose(images, 0.5, atol=0.05)


def test_transparent_pixels_do_not_bleed():
    """Their colour means nothing."""
    pixels = plain(0, 255, 0, 0, height=20, width=20)
    pixels[5:15, 5:15] = (0, 0, 0, 255)
    images, _ = call(Images(7, 7, 3), png(pixels))
    np.testing.assert_allclose(images, images[..., :1].repeat(3, -1), atol=1e-6)


def test_twenty_megapixels(colour):
    pixels = np.zeros((4000, 5000, 3), "uint8")
    pixels[2000:] = 255
    for file in (png(pixels), jpeg(pixels)):
        images, error = call(colour, file)
        assert error == [""]
        np.testing.assert_allclose(images[0, [0, 1, 4, 5], :, 0].mean(1), [0, 0, 1, 1], atol=0.01)


def noise(height, width, channels, dtype="uint8"):
    """A dark image with detail of every size."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    smooth = np.sin(9 * rows[..., None] + np.arange(channels)) * np.cos(7 * columns[..., None]) / 2 + 0.5
    return ((0.4 * smooth + 0.1 * random.random(smooth.shape)) * np.iinfo(dtype).max).astype(dtype)


def test_ordinary_images_are_shrunk_from_all_their_pixels_bit_for_bit(colour):
    pixels = noise(300, 201, 3)
    images, _ = call(colour, png(pixels))
    np.testing.assert_array_equal(images[0], tf.image.resize(pixels, [6, 4], antialias=True) / 255)
    smallest = call(Images(300, 201, 3), png(pixels))[0][0]
    np.testing.assert_array_equal(smallest, pixels / np.float32(255))


KINDS = {  # file, and how much a large one may differ: what is deep is decoded at 8 bits, a JPEG at a smaller scale
    "RGB": (lambda h, w: png(noise(h, w, 3)), 0),
    "grey": (lambda h, w: png(noise(h, w, 1)), 0),
    "alpha": (lambda h, w: png(noise(h, w, 4)), 2e-4),
    "grey and alpha": (lambda h, w: png(noise(h, w, 2)), 2e-4),
    "16 bits": (lambda h, w: png(noise(h, w, 3, "uint16")), 1 / 255),
    "16 bits and alpha": (lambda h, w: png(noise(h, w, 4, "uint16")), 2 / 255),
    "JPEG": (lambda h, w: jpeg(noise(h, w, 3)), 0.03),
    "progressive JPEG": (lambda h, w: jpeg(noise(h, w, 3), progressive=True), 0.03),
    "grey JPEG": (lambda h, w: jpeg(noise(h, w, 1)), 0.03),
}
SIZES = [(200, 300), (900, 20), (3, 700), (5, 4), (24, 16), (12, 8)]


@pytest.mark.parametrize("dark_background", [False, True])
def test_large_images_give_what_ordinary_ones_give(dark_background, monkeypatch):
    codec, cases = Images(12, 8, 3, dark_background=dark_background), list(itertools.product(KINDS, SIZES))
    files = [KINDS[kind][0](*size) for kind, size in cases]
    expected, _ = call(codec, *files)
    monkeypatch.setattr(images_module, "LARGE_MEGAPIXELS", 0)
    images, errors = call(codec, *files)
    assert errors == [""] * len(files)
    for case, image, right in zip(cases, images, expected, strict=True):
        np.testing.assert_allclose(image, right, atol=KINDS[case[0]][1], err_msg=str(case))


def test_large_images_come_one_after_the_other_and_a_damaged_one_holds_up_none(monkeypatch):
    monkeypatch.setattr(images_module, "LARGE_MEGAPIXELS", 0)
    codec = tf.function(Images(6, 4, 3), input_signature=[tf.TensorSpec([None], tf.string)])
    files = [png(noise(60, 50, 4)), png(noise(60, 50, 4))[:-100], jpeg(noise(80, 70, 3)), jpeg(noise(80, 70, 3))[:100]] * 2
    expected, errors = call(codec, *files)
    assert errors == ["", DAMAGED, "", DAMAGED] * 2
    with ThreadPoolExecutor(6) as threads:
        for images, error in threads.map(lambda _: call(codec, *files), range(12)):
            assert error == errors
            np.testing.assert_array_equal(images, expected)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize("bits, kind", [(8, 6), (16, 6), (8, 2)], ids=["alpha", "16 bits and alpha", "RGB"])
def test_memory_of_a_large_image(bits, kind):
    def kilobytes(key):
        return int(re.search(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())[1])

    pixel = bytes(range(1, 1 + (4 if kind == 6 else 3) * bits // 8))
    file = raw_png(6000, 4000, bits, kind, (b"\0" + pixel * 6000) * 4000)
    codec = tf.function(Images(64, 64, 3), input_signature=[tf.TensorSpec([None], tf.string)])
    call(codec, png(plain(1, 2, 3, 4)))
    Path("/proc/self/clear_refs").write_text("5")  # the most so far is now
    before = kilobytes("VmRSS")
    assert call(codec, file)[1] == [""]
    assert kilobytes("VmHWM") - before < 200_000  # the pixels alone are 96 MB; as floats 384


def drawing(height, width, dark=0, light=255):
    """A bar down the middle."""
    pixels = np.full((height, width, 1), dark, "uint8")
    pixels[height // 4 : -height // 4, width // 2 - width // 8 : width // 2 + width // 8] = light
    return pixels


@pytest.mark.parametrize("encode", [png, jpeg])
def test_drawings_are_light_on_dark(encode):
    images, _ = call(Images(28, 28, 1, dark_background=True), encode(drawing(56, 56)), encode(drawing(56, 56, 255, 0)))
    np.testing.assert_allclose(images[0], images[1], atol=0.02)
    assert images[0, 14, 14] > 0.98
    assert images[0, 0].max() < 0.02


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((80, 20), (7, 21), (13.3, 14.7)), ((20, 80), (12.25, 15.75), (10.5, 17.5)), ((1000, 8), (7, 21), (13, 14))],
)
def test_drawings_keep_their_proportions(size, rows, columns):
    """And have a dark edge, though they come on white."""
    image = call(Images(28, 28, 1, dark_background=True), png(drawing(*size, 255, 0)))[0][0, :, :, 0]
    inside = tuple(slice(int(start) - 1, int(np.ceil(stop)) + 1) for start, stop in (rows, columns))
    assert image.sum() == pytest.approx(image[inside].sum(), abs=0.1)
    if min(size) > 8:  # else the bar is narrower than a pixel
        assert image.sum() == pytest.approx((rows[1] - rows[0]) * (columns[1] - columns[0]), rel=0.05)


@pytest.mark.parametrize("shade", [0, 255])
def test_drawings_of_nothing_are_dark(shade):
    images, error = call(Images(4, 4, 3, dark_background=True), png(plain(shade, height=1, width=1)), png(plain(shade)))
    assert error == ["", ""]
    np.testing.assert_allclose(images, 0, atol=1e-6)


def test_a_saved_model_and_a_tf1_session_give_the_same(tmp_path):
    images = Images(5, 5, 3, dark_background=True)
    files = [file for file, _ in (*FILES.values(), *BROKEN.values())]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def signature(image_bytes):
        pixels, error = images(image_bytes)
        return {"images": pixels, "error": error}

    expected, errors = call(images, *files)
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures={"serving_default": signature})
    answers = [tf.saved_model.load(str(tmp_path)).signatures["serving_default"](image_bytes=tf.constant(files))]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path)).signature_def["serving_default"]
        outputs = {name: value.name for name, value in graph.outputs.items()}
        answers.append(session.run(outputs, {graph.inputs["image_bytes"].name: files}))
    for answer in answers:
        np.testing.assert_allclose(answer["images"], expected, atol=1e-6)
        assert [text.decode() for text in np.array(answer["error"])] == errors


@pytest.mark.parametrize(("shape", "message"), [((0, 3, 1), "at least 1 pixel"), ((3, 3, 2), "channels must be 1")])
def test_what_cannot_be_is_refused(shape, message):
    with pytest.raises(ZooError, match=message):
        Images(*shape)
