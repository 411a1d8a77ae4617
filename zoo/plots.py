"""Pictures: how runs learnt, how far gradients reach, what a model looks at. Needs matplotlib, the extra `plots`."""

import math
import textwrap
import warnings
from pathlib import Path

import numpy as np

from zoo import files
from zoo.artefacts.values import content
from zoo.decay import factor_per_step
from zoo.errors import ZooError

try:
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot, which opens windows and keeps every figure
    from matplotlib.ticker import MaxNLocator
    from PIL import Image
except ImportError as error:
    raise ZooError('matplotlib is not installed: pip install "sequence-zoo[plots]".') from error

DPI = 100
END = "</s>"  # the last of an answer's tokens
SPACE = "▁"  # what a piece starts with if a space stood before it
AS_IT_IS = {"parse_math": False}  # else the text between two dollars becomes a formula
CELL = 0.3  # inches, of a pair of tokens
PANEL = 1.25  # inches, of an image
PIXELS = 256  # height and width of an image, before the figure scales it
DECADES = 15  # below the largest norm of a panel that are drawn: a gradient that small is none


def check_path(path) -> None:
    """Raises `ZooError` if no picture can be written there: no such directory, or a file type that matplotlib has not."""
    path = Path(path)
    if not path.parent.is_dir():
        raise ZooError(f"{path} cannot be written: there is no directory {path.parent}.")
    types = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in types:
        raise ZooError(f"{path} cannot be written: the name of a picture ends in one of {', '.join(f'.{t}' for t in types)}.")


def attention(model, item, path) -> Figure:
    """Draws what a model looks at: an `alignment` of texts, or a `gaze` at an image.

    Args:
        model: from `zoo.load`, with a signature `attention`.
        item: one raw input, as `model.predict` takes it.
        path: where the picture is written; an older one is replaced.

    Returns:
        The figure.

    Raises:
        ZooError: if the model has no such signature, the input cannot be read, or the picture cannot be written.
    """
    if "attention" not in model.signatures:
        raise ZooError(f"There is no signature 'attention' to draw; there are {', '.join(sorted(model.signatures))}.")
    (answer,) = model.predict([item], signature="attention")
    if answer.get("error"):
        raise ZooError(f"There is nothing to draw: {answer['error']}.")
    if "source_tokens" in answer:
        return alignment(answer, path)
    return gaze(answer, content(item), path)


def alignment(answer: dict, path) -> Figure:
    """Draws how much each written token looks at each token that was read.

    Args:
        answer: of a signature `attention`: `translation` or `summary`, `source_tokens` [S], `target_tokens` [T], `weights`
            [T, S].
        path: where the picture is written; an older one is replaced.

    Returns:
        The figure. A "·" before a token stands for a space.

    Raises:
        ZooError: if nothing was read, or the picture cannot be written.
    """
    source, target = _used(answer["source_tokens"]), _used(answer["target_tokens"])
    if not (source and target):
        raise ZooError("There is nothing to draw: the text is empty.")
    weights = np.array(answer["weights"])[: len(target), : len(source)]
    width, height = CELL * len(source), CELL * len(target)
    figure = Figure((width, height))
    axes = figure.add_axes((0, 0, 1, 1))  # labels are outside: the file is cut around them
    picture = axes.imshow(weights, cmap="magma_r", vmin=0, aspect="auto")
    axes.set_xticks(range(len(source)), _readable(source), rotation=50, ha="left", rotation_mode="anchor", **AS_IT_IS)
    axes.set_yticks(range(len(target)), _readable(target), **AS_IT_IS)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    text = next(answer[name] for name in ("translation", "summary") if name in answer)
    axes.set_title(_wrapped(text, max(width, 5)), loc="left", pad=10, **AS_IT_IS)
    tall = max(height, 1.0)
    bar = figure.add_axes((1 + 0.15 / width, 1 - tall / height, 0.12 / width, tall / height))
    figure.colorbar(picture, bar, label="weight").outline.set_visible(False)
    for spine in axes.spines.values():
        spine.set_edgecolor("0.7")
    return save(figure, path)


