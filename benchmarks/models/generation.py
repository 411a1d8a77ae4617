"""How fast characters come, one prompt at a time, and how well they are foreseen; the same weights, one run.

    python benchmarks/models/generation.py --data-dir DIR                    # some minutes

`keras_loop` writes as the Keras example "Character-level text generation with LSTM" does: `model.predict` on the last
characters for each one, and NumPy draws. `state_loop` is the quickest loop in Python over the same Keras model: one call of the
model for each character, the state kept between them. `generate` is one request to the artefact, `stream` one for each
character. All begin with the text and end with a text. Calls alternate, and medians are compared. Writes
results/generation_cpu.csv and, of the losses in nats a character, results/shakespeare_loss.csv: the state is carried through
each part of the text, and the last 10 % are validation and test together. Beside them is what counting gives: the frequencies
of characters, and n-grams.
"""

import collections
import math
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tyro

import zoo
from zoo.artefacts.streaming import draw

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import medians, write

PROMPT = "ROMEO:\n"
SEEN = 128  # characters that `keras_loop` looks at
NGRAMS = {"frequencies": 1, "ngrams_of_5": 5}  # those of 4 and of 6 foresee validation worse
OPTIONS = {"temperature": 0.8, "top_k": 0, "top_p": 1.0}


def keras_loop(task, length):
    """The whole model on the last characters, for each one."""
    tokens, random = [2, *task.words(tf.constant([PROMPT])).numpy()[0]], np.random.default_rng(0)
    for _ in range(length):
        seen = np.array([tokens[-SEEN:]], "int32")
        logits = task.model.predict({"tokens": seen, "state": np.zeros([1, task.state_size], "float32")}, verbose=0)["logits"]
        tokens.append(draw(logits[0, -1], **OPTIONS, random=random))
    return task.words.decode(tf.constant([tokens]))


def state_loop(task, length):
    """The model on one character after the other, with its state."""
    random = np.random.default_rng(0)
    tokens = tf.constant([[2, *task.words(tf.constant([PROMPT])).numpy()[0]]], tf.int32)
    outputs, written = task.model({"tokens": tokens, "state": tf.zeros([1, task.state_size])}, training=False), []
    for _ in range(length):
        written.append(draw(outputs["logits"][0, -1], **OPTIONS, random=random))
        outputs = task.model({"tokens": tf.constant([written[-1:]]), "state": outputs["state"]}, training=False)
    return task.words.decode(tf.constant([written]))


def ngrams(trained: str, text: str, order: int) -> float:
    """Nats a character of a text by counts of the last ones, at most so many together (Witten & Bell 1991, interpolated)."""
    counts = [collections.defaultdict(collections.Counter) for _ in range(order)]
    for place, character in enumerate(trained):
        for length in range(min(order, place + 1)):
            counts[length][trained[place - length : place]][character] += 1
    totals = [{before: sum(found.values()) for before, found in each.items()} for each in counts]
    nats, uniform = 0.0, 1 / (len(counts[0][""]) + 1)
    for place, character in enumerate(text):
        probability = uniform
        for length in range(min(order, place + 1)):
            before = text[place - length : place]
            if before not in totals[length]:
                break
            found, total = counts[length][before], totals[length][before]
            probability = (found[character] + len(found) * probability) / (total + len(found))
        nats -= math.log(probability)
    return nats / len(text)


def main(artefact: str = "shakespeare_text", length: int = 200, rounds: int = 5, data_dir: Path | None = None):
    """Times all of them, scores the parts of the text, and writes both tables.

    Args:
        artefact: Name or path of the artefact.
        length: Characters to write.
        rounds: Texts by each of them.
        data_dir: Directory of prepared data.
    """
    task, model = zoo.load_task(artefact), zoo.load(artefact)
    request = {"prompt": PROMPT, "length": length, "seed": 0, **OPTIONS}
    writers = {
        "generate": lambda: model.predict([request], signature="generate"),
        "stream": lambda: "".join(model.stream(PROMPT, length=length, **OPTIONS)),
        "state_loop": lambda: state_loop(task, length),
        "keras_loop": lambda: keras_loop(task, length),
    }
    ms = medians(writers, rounds, warm_up=2)
    rows = [{"writer": name, "characters": length, "characters_a_second": round(1e3 * length / ms[name])} for name in writers]
    write("generation_cpu", [row | {"generate_is_faster": round(ms[row["writer"]] / ms["generate"], 1)} for row in rows])

    texts = zoo.data.tiny_shakespeare(zoo.RunConfig(data="real", data_dir=data_dir))
    parts = {"validation": next(texts.validation.as_numpy_iterator())[0]}
    parts |= {part.decode() or "test": text for text, part in texts.test.as_numpy_iterator()}
    trained = next(texts.train.as_numpy_iterator())[0].decode()
    rows = []
    for part, text in parts.items():
        scores = zoo.LanguageModel.measure(model, tf.data.Dataset.from_tensors((text, "")))
        score = scores["nats a character"]
        nats, low, high = (round(score[name], 4) for name in ("value", "low", "high"))
        perplexity = round(math.exp(score["value"]), 3)
        rows.append({"part": part, "characters": score["n"], "nats": nats, "low": low, "high": high, "perplexity": perplexity})
        for name, order in NGRAMS.items():
            rows[-1][name] = round(ngrams(trained, text.decode(), order), 4)
    write("shakespeare_loss", rows)


if __name__ == "__main__":
    tyro.cli(main)
