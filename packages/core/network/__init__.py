"""The VGG network: architecture, weights and feature extraction."""
