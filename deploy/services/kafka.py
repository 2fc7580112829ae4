"""Apache Kafka in KRaft mode: one node that is broker and controller, from the jars that install.sh fetched."""

import base64
import subprocess
import uuid
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.services.process import HOST, Service, ServiceFailed, ServiceMissing, find_program, free_port, listens

HEAP_MB = 512
INSTALLER = Path(__file__).with_name("install.sh")
JVM = (  # a short-lived broker starts in half the time without the optimising compiler
    f"-Xmx{HEAP_MB}m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
num.partitions=8
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class Kafka(Service):
    """A Kafka broker on a loopback port."""

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """For LITEHEART_BROKER."""
        return f"kafka://{self.bootstrap}"


def start_kafka(folder: Path, port: int | None = None) -> Kafka:
    """Start Kafka in `folder`; a folder that held one before keeps its port and its topics.

    Raises ServiceMissing without Java or the jars, ServiceFailed when it does not come up.
    """
    java = [find_program("java"), "-cp", f"{_jars()}/*", *JVM]
    properties = folder / "server.properties"
    if not properties.exists():
        folder.mkdir(parents=True, exist_ok=True)
        port = port or free_port()
        text = PROPERTIES.format(host=HOST, port=port, controller=free_port(), folder=folder.resolve())
        properties.write_text(text)
        _format(java, properties)
    port = _port_of(properties)
    command = [*java, "kafka.Kafka", str(properties)]
    return Kafka("kafka", command, folder=folder, port=port, ready=lambda: _serves(port)).start()


def _jars() -> Path:
    told = subprocess.run(  # noqa: S603 - our own script beside this file
        [str(INSTALLER), "kafka-lib"], capture_output=True, text=True, check=True
    )
    folder = Path(told.stdout.strip())
    if not folder.is_dir():
        raise ServiceMissing("the Kafka jars are not there: run deploy/services/install.sh")
    return folder


def _format(java: list[str], properties: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    tool = ["kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster}"]
    done = subprocess.run(  # noqa: S603 - our own command line, no shell
        [*java, *tool, "--config", str(properties)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        properties.unlink()
        raise ServiceFailed(f"Kafka could not format its folder: {done.stderr.strip().splitlines()[-1:]}")


def _port_of(properties: Path) -> int:
    lines = dict(line.split("=", 1) for line in properties.read_text().splitlines())
    return int(lines["advertised.listeners"].rsplit(":", 1)[1])


def _serves(port: int) -> bool:
    if not listens(port):
        return False
    try:
        admin = KafkaAdminClient(bootstrap_servers=f"{HOST}:{port}", request_timeout_ms=5_000)
    except KafkaError:
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
