"""The recipe `splice_junctions`, for the checks that all recipes share."""

from family import Recipe

from zoo.data import drawn_dna

RECIPES = (Recipe(name="splice_junctions", small="--units 4 --filters 4", generator=drawn_dna.drawn_dna),)
