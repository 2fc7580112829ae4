"""`python -m deploy.services [FOLDER]`: all four servers until Ctrl-C, and the settings that lead to them."""

import contextlib
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from deploy.services.kafka import start_kafka
from deploy.services.mosquitto import start_mosquitto
from deploy.services.postgres import start_postgres
from deploy.services.process import ServiceFailed, ServiceMissing
from deploy.services.redis import start_redis


def main(arguments: list[str]) -> int:
    """Exit status: 0 after Ctrl-C, 1 when a server is missing or did not come up."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: who starts us in the background has it ignored
        signal.signal(number, signal.default_int_handler)
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        folder = Path(arguments[0]).resolve() if arguments else _scratch(stack)
        try:
            redis = stack.enter_context(start_redis(folder / "redis"))
            postgres = stack.enter_context(start_postgres(folder / "postgres"))
            kafka = stack.enter_context(start_kafka(folder / "kafka"))
            mosquitto = stack.enter_context(start_mosquitto(folder / "mosquitto"))
        except (ServiceMissing, ServiceFailed) as error:
            print(error, file=sys.stderr)
            return 1
        print(f"LITEHEART_BROKER={kafka.url}")
        print(f"LITEHEART_DATABASE={postgres.url}")
        print(f"LITEHEART_REDIS={redis.url}")
        for name, value in mosquitto.environment.items():
            print(f"{name}={value}", flush=True)
        print(f"devices sign in at {mosquitto.url}", file=sys.stderr)
        print(f"data and logs in {folder}; Ctrl-C stops everything", file=sys.stderr)
        signal.pause()
    return 0


def _scratch(stack: contextlib.ExitStack) -> Path:
    """A folder that every account can pass through, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="liteheart-services-"))
    folder.chmod(0o711)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
