"""Folders and .zip files of images: what they are, how files are decoded, and where the arrays are kept."""
