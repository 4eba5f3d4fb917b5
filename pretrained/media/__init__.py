"""Image and video files: the only place where value ranges and file formats change."""
