"""Images to classes: a small convolutional network, or a recurrent stack that reads an image row by row."""

import keras
import tensorflow as tf

from zoo.layers import checks
from zoo.layers.stack import recurrent_stack
from zoo.preprocessing import Images, at_least_one
from zoo.registry import register_model
from zoo.tasks import Classifier, signature

ENCODERS = ("convolutional", "rows")

# Augmentation: a shift by up to 2 pixels in 28, a turn by up to 10 degrees, a change of size by up to 10 %.
SHIFT, TURN, ZOOM = 2 / 28, 10 / 360, 0.1


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
        encoder: "convolutional", or "rows": each row of pixels is one step of a sequence, from the top.
        cell: that reads the rows: "rnn", "gru", "lstm" or "transformer".
        units: filters of the first convolutions, 16 if None, twice as many in each block that follows; for rows the width of
            the state of one direction, or of the whole layer for a transformer, 128 if None.
        layers: number of blocks of two convolutions, 3 if None; for rows the depth of the stack, 1 if None.
        bidirectional: read the rows in both directions; for a transformer, not causal.
        dropout: share of the features dropped before the classes, in training; half of it after each block of convolutions,
            for rows all of it between layers.
        augment: shift, turn and zoom each training image a little, at random.

    Returns:
        A `keras.Model`: `images` float32 [N, height, width, channels] from 0 to 1 → logits float32 [N, num_classes].

    Raises:
        ZooError: if an argument is out of range.

    Source: blocks of two 3 × 3 convolutions and a maximum as in Simonyan & Zisserman 2015 (VGG), with batch normalisation
    (Ioffe & Szegedy 2015); an image as a sequence of its rows as in Le et al. 2015, who read it pixel by pixel.
    """
    checks.one_of(encoder=(encoder, ENCODERS))
    units = units if units is not None else {"convolutional": 16, "rows": 128}[encoder]
    layers = layers if layers is not None else {"convolutional": 3, "rows": 1}[encoder]
    checks.shared(cell=cell, units=units, layers=layers, dropout=dropout)
    checks.at_least(height=(height, 1), width=(width, 1), channels=(channels, 1), num_classes=(num_classes, 2))
    images = keras.Input((height, width, channels), name="images")
    x = images
    if augment:
        options = {"fill_mode": "nearest", "dtype": "float32"}
        x = keras.layers.RandomTranslation(SHIFT, SHIFT, name="random_shift", **options)(x)
        x = keras.layers.RandomRotation(TURN, name="random_turn", **options)(x)
        x = keras.layers.RandomZoom(ZOOM, name="random_zoom", **options)(x)
    if encoder == "convolutional":
        x = _convolutions(x, units=units, layers=layers, dropout=dropout)
    else:
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

    def __init__(self, model, labels, *, dark_background=False, examples):
        super().__init__(model, examples, labels=labels, dark_background=dark_background)
        self.images = Images(*model.inputs[0].shape[1:], dark_background=dark_background)

    def unreadable(self, values):
        """See `Task.unreadable`."""
        return self.images.unreadable(values)

    def inputs(self, image_bytes):
        """Contents of files, string [N] → the model's images; one that cannot be read is black."""
        return self.images(image_bytes)[0]

    @signature(image_bytes=tf.string)
    def serving_default(self, image_bytes):
        """File → label, probabilities, error; with an error, label "" and zero probabilities."""
        count = tf.shape(image_bytes)[0]
        images, error = self.images(at_least_one(image_bytes))
        return self.answer(self.model(images, training=False)[:count], error[:count])
