"""A process whose Hub is the stand-in, kept for many commands: the clients read their environment when imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from command_line import Told
from loopback_hub import LoopbackHub

TOKEN = "hf_secretsecretsecretsecretsecret"
DRIVER = """
import contextlib, io, json, os, sys, time, traceback
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.01))  # the client waits up to 23 s over a line that is down
from command_line import call
from suite.spec import SuiteError
answers = sys.stdout
for line in sys.stdin:
    asked = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    if asked["token"]:
        os.environ["HF_TOKEN"] = asked["token"]
    if "words" in asked:
        told = call(*asked["words"])
        answer = {"code": told.code, "out": told.out, "err": told.err}
    else:
        names, said = dict(asked["names"]), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                exec(asked["source"], names)
                answer = {"result": names.get("result")}
            except SuiteError as error:
                answer = {"error": str(error)}
            except Exception:
                answer = {"broken": traceback.format_exc()}
        answer["said"] = said.getvalue()
    print(json.dumps(answer), file=answers, flush=True)
"""


class RefusedError(Exception):
    """What a SuiteError in the process said."""


class Session:
    """One process; every word that it says is searched for tokens."""

    def __init__(self, hub: LoopbackHub, home: Path, **environment: str) -> None:
        env = hub.environment(home) | environment
        env["PYTHONPATH"] = f"{Path(__file__).parent}:{env.get('PYTHONPATH', '')}"
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", DRIVER], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()

    def suite(self, *words: str | Path, token: str | None = TOKEN) -> Told:
        """Run a command of ours."""
        answer = self._ask({"words": [str(word) for word in words]}, token)
        return Told(answer["code"], answer["out"], answer["err"])

    def run(self, source: str, token: str | None = TOKEN, **names: Any) -> Any:
        """Run Python source, given names, and return what it calls `result`; a SuiteError comes as `RefusedError`."""
        answer = self._ask({"source": source, "names": names}, token)
        assert "broken" not in answer, answer["broken"]
        assert not answer["said"], answer["said"]
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer["result"]

    def _ask(self, question: dict[str, Any], token: str | None) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question | {"token": token}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process ended"
        for secret in (TOKEN, token):
            assert not secret or secret not in line, "a token was said aloud"
        self.said += line
        return json.loads(line)
