"""What EXPLAIN (FORMAT JSON) says."""

from typing import Any


def scans(plan: Any, relation: str) -> set[str]:
    """Kinds of scan that read a relation; those that ANALYZE saw were never run do not count."""
    if isinstance(plan, list):
        return set().union(*(scans(part, relation) for part in plan))
    if not isinstance(plan, dict) or plan.get("Actual Loops") == 0:
        return set()
    own = {plan["Node Type"]} if plan.get("Relation Name") == relation else set()
    return own.union(*(scans(part, relation) for part in plan.values()))
