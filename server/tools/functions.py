"""Typed Python functions as tools: the schema comes from type hints, the description from the docstring's first
line."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from agents import FunctionTool, function_tool

from pipelines.adapters.agent.watched import reading
from pipelines.errors import ConfigError
from server.tools.proof import guarded

Function = TypeVar("Function", bound=Callable[..., Any])


def reads_only(function: Function) -> Function:
    """Decorator: the tool changes nothing anywhere, so it may run before it is sure that its answer is wanted."""
    function.reads_only = True  # type: ignore[attr-defined]
    return function


def sensitive(function: Function) -> Function:
    """Decorator: the tool is not run before the caller has proven who he is, which a known voice or number does not. A tool that checks what
    only he knows says so by `CallContext.prove()`."""
    function.sensitive = True  # type: ignore[attr-defined]
    return function


def function_as_tool(function: Callable[..., Any]) -> FunctionTool:
    """A tool that runs `function` (asynchronous, or blocking: then on a thread).

    Its first parameter may be a `RunContextWrapper[CallContext]`, which the model does not see. Parameters with a
    default may be left out by the model. What the function raises reaches the caller as a short apology; see
    `pipelines.adapters.agent.watched`.
    """
    tool = function_tool(function, strict_mode=False, failure_error_function=None)
    tool.description = (inspect.getdoc(function) or "").partition("\n")[0]
    tool = reading(tool) if getattr(function, "reads_only", False) else tool
    return guarded(tool) if getattr(function, "sensitive", False) else tool


def load_function(path: str) -> FunctionTool:
    """The tool named `package.module:function` (a function, or a ready `FunctionTool`). Raises `ConfigError`."""
    module_name, _, name = path.partition(":")
    if not name:
        raise ConfigError(f"tool {path!r}: write it as package.module:function, or name a shipped set")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"tool {path!r} cannot be imported: {error}") from error
    if isinstance(found, FunctionTool):
        return found
    if not callable(found):
        raise ConfigError(f"tool {path!r} is no function")
    return function_as_tool(found)
