#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup_interop.sh [PART…]: brings the programs that `./dev interop` runs beside vecstore, from their package registries, into
# .deps/interop (or $VECSTORE_INTEROP_DIR), once. A part that cannot be had is named and left out: its tests then skip by name.
#
#   python     PyIceberg, DuckDB with its extensions, fastavro, boto3          venv/
#   moto       an S3 service in memory                                          venv-moto/
#   spark      pyspark, Iceberg's Spark runtime (a Java of at least 17)         venv-spark/ jars/
#   versitygw  an S3 service over files that checks signatures (a Go)           bin/
#   rest       Iceberg's REST test service (Java 17, Maven)                     rest/lib/
#   minio      an S3 service (Go; minutes to compile): only when it is asked for by name
#
# A part is made anew when its list changes. Nothing outside the folder is touched, but for the caches of pip, go and mvn.
set -euo pipefail
# shellcheck source=tools/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
ROOT=$(root_of)
DIR=${VECSTORE_INTEROP_DIR:-$ROOT/.deps/interop}
ICEBERG=1.10.1
PYTHON_LIST="pyiceberg[sql-sqlite,pyarrow,pyiceberg-core]==0.12.0 pyarrow==26.0.1 duckdb==1.4.4 duckdb-ext-iceberg==1.4.4.20260205
duckdb-ext-avro==1.4.4.20260205 duckdb-ext-httpfs==1.4.4.20260205 fastavro boto3 numpy"
MOTO_LIST="moto[server]==5.2.5"
SPARK_LIST="pyspark==4.0.2"
JAR_LIST="org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:$ICEBERG org.apache.iceberg:iceberg-aws-bundle:$ICEBERG org.xerial:sqlite-jdbc:3.50.3.0"
VERSITYGW=github.com/versity/versitygw/cmd/versitygw@v1.8.0
MINIO=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
MAVEN_DEPENDENCY=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

need() {
    command -v "$1" >/dev/null 2>&1 || {
        echo "there is no $1"
        return 1
    }
}

# made PART LIST: whether the part is there in the versions of the list.
made() {
    [ "$(cat "$DIR/.complete/$1" 2>/dev/null || true)" = "$2" ]
}

finish() {
    mkdir -p "$DIR/.complete"
    printf '%s\n' "$2" >"$DIR/.complete/$1"
}

# make_venv FOLDER REQUIREMENT…
make_venv() {
    local folder=$DIR/$1
    shift
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_DEFAULT_TIMEOUT="${PIP_DEFAULT_TIMEOUT:-20}"
    rm -rf "$folder"
    /usr/bin/python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --retries 2 "$@"
}

make_python() {
    local list
    read -r -d '' -a list <<<"$PYTHON_LIST" || true
    make_venv venv "${list[@]}"
}

make_moto() {
    make_venv venv-moto "$MOTO_LIST"
}

make_spark() {
    local artifact
    need java
    need mvn
    make_venv venv-spark "$SPARK_LIST"
    mkdir -p "$DIR/jars"
    for artifact in $JAR_LIST; do
        (cd "$DIR" && mvn -q -B "$MAVEN_DEPENDENCY:copy" "-Dartifact=$artifact" "-DoutputDirectory=$DIR/jars")
    done
}

make_versitygw() {
    need go
    mkdir -p "$DIR/bin"
    GOBIN=$DIR/bin go install "$VERSITYGW"
}

make_minio() {
    need go
    mkdir -p "$DIR/bin"
    GOBIN=$DIR/bin go install "$MINIO"
}

make_rest() {
    need java
    need mvn
    rm -rf "$DIR/rest"
    mkdir -p "$DIR/rest"
    cp "$ROOT/tests/interop/pom.xml" "$DIR/rest/"
    (cd "$DIR/rest" && mvn -q -B "$MAVEN_DEPENDENCY:copy-dependencies" "-DoutputDirectory=$DIR/rest/lib" -DincludeScope=runtime)
}

list_of() {
    case $1 in
    python) printf '%s\n' "$PYTHON_LIST" ;;
    moto) printf '%s\n' "$MOTO_LIST" ;;
    spark) printf '%s\n' "$SPARK_LIST $JAR_LIST" ;;
    versitygw) printf '%s\n' "$VERSITYGW" ;;
    minio) printf '%s\n' "$MINIO" ;;
    rest) sha256sum <"$ROOT/tests/interop/pom.xml" ;;
    *) die "no part '$1': python, moto, spark, versitygw, rest or minio" ;;
    esac
}

[ $# -gt 0 ] || set -- python moto spark versitygw rest
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)
for part in "$@"; do
    list=$(list_of "$part")
    if made "$part" "$list"; then
        continue
    fi
    # Not "if (step …)": a condition switches set -e off for everything within.
    set +e
    (step "interoperability: $part" "make_$part")
    status=$?
    set -e
    if [ "$status" -eq 0 ]; then
        finish "$part" "$list"
    else
        rm -f "$DIR/.complete/$part"
        say "$part cannot be had here: the tests that need it will skip"
    fi
done
