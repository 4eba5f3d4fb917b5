"""The one exception that means "the input is at fault", whose text is shown to the user as it is."""


class InputError(ValueError):
    """A mistake in what the user asked for, or a file that is refused: one sentence that says what to do."""
