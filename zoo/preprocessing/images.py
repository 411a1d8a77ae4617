"""Encoded images to float images."""

import tensorflow as tf

from zoo.errors import ZooError

# The largest image that is decoded: a few kilobytes may declare terabytes. Phones take up to 50 megapixels in a row.
MEGAPIXELS = 64

# From here on an image is large: it is shrunk while it is decoded, and one after the other in the whole process.
LARGE_MEGAPIXELS = 4

# Of red, green and blue in a grey value (ITU-R BT.601, as in JPEG).
LUMA = (0.299, 0.587, 0.114)


class Images:
    """PNG and JPEG files in, float images of one size out; a file that cannot be read gives a black image and an error.

    Files may be of any size and kind of colour: 8 or 16 bits, grey, palette, RGB or CMYK. An alpha channel is laid over
    white; of an animation the first frame is taken; an orientation noted in EXIF is not followed.

    Args:
        height, width: of the images that come out, in pixels.
        channels: 1 for grey, 3 for RGB.
        dark_background: for drawings such as digits: one on a light background (by the mean of its border) is inverted, and
            all keep their proportions, with a dark edge where the shape differs. Else an image is stretched.
    """

    def __init__(self, height: int, width: int, channels: int, *, dark_background: bool = False):
        if min(height, width) < 1:
            raise ZooError(f"Images must be at least 1 pixel high and wide, not {height} and {width}.")
        if channels not in (1, 3):
            raise ZooError(f"channels must be 1 (grey) or 3 (RGB), not {channels}.")
        self.height, self.width, self.channels, self.dark_background = height, width, channels, dark_background

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    def __call__(self, image_bytes):
        """Decodes files.

        Args:
            image_bytes: string [N], the content of PNG or JPEG files.

        Returns:
            Images, float32 [N, height, width, channels] from 0 to 1, and what is wrong with each file, string [N], "" where
            nothing is.
        """
        count = tf.shape(image_bytes, tf.int64)[:1]
        is_image = _is_png(image_bytes) | _is_jpeg(image_bytes)
        # One after the other, so that at most one large image is in memory; those that cannot be decoded drop out here.
        files = tf.data.Dataset.from_tensor_slices((tf.range(count[0]), image_bytes, is_image))
        decoded = files.filter(lambda row, file, is_image: is_image).map(self._decode)
        none = tf.zeros([0], tf.int64), tf.zeros([0, *self.shape]), tf.zeros([0], tf.bool)
        batches = decoded.ignore_errors(log_warning=False).batch(tf.maximum(count[0], 1))
        rows, images, too_large = batches.concatenate(tf.data.Dataset.from_tensors(none)).take(1).get_single_element()
        images = tf.scatter_nd(rows[:, None], images, tf.concat([count, self.shape], 0))
        images = tf.ensure_shape(images, [None, *self.shape])
        is_decoded = tf.scatter_nd(rows[:, None], tf.ones_like(rows), count) > 0
        is_too_large = tf.scatter_nd(rows[:, None], tf.cast(too_large, tf.int32), count) > 0
        error = tf.where(is_decoded, "", "the image data is damaged")
        error = tf.where(is_too_large, f"image is larger than {MEGAPIXELS} megapixels", error)
        error = tf.where(is_image, error, "not a PNG or JPEG image")
        return images, tf.where(image_bytes == "", "empty", error)

    def unreadable(self, values) -> list[str]:
        """What is wrong with each of some files, bytes [N]; "" where nothing is."""
        return [error.decode() for error in self(tf.constant(values))[1].numpy()]

    def _decode(self, row, image_bytes, _):
        """One file → (row, float32 [height, width, channels], whether it is too large to be decoded)."""
        is_png = _is_png(image_bytes)
        size = tf.cond(
            is_png,
            lambda: tf.io.decode_raw(tf.strings.substr(image_bytes, 16, 8), tf.int32, little_endian=False),
            lambda: tf.image.extract_jpeg_shape(image_bytes)[:2],
        )
        pixels = tf.reduce_prod(tf.cast(size, tf.int64))
        too_large = pixels > MEGAPIXELS * 10**6
        is_large = pixels > LARGE_MEGAPIXELS * 10**6
        is_deep = tf.strings.substr(image_bytes, 24, 1) == b"\x10"
        kind = tf.where(is_png, tf.where(is_deep, 3, 2), 1)
        kind = tf.where(too_large, 0, tf.where(is_large, 4, kind))
        image = tf.switch_case(
            kind,
            (
                lambda: tf.zeros(self.shape),
                lambda: self._fit(tf.io.decode_jpeg(image_bytes, channels=3)),
                # as many channels as there are: where TensorFlow adds the alpha channel, it is wrong below 8 bits
                lambda: self._fit(_over_white(tf.io.decode_png(image_bytes))),
                lambda: self._fit(_over_white(tf.io.decode_png(image_bytes, dtype=tf.uint16))),
                lambda: _alone(
                    lambda: tf.cond(is_png, lambda: self._large_png(image_bytes), lambda: self._large_jpeg(image_bytes, size))
                ),
            ),
        )
        return row, image, too_large

    def _large_jpeg(self, image_bytes, size):
        """As `_fit`, of an image decoded at the smallest scale that still has two pixels for each that is wanted."""
        spare = tf.reduce_min(size // (2 * tf.constant([self.height, self.width])))
        scales = [lambda ratio=ratio: tf.io.decode_jpeg(image_bytes, channels=3, ratio=ratio) for ratio in (1, 2, 4, 8)]
        return self._fit(tf.switch_case(tf.reduce_sum(tf.cast(spare >= [2, 4, 8], tf.int32)), scales))

    def _large_png(self, image_bytes):
        """As `_fit`, of an image decoded at 8 bits; with alpha, one strip after the other is laid over white and shrunk."""
        pixels = tf.io.decode_png(image_bytes)
        return tf.cond(
            tf.shape(pixels)[-1] % 2 == 0,
            lambda: self._finish(_shrink_over_white(pixels, self._size(pixels)) / pixels.dtype.max),
            lambda: self._fit(pixels),
        )

    def _size(self, pixels):
        """Of [h, w, ...] when it is shrunk: int32 [2]."""
        given, size = tf.shape(pixels)[:2], tf.constant([self.height, self.width])
        if self.dark_background:
            largest = tf.reduce_min(size / given)
            size = tf.maximum(tf.cast(tf.round(largest * tf.cast(given, tf.float64)), tf.int32), 1)
        return size

    def _fit(self, pixels):
        """Integer [h, w, 1 or 3] → float32 [height, width, channels]."""
        size = self._size(pixels)
        image = tf.cond(
            tf.reduce_all(tf.shape(pixels)[:2] == size),  # for a data set of ready images, half the time
            lambda: tf.cast(pixels, tf.float32),
            lambda: tf.image.resize(pixels, size, antialias=True),
        )
        return self._finish(image / pixels.dtype.max)

    def _finish(self, image):
        """float32 [h, w, 1 or 3] from 0 to 1 of the right size → float32 [height, width, channels]."""
        image = tf.reduce_sum(image * LUMA, axis=-1, keepdims=True) if self.channels == 1 else image * tf.ones([3])
        if self.dark_background:
            border = tf.concat([image[0], image[-1], image[:, 0], image[:, -1]], 0)
            image = tf.where(tf.reduce_mean(border) > 0.5, 1 - image, image)
            image = tf.image.resize_with_crop_or_pad(image, self.height, self.width)
        return tf.ensure_shape(tf.clip_by_value(image, 0, 1), self.shape)


def at_least_one(image_bytes):
    """Files, string [N] → the same, or an empty file where there is none: TensorFlow's oneDNN kernels fail on no images."""
    return tf.concat([image_bytes, tf.fill([tf.cast(tf.shape(image_bytes)[0] == 0, tf.int32)], "")], axis=0)


def _over_white(pixels):
    """Integer [h, w, 1 to 4], where an even number of channels ends with alpha → [h, w, 1 or 3]."""

    def blend():
        # before the size changes: colours of transparent pixels mean nothing, and must not bleed into the others
        colours, alpha = tf.cast(pixels[..., :-1], tf.float32), tf.cast(pixels[..., -1:], tf.float32) / white
        return tf.cast(tf.round(white + (colours - white) * alpha), pixels.dtype)

    white = pixels.dtype.max
    return tf.cond(tf.shape(pixels)[-1] % 2 == 0, blend, lambda: pixels)


def _shrink_over_white(pixels, size):
    """uint8 [h, w, 2 or 4] → float32 [*size, 1 or 3], as `_over_white` and then `tf.image.resize`.

    As floats a whole image takes 25 bytes a pixel: it is done for each row of the result on its own, or for each column,
    whichever takes less of the image.
    """
    given = tf.shape(pixels)[:2]
    scale = tf.cast(size, tf.float32) / tf.cast(given, tf.float32)
    is_row = scale[0] <= scale[1]
    along = tf.where(is_row, [1, 0], [0, 1])
    step, most = 1 / tf.reduce_min(scale), tf.reduce_sum(along * given)

    def strip(index):
        place = tf.cast(index, tf.float32)
        # the kernel reaches one step beyond each end; and a pixel more, for what is rounded
        begin = tf.clip_by_value(tf.cast((place - 0.5) * step, tf.int32) - 1, 0, most)
        end = tf.clip_by_value(tf.cast((place + 1.5) * step, tf.int32) + 2, 0, most)
        part = tf.slice(
            pixels, tf.concat([begin * along, [0]], 0), tf.concat([tf.where(along == 1, end - begin, given), [-1]], 0)
        )
        # as `tf.image.resize`, of this part of the image for this part of the result
        moved = tf.cast(along * begin, tf.float32) * scale - tf.cast(along, tf.float32) * place
        return tf.raw_ops.ScaleAndTranslate(
            images=_over_white(part)[None],
            size=tf.where(along == 1, 1, size),
            scale=scale,
            translation=moved,
            kernel_type="triangle",
        )[0]

    strips = tf.map_fn(strip, tf.range(tf.reduce_sum(along * size)), fn_output_signature=tf.float32, parallel_iterations=1)
    return tf.cond(is_row, lambda: strips[:, 0], lambda: tf.transpose(strips[:, :, 0], [1, 0, 2]))


def _alone(function):
    """What a function gives; at most one runs at a time in the process, whatever the model and the request."""
    lock = tf.raw_ops.MutexLock(mutex=tf.raw_ops.MutexV2(shared_name="zoo_large_image"))
    with tf.control_dependencies([lock]):
        result = function()
    with tf.control_dependencies([result]):
        done = tf.raw_ops.ConsumeMutexLock(mutex_lock=lock)
    with tf.control_dependencies([done]):
        return tf.identity(result)


def _is_png(image_bytes):
    return tf.strings.substr(image_bytes, 0, 8) == b"\x89PNG\r\n\x1a\n"


def _is_jpeg(image_bytes):
    return tf.strings.substr(image_bytes, 0, 3) == b"\xff\xd8\xff"
