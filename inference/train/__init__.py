"""From packs of labelled recordings to weights with a card."""
