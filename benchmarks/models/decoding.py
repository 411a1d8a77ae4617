"""One sentence through the shipped translator against the decoding loops of the tutorials, same weights, one run.

    python benchmarks/models/decoding.py                    # about 2 minutes

`keras_loop` decodes as the Keras example "English-to-Spanish translation with a sequence-to-sequence Transformer" does: a
Python loop that runs the whole model on the growing prefix at each step. `step_loop` decodes as TensorFlow's tutorial "Neural
machine translation with attention" does: the encoder once, then a Python loop over the decoder's step. All three begin with
the text and end with a text. Calls alternate, and medians are compared. Writes results/decoding_cpu.csv.
"""

import statistics
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tyro

import zoo
from zoo.data.spanish_phrases import spanish_phrases
from zoo.preprocessing import SubWords
from zoo.tasks.writer import allowed

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import medians, write

LIMIT = 64
WARM_UP = 3  # the first calls optimise the graph


def keras_loop(task, text):
    """The whole model at each step, on what has been written so far."""
    source, written = task.inputs(text), [SubWords.START]
    while len(written) <= LIMIT:
        logits = task.model({"source": source, "target": tf.constant([written])}, training=False)["logits"]
        written.append(int(np.argmax(allowed(logits)[0, -1])))
        if written[-1] == SubWords.END:
            break
    return task.target_words.decode(tf.constant([written[1:]]))


def step_loop(task, text):
    """The encoder once, the decoder step by step."""
    source = task.inputs(text)
    memory = task._encode(source)
    decoder = task.model.get_layer("decoder")
    state, context = decoder.prepare(memory, source != 0, LIMIT + 1)
    token, written = tf.constant([SubWords.START]), []
    while len(written) < LIMIT:
        logits, state = decoder.step(token, tf.constant(len(written)), state, context)
        token = tf.argmax(allowed(logits), axis=1, output_type=tf.int32)
        written.append(int(token[0]))
        if written[-1] == SubWords.END:
            break
    return task.target_words.decode(tf.constant([written]))


def main(artefact: str = "spanish_to_english", sentences: int = 40):
    """Times all of them on each sentence, and writes the table.

    Args:
        artefact: Name or path of the artefact.
        sentences: Sentences, each once with each decoder.
    """
    task, model = zoo.load_task(artefact), zoo.load(artefact)
    decoders = {
        "zoo_greedy": lambda text: model.signatures["greedy"](text=text)["translation"],
        "zoo_beam_5": lambda text: model.signatures["serving_default"](text=text)["translation"],
        "step_loop": lambda text: step_loop(task, text),
        "keras_loop": lambda text: keras_loop(task, text),
    }
    texts = [tf.constant([spanish]) for spanish, _ in spanish_phrases()["test"]][:sentences]
    answers = {name: [] for name in decoders}

    def reader(name):  # reads the next sentence at each call
        rest = iter(texts[:1] * WARM_UP + texts)
        return lambda: answers[name].append(decoders[name](next(rest)).numpy()[0].decode())

    ms = medians({name: reader(name) for name in decoders}, len(texts), warm_up=WARM_UP)
    greedy = answers["zoo_greedy"]
    words = statistics.mean(len(answer.split()) for answer in greedy[WARM_UP:])
    same = {name: np.mean([a == b for a, b in zip(answers[name], greedy, strict=True)][WARM_UP:]) for name in decoders}
    write(
        "decoding_cpu",
        [
            {
                "decoder": name,
                "sentences": len(texts),
                "words_written": round(words, 1),
                "median_ms": round(median, 2),
                "ratio_to_zoo_greedy": round(median / ms["zoo_greedy"], 2),
                "same_as_zoo_greedy": round(float(same[name]), 3),
            }
            for name, median in ms.items()
        ],
    )


if __name__ == "__main__":
    tyro.cli(main)
