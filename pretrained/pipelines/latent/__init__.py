"""Moving the point of a picture by hand."""