def gaze(answer: dict, image_bytes: bytes, path) -> Figure:
    """Draws where on an image a model looks as it writes each word.

    Args:
        answer: of a captioner's signature `attention`: `caption`, `tokens` [T], `weights` [T, rows, columns].
        image_bytes: the content of the PNG or JPEG file.
        path: where the picture is written; an older one is replaced.

    Returns:
        The figure: the image, then a panel for each word, the brighter the higher the weight, each on its own scale. The
        image is stretched to a square, as the model sees it. The weights of a word of several tokens are averaged.

    Raises:
        ZooError: if the image cannot be read, or the picture cannot be written.
    """
    image, words = _image(image_bytes), _words(answer["tokens"], answer["weights"])
    beside = min(max(math.ceil(len(words) / 2), 1), 5)  # panels to the right of the large image, in two rows
    columns, below = 2 + beside, max(len(words) - 2 * beside, 0)
    rows = 2 + math.ceil(below / columns)
    figure = Figure((columns * PANEL, rows * (PANEL + 0.2)), layout="constrained")
    grid = figure.add_gridspec(rows, columns)
    axes = figure.add_subplot(grid[:2, :2])
    axes.imshow(image)
    axes.set_title(_wrapped(answer["caption"], 2 * PANEL), fontsize=10, **AS_IT_IS)
    axes.set_axis_off()
    places = [(row, column) for row in range(rows) for column in range(columns) if row > 1 or column > 1]
    grey = image @ (0.299, 0.587, 0.114)
    for (word, weights), (row, column) in zip(words, places, strict=False):
        axes = figure.add_subplot(grid[row, column])
        axes.imshow(grey, cmap="gray", vmin=-0.4, vmax=1)  # pale, under the colours
        extent = (-0.5, PIXELS - 0.5, PIXELS - 0.5, -0.5)
        axes.imshow(weights, cmap="inferno", vmin=0, alpha=0.6, interpolation="bicubic", extent=extent)
        axes.set_title(word, fontsize=9, pad=3, **AS_IT_IS)
        axes.set_axis_off()
    return save(figure, path)


