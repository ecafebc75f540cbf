"""The VGG network: architecture, weights, features and their vector-Jacobian products."""
