"""`python -m mailsandbox`."""

from mailsandbox.cli import main

if __name__ == "__main__":
    main()
