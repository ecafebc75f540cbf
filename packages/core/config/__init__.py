"""The configuration of a run: options, presets, efforts and registered style losses."""
