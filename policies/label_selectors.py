"""Kubernetes label selectors."""

from collections.abc import Mapping
from typing import Any

from policies.values import get, mapping, sequence


def selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector selects what has these labels. An empty selector selects everything."""
    return all(labels.get(key) == value for key, value in mapping(selector, "matchLabels").items()) and all(
        _holds(expression, labels) for expression in sequence(selector, "matchExpressions")
    )


def selects_everything(selector: Any) -> bool:
    """Whether a LabelSelector makes no demand."""
    return not mapping(selector, "matchLabels") and not sequence(selector, "matchExpressions")


def _holds(expression: Any, labels: Mapping[str, Any]) -> bool:
    value = labels.get(get(expression, "key"))
    values = sequence(expression, "values")
    match get(expression, "operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
