"""
The commands with their arguments and options: all that ``--help`` needs.

What a command does is in a module of its own, which is imported when it runs.
"""

from __future__ import annotations

from typing import Any

import click

from pegboard import __version__

from ._group import Commands
from ._place import Place

FILE = click.Path(exists=True, dir_okay=False)
FOLDER = click.Path(exists=True, file_okay=False)


# The options are eager so that a --help after them knows of the plugins there.
@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--folder",
    type=FOLDER,
    envvar="PEGBOARD_FOLDER",
    is_eager=True,
    help="Where the settings are. Default: the nearest folder upwards that has some.",
)
@click.option(
    "--profile", is_eager=True, help="Put pegboard.PROFILE.toml over pegboard.toml."
)
@click.option("-v", "--verbose", is_flag=True, help="Log to stderr what is done.")
@click.version_option(__version__, message="pegboard %(version)s")
@click.pass_context
def cli(
    context: click.Context,
    folder: str | None,
    profile: str | None,
    verbose: bool,  # noqa: FBT001 - click passes what it parsed
) -> None:
    """LLM providers, storage and integrations as plugins, chosen by settings."""
    context.obj = Place(folder, profile)
    if verbose:
        from pegboard import enable_logging  # noqa: PLC0415 - loguru is slow to import

        enable_logging()


@cli.command()
@click.argument("prompt", nargs=-1)
@click.option("--llm", default="default", show_default=True, help="Which one to ask.")
@click.option("--system", metavar="TEXT", help="Instructions to put before the prompt.")
@click.option(
    "--json",
    "schema_file",
    type=FILE,
    metavar="SCHEMA_FILE",
    help="Answer in JSON that fits this JSON Schema.",
)
@click.option("--usage", is_flag=True, help="Say on stderr what the answer took.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Longest answer.")
@click.option("--temperature", type=float, help="How much to vary, 0 for the least.")
@click.option("--seed", type=int, help="Same seed, same answer, as far as possible.")
@click.pass_obj
def ask(place: Place, /, **given: Any) -> None:
    """
    Ask a language model; the answer appears as it is written.

    PROMPT is read from stdin when it is missing or '-'. With both, what is piped in
    is put after PROMPT.
    """
    from . import _ask  # noqa: PLC0415 - only what runs is imported

    _ask.run(place, **given)


# What stands behind the operation is for the options that are made of it.
@cli.command(context_settings={"allow_interspersed_args": False})
@click.argument("operation")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS]...")
@click.pass_context
def call(context: click.Context, operation: str, arguments: tuple[str, ...]) -> None:
    """
    Call an operation of an integration or of storage; print JSON.

    OPERATION is instance and operation, such as alerts.post_message, of storage with
    the family, such as storage.notes.get. With --help behind it, its options are
    shown; with --help behind an instance alone, such as alerts, its operations.
    """
    from . import _call  # noqa: PLC0415 - only what runs is imported

    _call.run(context, context.obj, operation, arguments)


@cli.command()
@click.option(
    "--integrations",
    required=True,
    metavar="NAMES",
    help="Which ones, such as alerts,pages; or single operations of them.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Serve over HTTP there, to this machine only. Default: stdin and stdout.",
)
@click.pass_obj
def mcp(place: Place, *, integrations: str, port: int | None) -> None:
    """
    Offer operations of integrations as tools to programs that speak MCP.

    Needs pip install 'pegboard[mcp]'.
    """
    from . import _mcp  # noqa: PLC0415 - only what runs is imported

    names = [name for name in map(str.strip, integrations.split(",")) if name]
    _mcp.run(place, names, port)


@cli.command()
@click.argument("handler")
@click.option("--queue", required=True, metavar="NAME", help="Which integration.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Most messages that are worked at at once.",
)
@click.option("--drain", is_flag=True, help="End when the queue gives nothing more.")
@click.pass_obj
def worker(place: Place, /, **given: Any) -> None:
    """
    Call HANDLER for each message of a queue.

    HANDLER is an async function, such as package.module:handle. It gets the message,
    and the board if it has a parameter of that name. What it raises for comes again
    later. Ctrl-C or SIGTERM lets it finish what it has begun.
    """
    from . import _worker  # noqa: PLC0415 - only what runs is imported

    _worker.run(place, **given)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def plugins(place: Place, *, as_json: bool) -> None:
    """List what is installed, broken plugins and barred ones too."""
    from . import _plugins  # noqa: PLC0415 - only what runs is imported

    _plugins.run(place, as_json=as_json)


