#!/usr/bin/env bash
# Fetches the jars of Kafka's broker from Maven Central, once (54 MB; needs mvn), into the folder that the tests look at.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
libs=${TEST_KAFKA_LIBS:-${XDG_CACHE_HOME:-$HOME/.cache}/issue-tracker/kafka-4.1.1}
[ -e "$libs/.complete" ] && exit 0
mkdir -p "$(dirname "$libs")"
# Where it ends halfway it leaves nothing that looks whole. -U: what could not be fetched the last time is asked for again.
new=$(mktemp -d "$libs.XXXXXX")
trap 'rm -rf "$new"' EXIT
mvn -B -q -U -f "$here/kafka-pom.xml" dependency:copy-dependencies "-DoutputDirectory=$new"
mkdir -p "$libs"
mv "$new"/*.jar "$libs"
touch "$libs/.complete"
