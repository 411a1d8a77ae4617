"""A text as it is being written: a model's signatures `read` and `step`, asked token by token, whoever answers them."""

from collections.abc import Callable, Iterator

import numpy as np

from zoo.errors import ZooError

NEEDED = ("read", "step")
NEVER, END = slice(0, 3), 3  # ids: padding, unknown and start are never an answer; the end completes one


def stream(
    ask: Callable,
    prompt: str | bytes,
    *,
    length: int = 300,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Iterator[str]:
    """Goes on from a prompt, and gives each piece of the text as soon as it is known.

    Args:
        ask: (signature, {input: value}) → {output: value} of one row.
        prompt: what to go on from.
        length: tokens at most.
        temperature: what logits are divided by; 0 takes the likeliest token.
        top_k: how many of the likeliest tokens are drawn from; 0 for all.
        top_p: the fewest of the likeliest that have this probability together are drawn from.
        seed: the text depends on it alone. The numbers are NumPy's, others than those of the signature `generate`.

    Returns:
        An iterator of strings: characters, or sub-words.

    Raises:
        ZooError: at once, if an option is out of range.
    """
    if not isinstance(prompt, (str, bytes)):
        raise ZooError(f"A prompt is one text, not {type(prompt).__name__}.")
    if length < 0 or seed < 0 or temperature < 0 or not np.isfinite(temperature):
        raise ZooError(f"length, seed and temperature are 0 or more, not {length}, {seed} and {temperature}.")
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "random": np.random.default_rng(seed)}
    return _pieces(ask, prompt, length, options)


def _pieces(ask, prompt, length, options):
    answer = ask("read", {"prompt": prompt}) if length else {}
    for _ in range(length):
        token = draw(answer["logits"], **options)
        if token == END:
            return
        answer = ask("step", {"token": token, "state": answer["state"]})
        yield answer["piece"]


def draw(logits, *, temperature: float, top_k: int, top_p: float, random) -> int:
    """Draws a token as `zoo.decoding.sample` does, from logits [V] that it is never one of the first three of."""
    logits = np.array(logits, np.float64)
    logits[NEVER] = -np.inf
    order = np.argsort(-logits, kind="stable")[: top_k if top_k > 0 else None]
    if temperature <= 0:
        return int(order[0])
    probs = np.exp((logits[order] - logits[order[0]]) / max(temperature, 1e-6))
    sums = np.cumsum(probs / probs.sum())
    kept = 1 + np.searchsorted(sums, top_p, side="left") if top_p < 1 else len(sums)
    kept = min(kept, len(sums))
    return int(order[min(np.searchsorted(sums[:kept], random.random() * sums[kept - 1], side="right"), kept - 1)])
