"""An exported text classifier: what its probabilities are."""

import numpy as np
import pytest
import tiny

CLASSIFIERS = [name for name in tiny.TASKS if name.startswith("classifier")]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_sum_to_one_and_the_label_is_the_likeliest(name, export_of):
    answers = export_of(name).answers["serving_default"]
    probabilities = answers["probabilities"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert np.ptp(probabilities[:, 0]) > 0.01  # the texts make a difference
    assert list(answers["label"]) == [[b"negative", b"positive"][index] for index in probabilities.argmax(axis=1)]


def test_the_whole_is_the_mean_of_the_parts(export_of):
    export = export_of("classifier stacked lstm with n-grams")
    parts = export.answers["parts"]
    for probabilities in parts.values():
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
        assert np.ptp(probabilities[:, 0]) > 0.01
    product = np.sqrt(parts["recurrent"] * parts["ngrams"])  # the mean of the logits
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(export.answers["serving_default"]["probabilities"], expected, rtol=0, atol=1e-5)
