"""Options of a command, made from the fields of the configuration that they set."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from layoutrt.cli.options import Size, is_given, parse_size
from layoutrt.train.config_fields import ConfigOption, field_values, options_of

Command = TypeVar("Command", bound=Callable[..., None])


def takes_options_of(config: type) -> Callable[[Command], Command]:
    """Let a command take the options of ``config`` in place of its ``**options``.

    They stand in ``--help`` after its positional parameters and before those behind ``*``.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        types = get_type_hints(config)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        first = [each for each in own if each.kind is not each.KEYWORD_ONLY]
        made = [_parameter(each, types[each.fields[0]]) for each in options_of(config)]
        parameters = [*first, *made, *own[len(first) :]]
        setattr(command, "__signature__", signature.replace(parameters=parameters))  # noqa: B010
        command.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
        return command

    return decorate


def given_values(context: typer.Context, config: type) -> dict[str, Any]:
    """Values of the fields whose options stand on the command line."""
    return field_values(
        config, {name: value for name, value in context.params.items() if is_given(context, name)}
    )


def _parameter(option: ConfigOption, own_type: Any) -> inspect.Parameter:
    kind: Any = {"path": Path, "size": Size}.get(option.kind, own_type)
    # A flag that is off by default has no opposite.
    flag = option.flag or (f"--{option.name.replace('_', '-')}" if option.default is False else None)
    info = typer.Option(
        *([flag] if flag else []),
        help=option.help,
        rich_help_panel=option.panel,
        parser=parse_size if option.kind == "size" else None,
        metavar="HxW" if option.kind == "size" else option.metavar,
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[kind if option.default is not None else kind | None, info],
    )
