"""Parts of pages: canvas, controls, image grid, video player."""
