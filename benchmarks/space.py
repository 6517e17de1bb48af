"""How fast the Space is with many records: ready, opened, filtered, with many visitors at once, and how much it holds.

    python benchmarks/space.py --records 2000 --visitors 50

Records are made by hand in a temporary store. Beside the seconds of the clock stand those of the processor, which other
work on the machine does not stretch. With Chromium and playwright the page is opened in a browser too.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from made_records import made  # noqa: E402  # found beside the tests
from measuring import parser, tell  # noqa: E402

from suite.spec import CheckpointRef  # noqa: E402
from suite.store import Store  # noqa: E402

TASKS = ("t1", "t2", "t3")
WAYS = {"full": (0.05, 1.0), "lora": (0.03, 0.02), "linear_probe": (-0.05, 0.0005)}
EXAMPLES, SEEDS = 600, 3
WORDS = ("org-1", "org-1 full", "encoder", "")


def fill(folder: str, records: int) -> None:
    """Put so many records: checkpoints under three strategies on three tasks, three seeds each."""
    store = Store(folder)
    random = np.random.default_rng(0)
    hard = {task: random.random(EXAMPLES) for task in TASKS}
    skills = np.clip(random.normal(0.7, 0.08, records), 0.3, 0.95)
    sizes = (10 ** random.uniform(6, 9, records)).astype(int)
    cells = [
        (model, way, task, seed) for model in range(records) for way in WAYS for task in TASKS for seed in range(SEEDS)
    ][:records]

    def put(cell: tuple[int, str, str, int]) -> None:
        model, way, task, seed = cell
        more, share = WAYS[way]
        noise = np.random.default_rng([model, seed, *task.encode()]).normal(0, 0.06, EXAMPLES)
        values = (hard[task] + noise < skills[model] + more).astype(float)
        name, size = f"org-{model % 7}/encoder-{model:03d}", int(sizes[model])
        checkpoint = CheckpointRef(name=name, revision=f"{model:040x}")
        about = {"params": size, "trainable_params": max(10, int(size * share))}
        cost = {"seconds": size / 1e6 * (share + 0.2), "peak_memory_bytes": 10**9}
        given = {"checkpoint": about, "cost": cost, "spec_fields": {"checkpoint": checkpoint}}
        store.put(made(name, task, values, seed=seed, strategy=way, **given))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, cells))
    store.contents()


class Server:
    """The Space in a process of its own."""

    def __init__(self, store: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        environment = os.environ | {"SUITE_STORE": store, "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, str(ROOT / "space" / "app.py")]
        began = time.perf_counter()
        self.process = subprocess.Popen(command, env=environment, cwd=store, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.process.stdout.readline()
        self.seconds = time.perf_counter() - began
        page = urllib.request.urlopen(self.url).read().decode()
        self.config = json.loads(page.split("window.gradio_config = ", 1)[1].split(";</script>", 1)[0])

    @property
    def cpu(self) -> float:
        """Seconds of the processor so far."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def megabytes(self) -> int:
        """Memory that is resident now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1000 for line in lines if line.startswith("VmRSS"))

    def filter(self, words: str, visitor: str) -> float:
        """Search as the page does and return the seconds that it took."""
        part = {one["props"].get("elem_id"): one for one in self.config["components"]}
        search = part["lb-search"]["id"]
        event = next(one["id"] for one in self.config["dependencies"] if [search, "change"] in one["targets"])
        values = [part["lb-board"]["props"]["value"], "all", part["lb-protocol"]["props"]["value"], [], [], words, None]
        body = {"data": values, "fn_index": event, "trigger_id": search, "session_hash": visitor}
        asked = urllib.request.Request(
            f"{self.url}gradio_api/run/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        began = time.perf_counter()
        assert "<table" in json.loads(urllib.request.urlopen(asked).read())["data"][0]
        return time.perf_counter() - began


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of them lies."""
    return float(np.quantile(np.array(values), share))


def visit(server: Server, visitors: int) -> dict[str, Any]:
    """Let so many visitors open the page at once and filter it four times each; return how it went."""
    opened: list[float] = []
    filtered: list[float] = []
    failed: list[str] = []

    def one(number: int) -> None:
        try:
            began = time.perf_counter()
            urllib.request.urlopen(server.url).read()
            opened.append(time.perf_counter() - began)
            filtered.extend(server.filter(words, f"v{number}") for words in WORDS)
        except Exception as error:
            failed.append(repr(error))

    cpu, began = server.cpu, time.perf_counter()
    threads = [threading.Thread(target=one, args=(number,)) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    both = opened + filtered
    return {
        "requests": len(both),
        "failed": failed[:5],
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(server.cpu - cpu, 1),
        **{f"page_p{p}": round(quantile(opened, p / 100), 2) for p in (50, 95)},
        **{f"filter_p{p}": round(quantile(filtered, p / 100), 2) for p in (50, 95)},
        "all_p95": round(quantile(both, 0.95), 2),
    }


def browse(server: Server) -> list[dict[str, float]]:
    """Open the page in a browser and filter it, three times; return the seconds, none without playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    found = []
    chromium = Path("/usr/bin/chromium")
    where: dict[str, Any] = {"executable_path": str(chromium)} if chromium.exists() else {}
    rows = "document.querySelectorAll('#board tbody tr').length"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], **where)
        for _ in range(3):
            page = browser.new_context().new_page()
            began = time.perf_counter()
            page.goto(server.url)
            page.wait_for_selector("#board tbody tr")
            seen = time.perf_counter() - began
            all_rows = page.evaluate(rows)
            page.fill("#lb-search textarea", "org-1")
            page.wait_for_function(f"{rows} < {all_rows}")
            used = time.perf_counter() - began
            began = time.perf_counter()
            page.fill("#lb-search textarea", "org-1 full")
            page.wait_for_function("[...document.querySelectorAll('#board tbody small')].length && "
                                   "![...document.querySelectorAll('#board tbody .name small')]"
                                   ".some(one => !one.textContent.startsWith('full'))")  # fmt: skip
            further = time.perf_counter() - began
            found.append({"seen": round(seen, 2), "filtered": round(used, 2), "a_further_filter": round(further, 2)})
            page.context.close()
        browser.close()
    return found


def main() -> None:
    """Make a store, serve it and time it."""
    words = parser(__doc__)
    words.add_argument("--records", type=int, default=2000)
    words.add_argument("--visitors", type=int, default=50)
    words.add_argument("--store", help="A store that is there already.")
    options = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = options.store or folder
        if not options.store:
            fill(store, options.records)
        server = Server(store)
        try:
            found: dict[str, Any] = {
                "load": round(os.getloadavg()[0], 1),
                "ready_seconds": round(server.seconds, 1),
                "ready_processor_seconds": round(server.cpu, 1),
                "ready_megabytes": server.megabytes,
                "browser_seconds": browse(server),
            }
            alone = [server.filter(words, "alone") for words in WORDS * 5]
            found["filter_alone_seconds"] = {"median": round(quantile(alone, 0.5), 3), "most": round(max(alone), 3)}
            found["visitors"] = visit(server, options.visitors)
            tell("space", found | {"megabytes_afterwards": server.megabytes}, options)
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
