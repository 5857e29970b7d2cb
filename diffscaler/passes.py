"""Which stages run together: neighbours whose models fit in memory side by side form one pass.

Inside a pass chunks go from generator to generator; between passes they are read back from the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diffscaler.plan import Node


def passes(
    missing: Sequence[Node], size_of: Callable[[Node], int], joins: Callable[[Node], bool], budget_bytes: int
) -> list[list[Node]]:
    """Group `missing` (inputs before users) into passes.

    size_of: bytes a node's models take; joins: the node reads its inputs out of step, so they must be finished first
    A node joins the running pass when the pass's last node is its only input, it is that node's only user, and all
    models of the pass fit in `budget_bytes` together; otherwise it starts a new one.
    """
    users: dict[str, int] = {}
    for node in missing:
        for source in node.inputs:
            users[source.key] = users.get(source.key, 0) + 1
    groups: list[list[Node]] = []
    for node in missing:
        last = groups[-1] if groups else []
        follows = bool(last) and node.inputs == (last[-1],) and users[last[-1].key] == 1
        fits = sum(size_of(other) for other in [*last, node]) <= budget_bytes
        if follows and fits and not joins(node):
            last.append(node)
        else:
            groups.append([node])
    return groups
