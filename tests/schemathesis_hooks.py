"""What OpenAPI has no words for, told to schemathesis."""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(_: Any, case: Any, __: dict[str, Any]) -> None:
    """A param comes in the query or in the body, not in both; an integer has no decimal point.

    A comma in the query ends an item, also where items are repeated.
    """
    if case.query:
        case.query = {name: _uncut(value) for name, value in case.query.items()}
    if not isinstance(case.body, dict):
        return
    case.body = {name: _whole(value) for name, value in case.body.items()}
    if case.query:
        case.query = {name: value for name, value in case.query.items() if name not in case.body}


def _whole(value: Any) -> Any:
    """JSON Schema counts 2.0 among the integers (2020-12, section 6.1.1); strict params do not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _uncut(value: Any) -> Any:
    """The same items, none of which becomes two; none at all, which no URL can say, is an empty one."""
    if isinstance(value, list):
        return [_uncut(item) for item in value] or [""]
    return str(value).replace(",", ".")
