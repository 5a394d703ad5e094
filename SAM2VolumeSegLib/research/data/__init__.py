"""Labelled CTs: where data sets keep them, which structures they have, generated ones."""
