"""The wheel carries what it needs: installed elsewhere, it does the main job without the checkout."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, timeout=120)
    (found,) = folder.glob("*.whl")
    return found


def test_tasks_and_cards_travel_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "suite/_tasks/bundled/digits.yaml",
        "suite/_tasks/bundled/data/digits/test.parquet",
        "suite/_tasks/bundled/checkpoints/tiny-bert/model.safetensors",
        "suite/_tasks/collections/bundled.yaml",
        "suite/_tasks/protocols/standard.yaml",
        "suite/_cards/report.html.jinja",
        "suite/cli/__init__.py",
        "suite/py.typed",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "results/")) or "__pycache__" in name]


@pytest.mark.slow
def test_an_installed_wheel_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The new environment sees this one's libraries, but neither its editable install nor the checkout."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, timeout=120)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    command = [tmp_path / "venv" / "bin" / "suite", "run", "-m", "bundled/tiny-resnet", "-t", "digits"]
    words = ["-s", "linear_probe", "--protocol", "quick", "--seeds", "1", "--device", "cpu"]
    done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "bundled/tiny-resnet · digits · linear_probe · seed 0" in done.stderr
    assert list((tmp_path / "results" / "records").glob("*/*/record.json"))
    ask = [python, "-c", "import suite; print(suite.__file__)"]
    where = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True)
    assert str(tmp_path / "venv") in where.stdout
