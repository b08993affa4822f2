"""Messages as JSON, as Triton writes them: the .proto's names, whole numbers as numbers, every plain field there."""

from __future__ import annotations

from typing import Any


def plain(message: Any) -> dict[str, Any]:
    """What ``json.dumps`` takes. Messages that are not set and members of a oneof not chosen are left out."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated and field.message_type and field.message_type.GetOptions().map_entry:
            entries = getattr(message, field.name)
            found[field.name] = {
                str(key): _value(field.message_type.fields_by_name["value"], entries[key]) for key in entries
            }
        elif field.is_repeated:
            found[field.name] = [_value(field, each) for each in getattr(message, field.name)]
        elif not field.has_presence or message.HasField(field.name):
            found[field.name] = _value(field, getattr(message, field.name))
    return found


def _value(field: Any, value: Any) -> Any:
    if field.message_type:
        return plain(value)
    return field.enum_type.values_by_number[value].name if field.enum_type else value
