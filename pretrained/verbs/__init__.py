"""What can be done with a checkpoint: each verb is described once, for the command line, the API and the pages."""
