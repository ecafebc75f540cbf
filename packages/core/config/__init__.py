"""The configuration of a run: options, presets and registered style losses."""
