"""Where the files that travel with the package lie: in a checkout first, else inside the wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return the folder `tasks`, `cards` or `space`.

    Raises:
        FileNotFoundError: neither the checkout nor the installed package has it.
    """
    checkout = _PACKAGE.parent
    inside = checkout / name if (checkout / "pyproject.toml").is_file() else _PACKAGE / f"_{name}"
    if not inside.is_dir():
        raise FileNotFoundError(f"The installed package lacks its '{name}' folder: {inside}")
    return inside