def curves(log: list[dict], path, monitor, kept: int) -> Figure:
    """Draws the loss and what was monitored against the epochs.

    Args:
        log: one row an epoch, as `Run.log`: `epoch`, `loss`, `val_loss`, and what was monitored likewise.
        path: where the picture is written; an older one is replaced.
        monitor: the `zoo.Monitor` that chose the epoch that was kept.
        kept: that epoch; 0 where it was none, but the weights that the run began with.

    Returns:
        The figure.

    Raises:
        ZooError: if the log is empty, or the picture cannot be written.
    """
    if not log:
        raise ZooError("There is nothing to draw: the log has no epoch.")
    epochs = [row["epoch"] for row in log]
    names = list(dict.fromkeys(("loss", monitor.name)))  # one panel, if it was the loss
    figure = Figure((3.5 * len(names), 2.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.axvline(
            kept, color="0.75", linestyle="--", linewidth=1, label=f"kept: epoch {kept}" if kept else "kept: the start"
        )
        for key, label, colour in ((name, "training", "tab:blue"), (f"val_{name}", "validation", "tab:orange")):
            axes.plot(epochs, [row[key] for row in log], "o-", color=colour, markersize=3, linewidth=1.5, label=label)
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return save(figure, path)


def learning_curves(panels: dict, path, *, measure: str, baseline: float, baseline_name: str) -> Figure:
    """Draws a measure of several models against the training steps, on a logarithmic scale.

    Args:
        panels: title of a panel → {label of a line: (steps [E], values [E])}.
        path: where the picture is written; an older one is replaced.
        measure: what the values are, the lower the better.
        baseline, baseline_name: a value to be beaten, and whose it is.

    Returns:
        The figure.

    Raises:
        ZooError: if there is no panel, or the picture cannot be written.
    """
    figure, all_axes = _panels(panels, columns=3, height=2.8)
    for axes, lines in zip(all_axes, panels.values(), strict=True):
        if axes is not all_axes[0]:
            axes.sharey(all_axes[0])
        for label, (steps, values) in lines.items():
            axes.plot(steps, values, "o-", markersize=2.5, linewidth=1.5, label=label)
        axes.axhline(baseline, color="0.4", linestyle="--", linewidth=1, label=baseline_name)
        axes.set(xlabel="training step", xlim=(0, None))
    all_axes[0].set_ylabel(measure)
    all_axes[-1].legend(frameon=False, fontsize=8)
    return save(figure, path)


def gradient_flow(panels: dict, path, *, columns: int = 3) -> Figure:
    """Draws norms of gradients against the time lag, on a logarithmic scale, each with its factor per step of lag.

    Args:
        panels: title of a panel → {label of a line: norms [T] by lag, as `zoo.gradient_flow` gives them}.
        path: where the picture is written; an older one is replaced.
        columns: most panels in a row.

    Returns:
        The figure.

    Raises:
        ZooError: if there is no panel, or the picture cannot be written.
    """
    figure, all_axes = _panels(panels, columns=columns, height=2.6)
    for axes, lines in zip(all_axes, panels.values(), strict=True):
        for label, norms in lines.items():
            norms = np.where(np.asarray(norms) > 0, norms, np.nan)  # zero has no logarithm
            axes.plot(norms, ".-" if len(norms) < 30 else "-", label=f"{label}: ×{factor_per_step(norms):.3g} a step")
        largest = np.nanmax([*np.concatenate(list(lines.values())), 0])
        if largest > 0 and axes.get_ylim()[0] < largest * 10.0**-DECADES:
            axes.set_ylim(bottom=largest * 10.0**-DECADES)
        axes.set(xlabel="lag (steps before the last)")
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")  # it may have to lie on a line
    all_axes[0].set_ylabel("norm of the gradient")
    return save(figure, path)


def _panels(panels, *, columns, height):
    """A figure with one panel for each title, and their axes; the scale of y is logarithmic."""
    if not panels:
        raise ZooError("There is nothing to draw: there is no panel.")
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure((max(3.3 * columns, 5), height * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns)
    every = []
    for number, title in enumerate(panels):
        axes = figure.add_subplot(grid[divmod(number, columns)])
        axes.set(yscale="log")
        axes.set_title(title, fontsize=10, **AS_IT_IS)
        axes.spines[["top", "right"]].set_visible(False)
        every.append(axes)
    return figure, every


def _used(tokens):
    """Tokens without the padding at their end."""
    return tokens[: max((index + 1 for index, token in enumerate(tokens) if token), default=0)]


def _readable(tokens):
    return [token.replace(SPACE, "·") for token in tokens]


def _words(tokens, weights):
    """Tokens up to the end, and their weights → (word, mean of its tokens' weights) for each word."""
    words = []
    for token, look in zip(_used(tokens), weights, strict=False):
        if token == END:
            break
        if token.startswith(SPACE) or not words:
            words.append((token.removeprefix(SPACE), [look]))
        else:
            words[-1] = (words[-1][0] + token, [*words[-1][1], look])
    return [(word, np.mean(looks, axis=0)) for word, looks in words]


def _wrapped(text, inches):
    """A text in lines that are about so wide at 10 points."""
    return textwrap.fill(text, max(int(inches * 12), 10))


def _image(image_bytes):
    """The content of a file → float [PIXELS, PIXELS, 3]."""
    import tensorflow as tf  # here, so that curves need none

    from zoo.preprocessing.images import Images

    images, errors = Images(PIXELS, PIXELS, 3)(tf.constant([image_bytes]))
    if error := errors.numpy()[0].decode():
        raise ZooError(f"There is nothing to draw: {error}.")
    return images.numpy()[0]


def save(figure, path) -> Figure:
    """Writes a figure, whole or not at all, and gives it back; an older picture is replaced.

    Raises:
        ZooError: if the picture cannot be written.
    """
    check_path(path)
    with files.replacing(path) as temporary:
        with warnings.catch_warnings(), matplotlib.rc_context({"savefig.dpi": DPI}):
            warnings.filterwarnings("ignore", "Glyph")  # a character that the font has not becomes a box
            figure.savefig(temporary, bbox_inches="tight", pad_inches=0.1)
        if temporary.suffix.lower() == ".png":
            _with_palette(temporary)
    return figure


def _with_palette(path):
    """Takes a picture down to 256 colours: a third of the bytes, and little to see."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)  # keeps white white
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
