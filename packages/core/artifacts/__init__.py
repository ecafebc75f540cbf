"""Exported artifacts: their manifests, and extractors and objectives loaded from them."""
