"""How long a run takes by its data, and which of its epochs is the best."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import tensorflow as tf

import zoo
from zoo.training.batches import Batches
from zoo.training.plan import Choice, Plan


@dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    """Three epochs of usual data."""

    usual_epochs: ClassVar[int] = 3


class Numbers(zoo.Task):
    """Nothing but examples: their own numbers."""

    def __init__(self):
        pass

    def encode_example(self, number):
        return number, number

    def losses(self):
        raise NotImplementedError

    metrics = serving_default = losses


ACCURACY = zoo.Monitor("accuracy")


def plan(steps, least_steps=300, **settings):
    return Plan.make(Config(**settings), steps, least_steps)


@pytest.mark.parametrize(
    ("steps", "settings", "epochs", "last"),
    [
        (1000, {}, 3, 3000),  # large data: the recipe's number
        (16, {}, 19, 304),  # small data: as many as make the least steps
        (16, {"epochs": 2}, 2, 32),  # who says how many gets them
        (16, {"max_steps": 20}, 19, 20),
        (300, {}, 3, 900),
    ],
)
def test_small_data_are_read_more_often(steps, settings, epochs, last):
    made = plan(steps, **settings)
    assert (made.epochs, made.last) == (epochs, last)


def test_a_run_says_what_it_will_do():
    assert plan(16).describe(152) == "152 examples: at most 19 epochs of 16 steps."
    assert plan(1, epochs=1).describe(4) == "4 examples: at most 1 epoch of 1 step."
    assert plan(1000, max_steps=1500).describe(8000) == "8,000 examples: 1,500 steps, 1,000 an epoch."


@pytest.mark.parametrize(("examples", "size"), [(160, 16), (1000, 64), (12, 1), (3, 1)])
def test_the_batch_of_small_data_is_cut_so_that_an_epoch_has_ten_steps(examples, size):
    dataset = tf.data.Dataset.range(examples).map(lambda number: (number,))
    batches = Batches(Numbers(), dataset, batch_size=64, least_steps=10)
    first, _ = next(iter(batches.epoch()))
    assert (batches.steps, len(first)) == (-(-examples // size), size)
    assert sum(1 for _ in batches.epoch()) == batches.steps


def test_of_equal_scores_the_lower_loss_is_better():
    choice = Choice(ACCURACY, 100)
    assert choice.better({"accuracy": 0.9, "loss": 0.5}, 10)
    assert choice.better({"accuracy": 0.9, "loss": 0.4}, 20)
    assert not choice.better({"accuracy": 0.9, "loss": 0.4}, 30)
    assert not choice.better({"accuracy": 0.8, "loss": 0.3}, 40)
    assert choice.better({"accuracy": 0.95, "loss": 0.7}, 50)


def test_among_few_examples_the_loss_decides():
    choice = Choice(zoo.Monitor("accuracy", loss="crossentropy"), 99)
    assert str(choice.monitor) == "crossentropy (lower is better)"
    assert choice.better({"accuracy": 0.8, "crossentropy": 0.5}, 10)
    assert not choice.better({"accuracy": 0.9, "crossentropy": 0.6}, 20)
    assert choice.better({"accuracy": 0.7, "crossentropy": 0.4}, 30)


def test_a_score_that_is_no_number_is_the_worst():
    choice, nan = Choice(ACCURACY, 100), float("nan")
    assert choice.better({"accuracy": nan, "loss": nan}, 10), "there is no other"
    assert choice.better({"accuracy": 0.1, "loss": nan}, 20)
    assert choice.better({"accuracy": 0.1, "loss": 9.0}, 30)
    assert not choice.better({"accuracy": nan, "loss": 1.0}, 40)


def waits(choice, losses, made, every=50):
    """The step at which a run ends, one epoch after the other."""
    for number, loss in enumerate(losses, start=1):
        choice.better({"accuracy": 0.5, "loss": loss}, number * every)
        if choice.waited(number * every, made):
            return number * every
    return None


def test_patience_begins_after_the_least_steps_and_the_warm_up():
    assert waits(Choice(ACCURACY, 100), [1.0] * 20, plan(50, epochs=20, patience=100)) == 400  # 300 and 100
    assert waits(Choice(ACCURACY, 100), [1.0] * 20, plan(50, 1, epochs=20, patience=100)) == 150  # the first epoch is the best
    assert waits(Choice(ACCURACY, 100), [1.0] * 20, plan(50, 1, epochs=20)) == 550  # half of all by default
    assert waits(Choice(ACCURACY, 100), [1.0] * 60, plan(50, 1, epochs=60, patience=1)) == 150 + 50  # the warm-up has 150


def test_a_falling_loss_is_progress():
    losses = [1.0, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7]
    assert waits(Choice(ACCURACY, 100), losses, plan(50, 1, epochs=7, patience=100)) == 300


def test_a_choice_goes_on_from_its_state():
    choice, resumed, made = Choice(ACCURACY, 100), Choice(ACCURACY, 100), plan(50, 1, epochs=20, patience=100)
    assert choice.better({"accuracy": 0.9, "loss": 0.5}, 50)
    resumed.resume(choice.state())
    assert not resumed.better({"accuracy": 0.9, "loss": 0.5}, 100)
    assert not resumed.waited(100, made)
    assert resumed.waited(150, made)
