"""Label selectors of Kubernetes."""

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether `selector` (matchLabels and matchExpressions, all of which must hold) selects `labels`.

    The empty selector selects everything. Raises ValueError for an operator that Kubernetes does not have.
    """
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":  # also where the label is missing
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(
        f"A label selector's operator is {expression['operator']!r}; it must be In, NotIn, Exists or DoesNotExist."
    )
