"""The values that names stand for in a scope of Python source.

A name stands for each value that an assignment or a loop of its scope gives it. Names
of an inner scope hide those of an outer one, also if their values are unknown.
"""

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import Final

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Value = tuple[ast.expr, ast.stmt]
"""An expression, and the statement that binds it to a name."""


class Names:
    """The names that a module or a function binds, within an outer scope."""

    def __init__(self, node: ast.AST, outer: "Names | None" = None) -> None:
        self._node = node
        self._outer = outer

    def values(self, name: str) -> list[Value]:
        """Return the values of a name that are known."""
        scope: Names | None = self
        while scope is not None and name not in scope._bound:
            scope = scope._outer
        return scope._bound[name] if scope else []

    @cached_property
    def _bound(self) -> dict[str, list[Value]]:
        bound: dict[str, list[Value]] = {}
        for node in self._own_nodes():
            match node:
                case (
                    ast.Assign(targets=[ast.Name(name)], value=value)
                    | ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
                    | ast.For(target=ast.Name(name), iter=value)
                ):
                    bound.setdefault(name, []).append((value, node))
                case ast.Name(name, ast.Store()) | ast.arg(name):
                    bound.setdefault(name, [])
                case _:
                    pass
        return bound

    def _own_nodes(self) -> Iterator[ast.AST]:
        """Yield the nodes in the scope, without those within functions in it."""
        waiting = [*ast.iter_child_nodes(self._node)]
        while waiting:
            node = waiting.pop()
            yield node
            if not isinstance(node, FUNCTIONS):
                waiting += ast.iter_child_nodes(node)
