#!/usr/bin/env bash
# Fetches the jars of Kafka's broker from Maven Central, once (54 MB; needs mvn), into the folder that the tests look at.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
libs=${TEST_KAFKA_LIBS:-${XDG_CACHE_HOME:-$HOME/.cache}/issue-tracker/kafka-4.1.1}
[ -e "$libs/.complete" ] && exit 0
mkdir -p "$libs"
mvn -B -q -f "$here/kafka-pom.xml" dependency:copy-dependencies "-DoutputDirectory=$libs"
touch "$libs/.complete"
