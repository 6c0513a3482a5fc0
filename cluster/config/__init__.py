"""The one configuration file: what it may say, and reading it."""