@cli.command()
@click.pass_obj
def check(place: Place) -> None:
    """Say all that is wrong with the settings. Exits with 1 if anything is."""
    from . import _check  # noqa: PLC0415 - only what runs is imported

    _check.run(place)


@cli.group()
def keys() -> None:
    """
    Manage secrets in secret stores. None is ever shown.

    KEY is store and name, such as vault/api-key. New values are read from a prompt that
    does not show them, or from stdin.
    """


@keys.command("list")
@click.argument("store", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_keys(place: Place, *, store: str | None, as_json: bool) -> None:
    """List the names of secrets, and which instances use them."""
    from . import _keys  # noqa: PLC0415 - only what runs is imported

    _keys.list_all(place, store, as_json=as_json)


@keys.command("set")
@click.argument("key")
@click.pass_obj
def set_key(place: Place, key: str) -> None:
    """Store a secret as KEY, in the place of what was there."""
    from . import _keys  # noqa: PLC0415 - only what runs is imported

    _keys.store(place, key)


@keys.command("check")
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check_key(place: Place, key: str, *, as_json: bool) -> None:
    """Say whether what uses KEY works. Exits with 1 if anything is down."""
    from . import _keys  # noqa: PLC0415 - only what runs is imported

    _keys.check(place, key, as_json=as_json)


@keys.command("rotate")
@click.argument("key")
@click.pass_obj
def rotate_key(place: Place, key: str) -> None:
    """
    Try a new secret with all that uses KEY, then store it.

    If anything is down with it, nothing is changed. Programs that run use it when they
    fetch their secrets again, as [secrets] renew_every says.
    """
    from . import _keys  # noqa: PLC0415 - only what runs is imported

    _keys.rotate(place, key)


@keys.command("delete")
@click.argument("key")
@click.pass_obj
def delete_key(place: Place, key: str) -> None:
    """Forget the secret KEY."""
    from . import _keys  # noqa: PLC0415 - only what runs is imported

    _keys.delete(place, key)


@cli.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--only",
    type=click.Choice(["values", "blobs", "files", "documents"]),
    multiple=True,
    help="Copy these alone; may be given again. Default: all that both keep.",
)
@click.option(
    "--collection",
    "collections",
    multiple=True,
    metavar="NAME",
    help="Copy these documents alone; may be given again. Default: all.",
)
@click.option("--prefix", default="", help="Copy only keys that begin with this.")
@click.option("--overwrite", is_flag=True, help="Replace what is in the target.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def copy(place: Place, /, **given: Any) -> None:
    """
    Copy what a storage keeps to another one, and compare it.

    SOURCE and TARGET are addresses, such as storage.old and storage.new. A copy that
    was interrupted goes on where it was when it is begun again. Exits with 1 if
    anything in the target is not as it is in the source.
    """
    from . import _copy  # noqa: PLC0415 - only what runs is imported

    _copy.run(place, **given)


@cli.command()
@click.option(
    "--watch",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Look again after so many seconds, until Ctrl-C.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def health(place: Place, *, watch: float | None, as_json: bool) -> None:
    """Say what can be reached now. Exits with 1 if anything is down."""
    from . import _health  # noqa: PLC0415 - only what runs is imported

    _health.run(place, as_json=as_json, watch=watch)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def stats(place: Place, *, as_json: bool) -> None:
    """Show what programs did, if the settings have them write it down."""
    from . import _stats  # noqa: PLC0415 - only what runs is imported

    _stats.run(place, as_json=as_json)


@cli.command()
@click.option("--address", help="Only calls of this instance, such as llm.default.")
@click.option("--model", help="Only calls that this model answered.")
@click.option("--failed", is_flag=True, help="Only calls that failed.")
@click.option("--since", metavar="TIME", help="Only the last 90s, 15m, 6h or 7d.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="How many calls at most, the latest. Default: 20, of JSON and CSV all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def calls(place: Place, /, **given: Any) -> None:
    """Show calls to models, if the settings have them recorded."""
    from . import _calls  # noqa: PLC0415 - only what runs is imported

    _calls.run(place, **given)


@cli.command()
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def explain(place: Place, address: str, *, as_json: bool) -> None:
    """
    Say what is at ADDRESS, and where each value is from.

    ADDRESS is family and name, such as llm.default or storage.sessions. Of a secret
    it is only said whether it is set.
    """
    from . import _explain  # noqa: PLC0415 - only what runs is imported

    _explain.run(place, address, as_json=as_json)
