"""Names at the MQTT broker: one topic a device, and the device's own name as its user."""

from typing import Final

from liteheart.ids import DeviceId, is_identifier

PREFIX: Final = "liteheart/v1/frames/"


def user_of(device: DeviceId) -> str:
    """The device's name at the broker: '~' stands for ':', which divides the lines of Mosquitto's password file."""
    return device.replace(":", "~")


def device_of(topic: str) -> DeviceId | None:
    """Whose topic this is; None when it is nobody's."""
    user = topic.removeprefix(PREFIX)
    device = user.replace("~", ":")
    return DeviceId(device) if user != topic and ":" not in user and is_identifier(device) else None


def subscription(group: str) -> str:
    """The topic filter of all devices; bridges of one group share the messages out among them."""
    return f"$share/{group}/{PREFIX}+" if group else f"{PREFIX}+"
