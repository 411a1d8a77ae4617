"""One file per family of models: its builder and its Task."""
