"""The commands of the command line. `cli.main` runs them."""
