"""What looks alike is written in one way."""

import html
import unicodedata

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.preprocessing import normalise, split_words

NORMALISED = {
    "spaces": ("  a\t\n b\u00a0\u3000c \r\n", "a b c"),
    "control characters": ("a\x00b\x85c\u2028d\x1fe", "a b c d e"),
    "nothing to be seen": ("\ufeffco\u00adop\u200b er\u2060ate\u200e", "coop erate"),
    "joiners of Latin letters": ("\u200cwon\u200dder\u200c\u200cful\u200d", "wonderful"),
    "joiners that mean something": ("می\u200cخواهم क्\u200dष 👩\u200d👧", "می\u200cخواهم क्\u200dष 👩\u200d👧"),
    "quotes": ("‘it’s’ “so” „low‟", '\'it\'s\' "so" "low"'),
    "apostrophes": ("a‘s a’s a‛s aʼs a´s a′s a`s a＇s", " ".join(["a's"] * 8)),
    "Windows's characters taken for Latin-1": ("a\x92s \x93so\x94 \x96 b", 'a\'s "so" – b'),
    "backquotes around a word": ("`ls` it", "`ls` it"),
    "ellipsis": ("so…", "so..."),
    "hyphens": ("a\u2010b\u2011c \u22125 – —", "a-b-c -5 – —"),
    "space mark": ("a▁b", "a_b"),
    "full width": ("Ｇｏｏｄ！ １２％", "Good! 12%"),
    "ligatures": ("ﬁne ﬂoor oﬃce", "fine floor office"),
    "an accent behind what is not to be seen": ("caf\u0065\u00ad\u0301", "café"),
    "bytes that are not UTF-8": (b"caf\xe9 noir", "caf� noir"),
    "case": ("ÉTÉ", "ÉTÉ"),
    "references": ("Tom &amp; Ana&nbsp;&#8211; &quot;caf&eacute;&quot;", 'Tom & Ana – "café"'),
    "numbers of references": ("it&#39;s it&#x27;s it&#X27;s it&#039;s", "it's it's it's it's"),
    "references to Windows's characters": ("it&#146;s &#147;so&#148;&#133;", 'it\'s "so"...'),
    "references once": ("&amp;lt;", "&lt;"),
    "no references": ("AT&T a&b; &; &#; &nothing; R&amp", "AT&T a&b; &; &#; &nothing; R&amp"),
    "references to nothing": ("&#9999999;&#xd800;", "��"),
    "numbers too long for a reference": ("&#99999999;", "&#99999999;"),
    "empty": ("", ""),
    "only spaces": (" \n ", ""),
}


def strings(tensor):
    return [item.decode() for item in tensor.numpy().ravel()]


@pytest.mark.parametrize(("text", "normal"), NORMALISED.values(), ids=NORMALISED)
def test_normalised(text, normal):
    assert strings(normalise(tf.constant([text]))) == [normal]


def test_batch_mates_do_not_change_a_text():
    texts, normal = zip(*NORMALISED.values(), strict=True)
    assert strings(normalise(tf.constant(texts))) == list(normal)


def test_every_reference_of_html_4_is_its_character():
    names = "x".join(f"&{name};" for name in html.entities.name2codepoint)
    characters = "x".join(map(chr, html.entities.name2codepoint.values()))
    assert strings(normalise(tf.constant([names]))) == strings(normalise(tf.constant([characters])))


def test_accented_letters_are_one_character():
    """All that Unicode composes within Latin-1 and Latin Extended-A, whatever else is in the batch."""
    letters = "".join(map(chr, range(0xC0, 0x180)))
    separate = unicodedata.normalize("NFD", letters)
    assert len(separate) > len(letters)
    assert strings(normalise(tf.constant(["e", separate, "", "\u0301e", "niño", "@\u0300"]))) == [
        "e",
        unicodedata.normalize("NFC", separate),
        "",
        "\u0301e",
        "niño",
        "@\u0300",
    ]


@given(st.text())
@settings(deadline=None, max_examples=50)
def test_normalising_twice_changes_nothing(text):
    once = normalise(tf.constant([text.replace("&", "")]))  # a reference is one to another, now and then
    assert strings(normalise(once)) == strings(once)


def test_words_are_the_same_however_they_are_encoded():
    odd = [
        "It&#39;s a wonder\u00adful caf&eacute;, &quot;don’t&quot; go",
        "Ｉt's a won\u200bderful cafe\u0301, “don‘t” go",
        'it‛s a <b>wonderful</b> café,&nbsp;"don´t" go',
    ]
    for words in split_words(tf.constant(odd)).to_list():
        assert [word.decode() for word in words] == ["it's", "a", "wonderful", "café", ",", '"', "don't", '"', "go"]


def test_tags_are_dropped_before_references_are_read():
    assert strings(split_words(tf.constant(["a<br />b &lt;br /&gt;"]))[0]) == ["a", "b", "<", "br", "/", ">"]
