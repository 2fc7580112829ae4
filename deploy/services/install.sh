#!/usr/bin/env bash
# Installs what the tests and `python -m deploy.services` start: Kafka, PostgreSQL, Redis, Mosquitto, S3Proxy, Chromium.
# Idempotent and quick when everything is there. Nothing is started, nothing is enabled.
#   install.sh            install what is missing
#   install.sh kafka-lib  print the folder of the Kafka jars, install nothing
#   install.sh s3-jar     print the path of the S3Proxy jar, install nothing
set -euo pipefail

KAFKA_VERSION="${LITEHEART_KAFKA_VERSION:-4.1.1}" # 4.1 runs on Java 17
SLF4J_VERSION=1.7.36                              # the binding for the slf4j that Kafka 4.1 brings
KAFKA_LIB="${XDG_CACHE_HOME:-$HOME/.cache}/liteheart/kafka-$KAFKA_VERSION"

S3_VERSION="${LITEHEART_S3PROXY_VERSION:-2.6.0}"
S3_JAR="${XDG_CACHE_HOME:-$HOME/.cache}/liteheart/s3proxy-$S3_VERSION.jar"

if [[ "${1:-}" == kafka-lib ]]; then
  echo "$KAFKA_LIB"
  exit 0
fi
if [[ "${1:-}" == s3-jar ]]; then
  echo "$S3_JAR"
  exit 0
fi

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

has() { # a command on the path, in sbin, or among PostgreSQL's own
  command -v "$1" >/dev/null || [[ -x "/usr/sbin/$1" ]] || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

missing=()
want() { # command package
  has "$1" || missing+=("$2")
}
want redis-server redis-server
want mosquitto mosquitto
want initdb postgresql
if ! has chromium && ! has chromium-browser && ! has google-chrome; then missing+=(chromium); fi
want java default-jre-headless
if [[ ! -d "$KAFKA_LIB" || ! -f "$S3_JAR" ]]; then want mvn maven; fi

if ((${#missing[@]})); then
  has apt-get || fail "no apt-get here; please install: ${missing[*]}"
  [[ $EUID -eq 0 ]] || fail "run as root, or install first: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet=2 || fail "apt-get update failed"
  apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install: ${missing[*]}"
fi

if [[ ! -d "$KAFKA_LIB" ]]; then
  mkdir -p "$(dirname "$KAFKA_LIB")"
  work="$(mktemp -d "$KAFKA_LIB.XXXXXX")" # beside its destination, so that the rename is atomic
  trap 'rm -rf "$work"' EXIT
  cat >"$work/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>liteheart</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$KAFKA_VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>$SLF4J_VERSION</version>
    </dependency>
  </dependencies>
</project>
POM
  mvn --batch-mode --quiet --file "$work/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$work/lib" >"$work/log" 2>&1 ||
    fail "Maven could not fetch Kafka $KAFKA_VERSION: $(grep -m1 ERROR "$work/log" || tail -n1 "$work/log")"
  chmod 755 "$work/lib"
  mv -T "$work/lib" "$KAFKA_LIB" 2>/dev/null || [[ -d "$KAFKA_LIB" ]] || fail "could not create $KAFKA_LIB"
fi

if [[ ! -f "$S3_JAR" ]]; then
  mkdir -p "$(dirname "$S3_JAR")"
  fetched="$(mktemp -d "$S3_JAR.XXXXXX")"
  trap 'rm -rf "${work:-}" "$fetched"' EXIT
  mvn --batch-mode --quiet dependency:copy "-DoutputDirectory=$fetched" \
    "-Dartifact=org.gaul:s3proxy:$S3_VERSION:jar:jar-with-dependencies" >"$fetched/log" 2>&1 ||
    fail "Maven could not fetch S3Proxy $S3_VERSION: $(grep -m1 ERROR "$fetched/log" || tail -n1 "$fetched/log")"
  mv -T "$fetched/s3proxy-$S3_VERSION-jar-with-dependencies.jar" "$S3_JAR"
fi
