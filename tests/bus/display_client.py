"""A display's MQTT client: WebSocket, the displays' user, none of kioskd's own code."""

import aiomqtt

from kioskd.demo.mosquitto import PrivateMosquitto


def web_client(
    broker: PrivateMosquitto,
    *,
    client_id: str = "display-test",
    user: str | None = None,
    password: str | None = None,
) -> aiomqtt.Client:
    """A client as a display is one."""
    host, port = broker.web_url.removeprefix("ws://").split(":")
    return aiomqtt.Client(
        host,
        int(port),
        transport="websockets",
        websocket_path="/",
        username=broker.display.user if user is None else user,
        password=broker.display.password if password is None else password,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
    )
