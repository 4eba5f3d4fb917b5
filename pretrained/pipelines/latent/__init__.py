"""The latent of an image: encoded from one, or moved by hand."""
