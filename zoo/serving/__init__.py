"""TensorFlow Serving's protocol on a laptop: a local server for artefacts, and clients for it and for TensorFlow Serving."""
