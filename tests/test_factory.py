"""Models of a configuration: which of its fields count."""

import dataclasses

import pytest

import zoo


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(zoo.RunConfig):
    """Some of the builder's arguments, and what is none of it."""

    cell: str = "gru"
    units: int | None = None
    layers: int = 2
    vocabulary_size: int = 1_000
    weights: str = "no_such_artefact"


def test_the_fields_that_the_builder_knows_are_its_arguments():
    model = zoo.create_model("text_classifier", Config(), vocabulary_size=9, num_classes=2, ngram_order=0)
    assert model.built_by.arguments == {"cell": "gru", "layers": 2, "vocabulary_size": 9, "num_classes": 2, "ngram_order": 0}


def test_what_is_given_counts_before_the_configuration_even_none():
    model = zoo.create_model("series_regressor", Config(units=3, layers=1), features=1, cell="rnn", units=None)
    assert model.built_by.arguments == {"cell": "rnn", "layers": 1, "features": 1}


@pytest.mark.parametrize("config", [Config, {"cell": "gru"}, "gru"])
def test_what_is_no_configuration_is_refused(config):
    with pytest.raises(zoo.ZooError, match=r"takes a configuration, such as a zoo\.RunConfig, not"):
        zoo.create_model("series_regressor", config, features=1)
