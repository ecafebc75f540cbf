"""The loss and its gradient: content, style and total variation."""
