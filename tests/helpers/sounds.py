"""An artefact whose inputs and outputs are contents of files, which are no text: what it is given comes back, and more."""

import small_cards
import tensorflow as tf

NOISE = b"RIFF\0\xff\xfe" + bytes(range(256)) + b"\r\n\0"  # as a WAV, MIDI or GIF may have it: no UTF-8, zeros at its end
FILES = {"audio_bytes": "string [N]", "error": "string [N]", "size": "int32 [N]"}
SIGNATURES = {
    "serving_default": {"inputs": {"audio_bytes": "string [N]"}, "outputs": FILES},
    "louder": {"inputs": {"audio_bytes": "string [N]", "volume": "float32 [N]"}, "outputs": FILES},
    "both": {"inputs": {"text": "string [N]"}, "outputs": {"audio_bytes": "string [N]", "midi_bytes": "string [N]"}},
}


def answer(content: bytes) -> dict:
    """What it says of the content of a file."""
    audio = content + NOISE if content else b""
    return {"audio_bytes": audio, "error": "" if content else "empty", "size": len(audio)}


def save(directory):
    """Makes the artefact; gives the directory."""
    texts, numbers = tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.float32)
    module = tf.Module()
    module.weight = tf.Variable(1.0)

    def played(audio_bytes):
        empty = audio_bytes == ""
        audio = tf.where(empty, "", tf.strings.join([audio_bytes, tf.constant(NOISE)]))
        return {"audio_bytes": audio, "error": tf.where(empty, "empty", ""), "size": tf.strings.length(audio)}

    module.functions = {
        "serving_default": tf.function(played, input_signature=[texts]),
        "louder": tf.function(lambda audio_bytes, volume: played(audio_bytes), input_signature=[texts, numbers]),
        "both": tf.function(lambda text: {"audio_bytes": text, "midi_bytes": text}, input_signature=[texts]),
    }
    tf.saved_model.save(module, str(directory), signatures=module.functions)
    examples = [{"input": {"b64": "YQ=="}, "output": {"error": ""}}]
    return small_cards.write(directory, signatures=SIGNATURES, labels=[], examples=examples)
