"""Models, codecs and text encoders."""
