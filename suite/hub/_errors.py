"""What the Hub's client complains of, in a sentence without addresses or tokens."""

from __future__ import annotations

import json
import re

from suite.spec import SuiteError

NO_TOKEN = "Writing to the Hub needs a token, and there is none. Log in with: hf auth login (or set HF_TOKEN)."
WRONG_TOKEN = "The Hub does not take this token: it is wrong or was taken back. Log in anew with: hf auth login --force"
AGAIN = "Nothing was published; the same command does it, or the rest of it."
TOKENS = re.compile(r"hf_[A-Za-z0-9]{16,}|(?<=Bearer[ ])\S+")


def explain(error: Exception, what: str) -> SuiteError:
    """Return a Hub client's error on reading as one sentence."""
    from huggingface_hub import errors

    if isinstance(error, SuiteError):
        return error
    if isinstance(error, errors.GatedRepoError):
        return SuiteError(f"{_capital(what)} is gated: ask for access on its page and log in with: hf auth login")
    if isinstance(error, errors.RevisionNotFoundError):
        return SuiteError(f"{_capital(what)}: the Hub knows the repository, but not that revision.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return SuiteError(
            f"The Hub does not know {what}. Check the spelling; if it is private, log in with: hf auth login"
        )
    if isinstance(error, errors.HfHubHTTPError):
        if (status := status_of(error)) == 401:
            return SuiteError(WRONG_TOKEN)
        return SuiteError(f"The Hub answered {status or 'an error'} when asked for {what}; try again later.")
    return SuiteError(
        f"The Hub cannot be reached for {what} ({type(error).__name__}). "
        "Check the network, or use --offline with a cached checkpoint, a folder or bundled/NAME."
    )


def refused(error: BaseException, what: str) -> SuiteError:
    """Return a Hub client's error on writing as one sentence."""
    from huggingface_hub import errors

    if isinstance(error, SuiteError):
        return error
    if isinstance(error, RuntimeError) and error.__cause__:  # an upload's error is wrapped
        return refused(error.__cause__, what)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return SuiteError(NO_TOKEN)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return SuiteError("HF_HUB_OFFLINE is set: nothing can be pushed. Unset it and run the command again.")
    if isinstance(error, errors.HfHubHTTPError):
        return _refused_by_the_hub(error, what)
    if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError):
        return SuiteError(f"The Hub does not take what was to be pushed to {what}: {_one_line(str(error))}")
    if "Timeout" in type(error).__name__:  # it may have arrived all the same, and be made in a moment
        return SuiteError(
            f"The Hub stopped answering while {what} was written to. The same command looks for what has arrived and "
            "sends the rest."
        )
    return SuiteError(f"The line to the Hub broke while {what} was written to ({type(error).__name__}). {AGAIN}")


def _refused_by_the_hub(error: Exception, what: str) -> SuiteError:
    from huggingface_hub import errors

    status = status_of(error)
    reason = _one_line(getattr(error, "server_message", None) or "no reason was given")
    if isinstance(error, errors.RepositoryNotFoundError):
        return SuiteError(f"The Hub does not know {what}, or does not show it to this token. Check the spelling.")
    if status == 401:
        return SuiteError(WRONG_TOKEN)
    if status == 403:
        return SuiteError(
            f"This token may not write to {what}: its name space belongs to others, or the token may only read. "
            "Propose the change with --pr where the repository exists, or choose a name of your own."
        )
    if status in (400, 413, 422):
        return SuiteError(f"The Hub does not take what was to be pushed to {what}: {reason}")
    if status == 429:
        return SuiteError(f"The Hub asks to wait before more is written to {what}. {AGAIN}")
    return SuiteError(f"The Hub answered {status or 'an error'} while {what} was written to. {AGAIN}")


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an error, None where there was no answer."""
    return getattr(getattr(error, "response", None), "status_code", None)


def redact(text: str) -> str:
    """Return a text without anything that is, or looks like, a token."""
    from huggingface_hub import get_token

    own = get_token()
    return TOKENS.sub("hf_***", text.replace(own, "hf_***") if own else text)


def _one_line(text: str) -> str:
    """Return what a server said, fit for a sentence: no token, no address, no line breaks."""
    plain = re.sub(r"https?://\S+", "", redact(text)).replace("\n- ", " ")
    return " ".join(plain.split())[:300]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
