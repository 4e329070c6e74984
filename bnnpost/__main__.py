"""`python -m bnnpost`: the command line."""

from bnnpost_cli.main import main

if __name__ == "__main__":
    main(prog_name="bnnpost")
