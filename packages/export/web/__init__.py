"""A static web page that runs style transfer in the browser."""
