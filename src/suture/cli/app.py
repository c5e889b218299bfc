"""The application: its commands, and how errors become messages and exit codes."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console

from suture.errors import RecipeError, SutureError, nearest
from suture.runs.processes import rank

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Build one better vision network out of parts of pretrained ones, and see whether it really is better.\n\n"
    "Start with: suture demo",
)
INTERRUPTED = 130
Model = TypeVar("Model", bound=BaseModel)


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks. May stand anywhere.")] = False,
) -> None:
    del debug  # main has seen it, wherever it stood


def build(kind: type[Model], **fields: Any) -> Model:
    """Make a step from options. Raises RecipeError with everything that is wrong with them."""
    try:
        return kind(**fields)
    except ValidationError as error:
        found = error.errors()
        # Of a list with a bad item nothing else is said.
        inner = {one["loc"][:end] for one in found for end in range(1, len(one["loc"]))}
        found = [one for one in found if not (one["type"] == "too_short" and one["loc"] in inner)]
        given, expected, instead = _told(found)
        raise RecipeError(given, expected=expected, instead=instead) from error


def _told(errors: list[Any]) -> tuple[str, str, str]:
    """What was given, what was expected, and what to type instead; the last two of a single error, if it says them."""
    texts = [error["msg"].removeprefix("Value error, ") for error in errors]
    whole = re.fullmatch(r"(.*); expected (.*); instead (.*)", texts[0], re.DOTALL)
    if len(errors) == 1 and whole:
        return whole[1], whole[2], whole[3]
    same = len({(repr(error["input"]), error["msg"]) for error in errors}) == 1  # of every stage, where given for all
    if same and (one := _named(errors[0])):
        return one
    given = [
        f"{_place(error['loc']) or 'options'}: {text}"
        + ("" if isinstance(error["input"], dict) else f" (given {error['input']!r})")
        for error, text in zip(errors, texts, strict=True)
    ]
    return "; ".join(given), "values that fit", "the same command with --help for what each takes"


def _named(error: Any) -> tuple[str, str, str] | None:
    """What to say of one name that none of a few is, and None of any other mistake."""
    given, text = error["input"], error["msg"].removeprefix("Value error, ")
    if error["type"] == "literal_error":
        expected = error["ctx"]["expected"].replace("'", "")
        known = expected.replace(" or ", ", ").split(", ")
        return f"{_place(error['loc'])}: {given!r}", expected, nearest(given, known, 1)[0]
    found = re.fullmatch(r"(?P<what>.*); expected (?P<expected>.*); nearest: (?P<nearest>[^,]*).*", text, re.DOTALL)
    if not found:
        return None
    what = repr(given) if found["what"] == "unknown" else found["what"]
    return f"{_place(error['loc'])}: {what}", found["expected"], found["nearest"]


def _place(where: tuple[str | int, ...]) -> str:
    """Where in the options: ``stages.0.moves.0`` is ``moves of stage 1``."""
    match where:
        case ("fuse", *rest) if rest:
            return _place(tuple(rest))
        case ("stages", int(number), str(field), *_):
            return f"{field} of stage {number + 1}"
        case ("stages", int(number)):
            return f"stage {number + 1}"
    return ".".join(map(str, where))


def flowing(text: str) -> str:
    """Paragraphs without line breaks of their own, so that help is as wide as the terminal."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    from suture.cli import commands  # noqa: F401  registers every command

    for command in app.registered_commands:
        if command.callback is not None:
            command.callback.__doc__ = flowing(command.callback.__doc__ or "")

    # Threads that wait should sleep: spinning, they slow small networks tenfold wherever a core is busy otherwise.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    given = sys.argv[1:] if arguments is None else arguments
    if rank():
        # Of several processes the first one alone tells the result.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    errors = Console(stderr=True)
    try:
        app(args=given)
    except SutureError as error:
        if debug:
            raise
        errors.print(f"suture: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            errors.print("suture: interrupted", highlight=False)
        raise
    except Exception as error:
        if debug:
            raise
        errors.print(
            f"suture: {type(error).__name__}: {error}\n  this is a fault of suture's; --debug shows where",
            style="red",
            highlight=False,
            markup=False,
        )
        sys.exit(1)
