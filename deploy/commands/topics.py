"""`liteheart topics`: create the Kafka topics with their partitions and retention."""

import argparse

from deploy.role import add_config_argument
from deploy.settings import load
from ingest.publish import create_topics
from liteheart.errors import Misconfigured
from liteheart.topics import ALL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--config."""
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Create what is missing; safe to repeat."""
    settings = load(args.config)
    if settings.embedded:
        raise Misconfigured("broker", "the embedded broker needs no topics; set LITEHEART_BROKER=kafka://host:port")
    create_topics(settings.kafka_client, ALL)
    return 0
