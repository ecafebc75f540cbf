"""The time until the toolkit is as good as others: by the loss of other programs, or by the picture."""
