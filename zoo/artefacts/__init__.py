"""Artefacts: made, found, checked, published and loaded; and what goes in and out of them."""
