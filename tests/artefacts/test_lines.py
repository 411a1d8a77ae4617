"""What `zoo predict` prints."""

from zoo.artefacts import lines


def test_a_line_has_texts_first_and_the_names_of_flags_that_are_set_last():
    answer = {"cut": True, "score": -1.25, "translation": "I am here.", "words": ["a", "", "b"]}
    assert lines.line(answer) == "I am here.\t-1.2500\ta b\tcut"
    assert lines.line(answer | {"cut": False}) == "I am here.\t-1.2500\ta b"


def test_a_line_of_an_answer_with_an_error_is_the_error():
    assert lines.line({"label": "", "error": "no image"}) == "error: no image"
    assert lines.line({"label": "seven", "error": ""}) == "seven"
