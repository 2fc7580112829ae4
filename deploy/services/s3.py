"""An S3-compatible server: S3Proxy on a folder, with credentials drawn for it, on loopback only."""

import secrets
import subprocess
from pathlib import Path
from typing import Final

from deploy.services.process import HOST, Service, ServiceMissing, find_program, free_port, listens

INSTALLER: Final = Path(__file__).with_name("install.sh")
BUCKET: Final = "archive"
PROPERTIES: Final = """\
s3proxy.endpoint=http://{host}:{port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={identity}
s3proxy.credential={credential}
s3proxy.ignore-unknown-headers=true
jclouds.provider=filesystem
jclouds.filesystem.basedir={folder}/buckets
"""


class S3(Service):
    """An S3-compatible server with one bucket; `url` and `environment` lead to it."""

    identity: str
    credential: str

    @property
    def url(self) -> str:
        """For LITEHEART_ARCHIVE_STORE."""
        return f"s3://{BUCKET}"

    @property
    def buckets(self) -> Path:
        """Where its objects lie."""
        return self.folder / "buckets"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that clients of S3 know."""
        return {
            "AWS_ACCESS_KEY_ID": self.identity,
            "AWS_SECRET_ACCESS_KEY": self.credential,
            "AWS_ENDPOINT_URL": f"http://{HOST}:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }


def start_s3(folder: Path, port: int | None = None) -> S3:
    """Start S3Proxy in `folder`. Raises ServiceMissing, ServiceFailed."""
    java, bash = find_program("java"), find_program("bash")
    said = subprocess.run([bash, str(INSTALLER), "s3-jar"], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    jar = Path(said.stdout.strip())
    if not jar.is_file():
        raise ServiceMissing(f"S3Proxy is not installed: run {INSTALLER}")
    port = port or free_port()
    identity, credential = secrets.token_hex(10), secrets.token_urlsafe(30)
    (folder / "buckets" / BUCKET).mkdir(parents=True, exist_ok=True)
    conf = folder / "s3proxy.conf"
    conf.touch(mode=0o600)
    conf.write_text(PROPERTIES.format(host=HOST, port=port, identity=identity, credential=credential, folder=folder))
    command = [java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", str(jar)]
    command += ["--properties", str(conf)]
    service = S3("s3", command, folder=folder, port=port, ready=lambda: listens(port))
    service.identity, service.credential = identity, credential
    return service.start()
